//! Joining, reports and events between a mirror and its server.
//!
//! Joining is mutual: the mirror sends a nonce and asks; the server answers with its own nonce and a
//! proof that it knows the token; only then does the mirror show that it knows it too. Neither side
//! sends anything a stranger could use.

use std::{net::IpAddr, time::Duration};

use overspill_core::{
    catalog::Revision,
    dispatch::DispatchId,
    fleet::{Condition, Held, Hello, Reach, Report},
    load::{Bucket, ClientSample, Footing, Limit, LoadHistogram, Pressure},
    secret::{FleetToken, Key, Purpose, Tag},
    units::Rate,
};
use serde::{Deserialize, Serialize};

use crate::{WireError, view::MemberMessage};

/// `POST /-/fleet/hello`: a mirror wants to join.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HelloRequest {
    /// [`crate::PROTOCOL`] of the mirror.
    pub protocol: u32,
    /// The member's name.
    pub member: String,
    /// The mirror's nonce: 32 random bytes in hexadecimal.
    pub nonce: String,
}

/// The server's answer: who it is, and proof that it knows the token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HelloReply {
    /// [`crate::PROTOCOL`] of the server.
    pub protocol: u32,
    /// The server's nonce.
    pub nonce: String,
    /// `HMAC(join key, "server", mirror nonce, server nonce, member)`.
    pub proof: String,
}

/// `POST /-/fleet/join`: the mirror proves itself and says where it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinRequest {
    /// The server's nonce, to find the pending hello.
    pub nonce: String,
    /// The member's name, as in the hello.
    pub member: String,
    /// The URL clients are to use; empty to let the server put the address it sees before `port`.
    pub url: String,
    /// The port the mirror listens on.
    pub port: u16,
    /// What it speaks there.
    pub scheme: SchemeName,
    /// Start of the mirror's process.
    pub epoch: u64,
    /// Software version.
    pub version: String,
    /// Where the mirror stands; empty if nobody said.
    #[serde(default)]
    pub zone: String,
    /// Who can reach the mirror.
    #[serde(default)]
    pub reach: ReachName,
    /// [`JoinRequest::proof`] by the join key.
    pub proof: String,
}

/// [`Reach`] by name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachName {
    /// See [`Reach::Private`].
    Private,
    /// See [`Reach::Public`].
    #[default]
    Public,
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemeName {
    /// Plain HTTP.
    Http,
    /// HTTP under TLS.
    Https,
}

impl From<Reach> for ReachName {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Private => Self::Private,
            Reach::Public => Self::Public,
        }
    }
}

impl From<ReachName> for Reach {
    fn from(name: ReachName) -> Self {
        match name {
            ReachName::Private => Self::Private,
            ReachName::Public => Self::Public,
        }
    }
}

impl SchemeName {
    /// As a URL begins.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The server's answer to a proved join.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JoinReply {
    /// The session to sign with.
    pub session: String,
    /// The URL clients will be sent to.
    pub url: String,
}

/// What the event stream carries, each as one SSE `data:` line of [`SignedEvent`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "event")]
pub enum Event {
    /// The catalog is at this revision now.
    Catalog {
        /// The server's instance.
        instance: String,
        /// The revision.
        revision: u64,
        /// Whether that is everything there is.
        listing: ListingState,
    },
    /// The fleet, the server included and the listener not; replaces the one told before.
    Fleet {
        /// Who is in it.
        members: Vec<MemberMessage>,
        /// Whether the listener itself gets no new work.
        #[serde(default)]
        is_drained: bool,
    },
    /// Nothing happened; the server is alive.
    Ping,
    /// What is added to the answers for some paths; said once at the start of a stream.
    Rules {
        /// The rules as JSON: what they mean is not the wire's concern.
        text: String,
    },
}

/// How far the server is in finding out what its tree holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListingState {
    /// Still looking or hashing: what is not named is not gone.
    Partial,
    /// All of it has been seen, and but for what is being written, hashed.
    Whole,
}

/// An event with its number and the session's signature over both.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SignedEvent {
    /// Grows within the session.
    pub seq: u64,
    /// The event as JSON text: what is signed.
    pub body: String,
    /// `HMAC(session key, "event", seq, body)`.
    pub tag: String,
}

/// `POST /-/fleet/report`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ReportMessage {
    /// See [`Report`]; the fields are its.
    pub epoch: u64,
    /// See [`Report`].
    pub seq: u64,
    /// See [`Report`].
    pub condition: ConditionName,
    /// `[bucket, flows, bytes]` of the non-empty buckets.
    pub load: Vec<(usize, u64, u64)>,
    /// See [`Report`].
    pub flows_limited_by_client: u64,
    /// See [`Report`].
    pub egress_bytes_per_s: f64,
    /// See [`Report`].
    pub capacity_bytes_per_s: f64,
    /// See [`Report`].
    pub footing: FootingName,
    /// Shares of egress, processors and disk in use.
    pub pressure: [f64; 3],
    /// See [`Report`].
    pub complete: u64,
    /// See [`Report`].
    pub catalog: u64,
    /// Whether `held` adds to or replaces what was told before.
    pub held_replaces: Replaces,
    /// Roots in hexadecimal.
    pub held: Vec<String>,
    /// Dispatch ids.
    pub acknowledged: Vec<u64>,
    /// See [`Report`].
    pub clients: Vec<ClientMessage>,
    /// See [`Report`].
    pub missing_objects: u64,
    /// See [`Report`].
    pub missing_bytes: u64,
    /// See [`Report`].
    pub flows_served: u64,
    /// See [`Report`].
    pub flows_cut: u64,
    /// See [`Report`].
    pub errors: u64,
    /// See [`Report`].
    pub bytes_served: u64,
}

