//! What a mirror tells about itself, once a second and whenever something jumps.
//!
//! Plain facts, already checked by `wire`. It must never carry a wish: the dispatcher decides.

use crate::{
    catalog::Revision,
    dispatch::DispatchId,
    load::{ClientSample, Footing, LoadHistogram, Pressure},
    root::Root,
    units::Rate,
};

/// One load report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The member's process; a report of another epoch than the join's is from another life.
    pub epoch: u64,
    /// Counts up within the epoch; an older one than the last is ignored.
    pub seq: u64,
    /// Whether the member wants work.
    pub condition: Condition,
    /// Flows in flight by remaining bytes.
    pub load: LoadHistogram,
    /// Of these, flows that are slow by their clients' doing.
    pub flows_limited_by_client: u64,
    /// Bytes per second sent to clients in the last second.
    pub egress_bytes_per_s: f64,
    /// Egress capacity as the member estimates it.
    pub capacity: Rate,
    /// What that estimate rests on.
    pub footing: Footing,
    /// What of its means is in use.
    pub pressure: Pressure,
    /// Every entry up to this revision is held and verified.
    pub complete: Revision,
    /// The revision of the catalog the member works on.
    pub catalog: Revision,
    /// Roots held and verified beyond `complete`.
    pub held: Held,
    /// Dispatches whose clients have arrived since the last report.
    pub acknowledged: Vec<DispatchId>,
    /// What was seen of clients since the last report.
    pub clients: Vec<ClientSample>,
    /// Objects and bytes still to fetch.
    pub missing_objects: u64,
    /// See `missing_objects`.
    pub missing_bytes: u64,
    /// Flows finished since the member started.
    pub flows_served: u64,
    /// Flows that ended early since the member started, by whoever's fault.
    pub flows_cut: u64,
    /// Requests answered with a server error since the member started.
    pub errors: u64,
    /// Body bytes sent since the member started.
    pub bytes_served: u64,
}

/// Whether a member wants work, and what is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// All is well.
    Normal,
    /// Its disk is full: it serves what it has and fetches nothing.
    DiskFull,
    /// It has no slot free.
    Overloaded,
    /// It is finishing what runs and wants nothing new.
    Draining,
}

/// Roots held beyond the complete revision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Held {
    /// These, in addition to those told before.
    Add(Vec<Root>),
    /// These and no others: after a join, a lost report, or when `complete` moved.
    Replace(Vec<Root>),
}

impl Report {
    /// Most flows of which a report tells what they showed.
    pub const MAX_CLIENTS: usize = 64;

    /// The report of a member that has nothing to tell but what it can send.
    pub fn idle(epoch: u64, seq: u64, capacity: Rate) -> Self {
        Self {
            epoch,
            seq,
            condition: Condition::Normal,
            load: LoadHistogram::empty(),
            flows_limited_by_client: 0,
            egress_bytes_per_s: 0.0,
            capacity,
            footing: Footing::Told,
            pressure: Pressure::default(),
            complete: Revision::ZERO,
            catalog: Revision::ZERO,
            held: Held::Add(Vec::new()),
            acknowledged: Vec::new(),
            clients: Vec::new(),
            missing_objects: 0,
            missing_bytes: 0,
            flows_served: 0,
            flows_cut: 0,
            errors: 0,
            bytes_served: 0,
        }
    }
}

impl Held {
    /// Most roots in one report.
    pub const MAX_PER_REPORT: usize = 4096;
    /// Most roots remembered for one member (8 MB); what is beyond counts as not held.
    pub const MAX_PER_MEMBER: usize = 262_144;
}
