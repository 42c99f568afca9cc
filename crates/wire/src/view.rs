//! The fleet as the server sees it, told to mirrors so that each of them can dispatch.
//!
//! A view is told again and again and replaces the one before; it is a picture, not a journal. It
//! must never carry what a member holds beyond its complete revision: that would be its whole catalog.

use overspill_core::fleet::{Hello, MemberState, MemberView, Reach};
use serde::{Deserialize, Serialize};

use crate::{WireError, fleet::ReportMessage};

/// One node in a view.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MemberMessage {
    /// The member's name.
    pub name: String,
    /// Where clients reach it; empty for the server, whose address whoever listens knows.
    pub url: String,
    /// Start of the member's process.
    pub epoch: u64,
    /// Where it stands; empty if nobody said.
    #[serde(default)]
    pub zone: String,
    /// Its state.
    pub state: StateName,
    /// Its last report, without lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportMessage>,
}

/// [`MemberState`] by name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// See [`MemberState::Joining`].
    Joining,
    /// See [`MemberState::Ready`].
    Ready,
    /// See [`MemberState::Draining`].
    Draining,
    /// See [`MemberState::Suspect`].
    Suspect,
    /// See [`MemberState::Down`].
    Down,
    /// See [`MemberState::Gone`].
    Gone,
}

/// The name of the server in a view. A mirror's name is made by the mirror, and not this.
pub const SERVER: &str = "server";
/// Most members in a view; in a larger fleet each mirror is told of its own part.
pub const MAX_MEMBERS: usize = 64;

impl From<&MemberView> for MemberMessage {
    fn from(view: &MemberView) -> Self {
        let zone = view.hello.zone.as_ref();
        Self {
            name: view.hello.member.to_string(),
            url: view.hello.url.clone(),
            epoch: view.hello.epoch,
            zone: zone.map_or_else(String::new, ToString::to_string),
            state: view.state.into(),
            report: view.report.as_ref().map(ReportMessage::from),
        }
    }
}

impl MemberMessage {
    /// Checks the message. What has no URL is at `server_url`.
    pub fn into_view(self, server_url: &str) -> Result<MemberView, WireError> {
        let zone = match self.zone.as_str() {
            "" => None,
            zone => Some(
                zone.parse()
                    .map_err(|error| WireError::new("zone", error))?,
            ),
        };
        let hello = Hello {
            member: self
                .name
                .parse()
                .map_err(|error| WireError::new("name", error))?,
            url: if self.url.is_empty() {
                server_url.to_owned()
            } else {
                self.url
            },
            epoch: self.epoch,
            version: String::new(),
            zone,
            // Who can be reached by the server alone is told of to nobody else.
            reach: Reach::Public,
        };
        Ok(MemberView {
            hello,
            state: self.state.into(),
            report: self.report.map(ReportMessage::into_report).transpose()?,
        })
    }
}

impl From<MemberState> for StateName {
    fn from(state: MemberState) -> Self {
        match state {
            MemberState::Joining => Self::Joining,
            MemberState::Ready => Self::Ready,
            MemberState::Draining => Self::Draining,
            MemberState::Suspect => Self::Suspect,
            MemberState::Down => Self::Down,
            MemberState::Gone => Self::Gone,
        }
    }
}

impl From<StateName> for MemberState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Joining => Self::Joining,
            StateName::Ready => Self::Ready,
            StateName::Draining => Self::Draining,
            StateName::Suspect => Self::Suspect,
            StateName::Down => Self::Down,
            StateName::Gone => Self::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::{fleet::Report, units::Rate};

    use super::*;

    #[test]
    fn views_survive_the_wire_and_the_server_gets_its_address() {
        for (name, url, seen_at) in [("m-1", "http://m", "http://m"), (SERVER, "", "http://s")] {
            let view = MemberView {
                hello: Hello {
                    member: name.parse().unwrap(),
                    url: url.to_owned(),
                    epoch: 7,
                    version: String::new(),
                    zone: Some("north".parse().unwrap()),
                    reach: Reach::default(),
                },
                state: MemberState::Ready,
                report: Some(Report::idle(7, 1, Rate::GIGABIT)),
            };
            let text = serde_json::to_string(&MemberMessage::from(&view)).unwrap();
            let message: MemberMessage = serde_json::from_str(&text).unwrap();
            let read = message.into_view("http://s").unwrap();
            assert_eq!(read.hello.url, seen_at);
            assert_eq!((read.state, read.report), (view.state, view.report));
        }
    }

    #[test]
    fn a_bad_name_is_refused() {
        let message = MemberMessage {
            name: "A B".into(),
            url: String::new(),
            epoch: 0,
            zone: String::new(),
            state: StateName::Ready,
            report: None,
        };
        assert_eq!(message.into_view("").unwrap_err().field, "name");
    }
}
