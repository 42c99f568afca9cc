//! The servers of one group of rows, up and waiting.
//!
//! One that is not on this machine is kept in its place with the reason, so that a table never
//! hides that somebody is missing.

use anyhow::Result;

use super::rows::{Group, SMALL};
use crate::bench::{
    contender::{Contender, DoorKind, Setting, Site},
    note,
    redirect::RedirectSite,
};

/// All that compete in a group. Ours comes first: the others are compared with it.
#[derive(Debug)]
pub(super) struct Entrants(Vec<Entrant>);

/// One of them.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) contender: Contender,
    pub(super) presence: Presence,
}

/// Whether it is here.
#[derive(Debug)]
pub(super) enum Presence {
    /// It is not, for this reason.
    Absent(String),
    /// It is.
    Here(Site),
    /// Ours, with a mirror to send everyone to.
    Redirecting(RedirectSite),
}

impl Entrants {
    /// Starts those that can be started.
    pub(super) fn start(group: Group, setting: &Setting<'_>) -> Result<Self> {
        let start = |contender| Entrant::start(contender, group, setting);
        let entrants = contenders(group).iter().copied().map(start);
        Ok(Self(entrants.collect::<Result<_>>()?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entrant> {
        self.0.iter()
    }
}

impl Entrant {
    fn start(contender: Contender, group: Group, setting: &Setting<'_>) -> Result<Self> {
        let doors = match group {
            Group::Plain | Group::Redirect => DoorKind::Plain,
            Group::Secure => DoorKind::PlainAndSecure,
        };
        let presence = match contender.absence(setting, doors) {
            Some(reason) => {
                note(&format!("{}: {reason}", contender.name()));
                Presence::Absent(reason)
            }
            None if group == Group::Redirect && contender == Contender::Overspill => {
                Presence::Redirecting(RedirectSite::start(setting, "/1m")?)
            }
            None => match contender.start(setting, doors, SMALL) {
                Ok(site) => Presence::Here(site),
                // An old version, say; the others are measured all the same.
                Err(error) if contender != Contender::Overspill => {
                    note(&format!("{error:#}"));
                    Presence::Absent("not available: it does not start".to_owned())
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Self {
            contender,
            presence,
        })
    }

    /// The server, if it is here.
    pub(super) fn site(&self) -> Option<&Site> {
        match &self.presence {
            Presence::Absent(_) => None,
            Presence::Here(site) => Some(site),
            Presence::Redirecting(redirecting) => Some(&redirecting.site),
        }
    }

    /// Where it answers with a redirect: nginx has a path of its own for it.
    pub(super) fn redirecting_path(&self, path: &'static str) -> &'static str {
        match self.presence {
            Presence::Redirecting(_) => path,
            Presence::Absent(_) | Presence::Here(_) => "/redirect",
        }
    }
}

/// lighttpd stays out of TLS, where its makers say little about speed, and Caddy of the clear,
/// which it does not shine at.
fn contenders(group: Group) -> &'static [Contender] {
    use Contender::{Caddy, Lighttpd, Nginx, Overspill};
    match group {
        Group::Plain => &[Overspill, Nginx, Lighttpd],
        Group::Redirect => &[Overspill, Nginx],
        Group::Secure => &[Overspill, Nginx, Caddy],
    }
}