/// What one flow showed of the way to its client.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ClientMessage {
    /// The client.
    pub address: IpAddr,
    /// Bytes per second that it acknowledged.
    pub bytes_per_s: f64,
    /// The round trip in microseconds.
    pub rtt_us: u64,
    /// What held it back.
    pub limited_by: LimitName,
}

/// [`Footing`] by name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FootingName {
    /// See [`Footing::Assumed`].
    Assumed,
    /// See [`Footing::Proved`].
    Proved,
    /// See [`Footing::Told`].
    Told,
}

/// [`Limit`] by name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitName {
    /// See [`Limit::Client`].
    Client,
    /// See [`Limit::Here`].
    Here,
}

/// Whether a list of held roots adds or replaces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Replaces {
    /// Forget what was told before.
    All,
    /// Keep it.
    Nothing,
}

/// [`Condition`] by name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionName {
    /// See [`Condition::DiskFull`].
    DiskFull,
    /// See [`Condition::Draining`].
    Draining,
    /// See [`Condition::Normal`].
    Normal,
    /// See [`Condition::Overloaded`].
    Overloaded,
}

/// Most bytes of any control message body, either way.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Most acknowledged dispatches in one report.
pub const MAX_ACKNOWLEDGED: usize = 10_000;

/// The server's side of the mutual proof.
pub fn server_proof(
    token: &FleetToken,
    mirror_nonce: &str,
    server_nonce: &str,
    member: &str,
) -> Tag {
    let key = token.derive(Purpose::Join, b"");
    key.sign(&[
        b"server",
        mirror_nonce.as_bytes(),
        server_nonce.as_bytes(),
        member.as_bytes(),
    ])
}

/// The key both sides sign control messages with after a join.
pub fn session_key(token: &FleetToken, mirror_nonce: &str, server_nonce: &str) -> Key {
    token.derive(
        Purpose::Control,
        format!("{mirror_nonce}|{server_nonce}").as_bytes(),
    )
}

impl JoinRequest {
    /// The mirror's side of the mutual proof: over both nonces and everything it claims.
    pub fn proof(&self, token: &FleetToken, mirror_nonce: &str) -> Tag {
        let numbers = format!("{}|{}|{}", self.scheme.as_str(), self.port, self.epoch);
        let mut claims: Vec<&[u8]> = vec![
            b"mirror",
            mirror_nonce.as_bytes(),
            self.nonce.as_bytes(),
            self.member.as_bytes(),
            self.url.as_bytes(),
            self.version.as_bytes(),
            self.zone.as_bytes(),
            numbers.as_bytes(),
        ];
        // Said only by who is: so the proof of all others is what it was before there was this claim.
        if self.reach == ReachName::Private {
            claims.push(b"private");
        }
        token.derive(Purpose::Join, b"").sign(&claims)
    }

    /// The request as the fleet takes it, with the URL clients are to use.
    pub fn to_hello(&self, url: String) -> Result<Hello, WireError> {
        Ok(Hello {
            member: self
                .member
                .parse()
                .map_err(|error| WireError::new("member", error))?,
            url,
            epoch: self.epoch,
            version: self.version.chars().take(64).collect(),
            zone: match self.zone.as_str() {
                "" => None,
                zone => Some(
                    zone.parse()
                        .map_err(|error| WireError::new("zone", error))?,
                ),
            },
            reach: self.reach.into(),
        })
    }
}

impl SignedEvent {
    /// Signs `event`.
    pub fn sign(key: &Key, seq: u64, event: &Event) -> Self {
        // An enum of strings and numbers always serializes.
        let body = serde_json::to_string(event).unwrap_or_default();
        let tag = key.sign(&[b"event", &seq.to_be_bytes(), body.as_bytes()]);
        Self {
            seq,
            body,
            tag: tag.to_string(),
        }
    }

    /// Checks the signature and reads the event.
    pub fn open(&self, key: &Key) -> Result<Event, WireError> {
        let tag = self
            .tag
            .parse()
            .map_err(|error| WireError::new("tag", error))?;
        if !key.verify(
            &[b"event", &self.seq.to_be_bytes(), self.body.as_bytes()],
            &tag,
        ) {
            return Err(WireError::new(
                "tag",
                "the event is not signed by this session",
            ));
        }
        serde_json::from_str(&self.body).map_err(|error| WireError::new("event", error))
    }
}

impl From<&Report> for ReportMessage {
    fn from(report: &Report) -> Self {
        let (held_replaces, held) = match &report.held {
            Held::Add(roots) => (Replaces::Nothing, roots),
            Held::Replace(roots) => (Replaces::All, roots),
        };
        Self {
            epoch: report.epoch,
            seq: report.seq,
            condition: report.condition.into(),
            load: report
                .load
                .buckets()
                .map(|(at, b)| (at, b.flows, b.bytes))
                .collect(),
            flows_limited_by_client: report.flows_limited_by_client,
            egress_bytes_per_s: report.egress_bytes_per_s,
            capacity_bytes_per_s: report.capacity.bytes_per_s(),
            footing: match report.footing {
                Footing::Assumed => FootingName::Assumed,
                Footing::Proved => FootingName::Proved,
                Footing::Told => FootingName::Told,
            },
            pressure: [
                report.pressure.egress(),
                report.pressure.cpu(),
                report.pressure.disk(),
            ],
            complete: report.complete.0,
            catalog: report.catalog.0,
            held_replaces,
            held: held.iter().map(ToString::to_string).collect(),
            acknowledged: report.acknowledged.iter().map(|id| id.0).collect(),
            clients: report.clients.iter().map(ClientMessage::from).collect(),
            missing_objects: report.missing_objects,
            missing_bytes: report.missing_bytes,
            flows_served: report.flows_served,
            flows_cut: report.flows_cut,
            errors: report.errors,
            bytes_served: report.bytes_served,
        }
    }
}

impl ReportMessage {
    /// Checks the message and turns it into a report.
    pub fn into_report(self) -> Result<Report, WireError> {
        if self.held.len() > Held::MAX_PER_REPORT
            || self.acknowledged.len() > MAX_ACKNOWLEDGED
            || self.clients.len() > Report::MAX_CLIENTS
        {
            return Err(WireError::new(
                "report",
                "more roots, acknowledgements or clients than allowed",
            ));
        }
        let roots = self
            .held
            .iter()
            .map(|root| root.parse())
            .collect::<Result<_, _>>();
        let roots = roots.map_err(|error| WireError::new("held", error))?;
        let buckets = self
            .load
            .iter()
            .map(|&(at, flows, bytes)| (at, Bucket { flows, bytes }));
        Ok(Report {
            epoch: self.epoch,
            seq: self.seq,
            condition: self.condition.into(),
            load: LoadHistogram::from_buckets(buckets),
            flows_limited_by_client: self.flows_limited_by_client,
            egress_bytes_per_s: self.egress_bytes_per_s.max(0.0),
            capacity: Rate::from_bytes_per_s(self.capacity_bytes_per_s),
            footing: match self.footing {
                FootingName::Assumed => Footing::Assumed,
                FootingName::Proved => Footing::Proved,
                FootingName::Told => Footing::Told,
            },
            pressure: Pressure::new(self.pressure[0], self.pressure[1], self.pressure[2]),
            complete: Revision(self.complete),
            catalog: Revision(self.catalog),
            held: match self.held_replaces {
                Replaces::All => Held::Replace(roots),
                Replaces::Nothing => Held::Add(roots),
            },
            acknowledged: self.acknowledged.into_iter().map(DispatchId).collect(),
            clients: self.clients.iter().map(ClientSample::from).collect(),
            missing_objects: self.missing_objects,
            missing_bytes: self.missing_bytes,
            flows_served: self.flows_served,
            flows_cut: self.flows_cut,
            errors: self.errors,
            bytes_served: self.bytes_served,
        })
    }
}

impl From<&ClientSample> for ClientMessage {
    fn from(sample: &ClientSample) -> Self {
        Self {
            address: sample.address,
            bytes_per_s: sample.bytes_per_s,
            rtt_us: u64::try_from(sample.rtt.as_micros()).unwrap_or(u64::MAX),
            limited_by: match sample.limited_by {
                Limit::Client => LimitName::Client,
                Limit::Here => LimitName::Here,
            },
        }
    }
}

impl From<&ClientMessage> for ClientSample {
    fn from(message: &ClientMessage) -> Self {
        Self {
            address: message.address,
            bytes_per_s: message.bytes_per_s.max(0.0),
            rtt: Duration::from_micros(message.rtt_us),
            limited_by: match message.limited_by {
                LimitName::Client => Limit::Client,
                LimitName::Here => Limit::Here,
            },
        }
    }
}

impl From<Condition> for ConditionName {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::DiskFull => Self::DiskFull,
            Condition::Draining => Self::Draining,
            Condition::Normal => Self::Normal,
            Condition::Overloaded => Self::Overloaded,
        }
    }
}

impl From<ConditionName> for Condition {
    fn from(name: ConditionName) -> Self {
        match name {
            ConditionName::DiskFull => Self::DiskFull,
            ConditionName::Draining => Self::Draining,
            ConditionName::Normal => Self::Normal,
            ConditionName::Overloaded => Self::Overloaded,
        }
    }
}

#[cfg(test)]
mod tests;
