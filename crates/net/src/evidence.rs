//! What the kernel says of the connections that send: whether they are held back, and by whom.
//!
//! Once a second the sweep asks `TCP_INFO` of each connection that sends anyway; two looks at a
//! connection make a [`Span`]. Notes are kept in a map beside the connections, only for those found
//! sending, so idle connections and small answers pay nothing. It must never be on the path of an
//! answer below [`SAMPLED_BYTES`].
//!
//! The kernel knows when a client's receive window, or our send buffer, held a connection back. What
//! it calls neither is the network, ours or the client's: that is for `core::load` to tell apart, by
//! what many connections do together.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use foldhash::fast::FixedState;
use overspill_core::load::{ClientSample, Limit, SameFlows};
use overspill_sys::TcpInfo;

use crate::{flows::Shard, sweeper::Activity};

/// The connections of a node, or of one core, that were sending in the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SendingSample {
    /// How many. Streams of one HTTP/2 connection count as one: they share its fate.
    pub flows: u64,
    /// Of these, how many were held back by the network for most of the time.
    pub flows_limited_here: u64,
    /// Bytes that their clients acknowledged in the last second.
    pub acked_bytes: u64,
    /// Those that lasted, and were not held back by their clients' windows.
    pub same_flows: SameFlows,
}

/// One look at a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    pub(crate) info: TcpInfo,
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug)]
struct Span {
    lasted: Duration,
    acked_bytes: u64,
    busy_us: u64,
    /// Microseconds in which the client's window or our send buffer held it back.
    client_limited_us: u64,
}

/// What holds a connection back for most of a span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HeldBackBy {
    /// The client's window, or a path too long for our send buffer.
    Client,
    /// The network, ours or theirs.
    Network,
    /// Nothing: there was little to send. The disk, a rate that is kept, or a window of HTTP/2.
    Nothing,
}

/// Notes of one core on its connections that send, by their slots.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    notes: HashMap<usize, Notes, FixedState>,
}

#[derive(Debug)]
struct Notes {
    address: Option<IpAddr>,
    last: Look,
    /// Since when its next [`ClientSample`] is measured.
    sampled: Look,
    /// Bytes per second between the last two looks.
    bytes_per_s: Option<f64>,
    /// The sweep that saw it sending last.
    seen_in: u64,
}

/// One sweep's sums.
#[derive(Debug)]
pub(crate) struct Sums {
    now: Instant,
    sweep: u64,
    sample: SendingSample,
}

/// What was learned of clients and not taken yet, the latest [`MAX_CLIENT_SAMPLES`].
#[derive(Debug, Default)]
pub(crate) struct ClientSamples(VecDeque<ClientSample>);

/// Bodies from this size on say something about their clients; and so many bytes, acknowledged,
/// make the next sample of a longer one.
pub(crate) const SAMPLED_BYTES: u64 = 256 << 10;
/// A shorter body's end is measured by itself; the sweep looks at a longer one at least twice.
pub(crate) const SHORT_BODY: Duration = Duration::from_secs(2);
/// Least bytes to judge a short body by: the first round trips only say that it began.
const JUDGED_BYTES: u64 = 64 << 10;
/// Most samples of clients that wait to be taken, for each core.
pub const MAX_CLIENT_SAMPLES: usize = 256;

impl SendingSample {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let (a, b) = (&self.same_flows, &other.same_flows);
        Self {
            flows: self.flows + other.flows,
            flows_limited_here: self.flows_limited_here + other.flows_limited_here,
            acked_bytes: self.acked_bytes + other.acked_bytes,
            same_flows: SameFlows {
                flows: a.flows + b.flows,
                before_bytes_per_s: a.before_bytes_per_s + b.before_bytes_per_s,
                now_bytes_per_s: a.now_bytes_per_s + b.now_bytes_per_s,
            },
        }
    }
}

impl Look {
    fn until(&self, later: &Self) -> Span {
        // Our send buffer says nothing of the client: it is kept short on purpose.
        let limited_us = |info: &TcpInfo| info.window_limited_us;
        Span {
            lasted: later.at.saturating_duration_since(self.at),
            acked_bytes: later.info.acked_bytes.saturating_sub(self.info.acked_bytes),
            busy_us: later.info.busy_us.saturating_sub(self.info.busy_us),
            client_limited_us: limited_us(&later.info).saturating_sub(limited_us(&self.info)),
        }
    }
}

impl Span {
    /// All of a connection's life so far; whether it was busy, its present state has to tell.
    fn of_life(info: &TcpInfo) -> Self {
        Self {
            lasted: if info.is_waiting_for_client() {
                Duration::ZERO
            } else {
                Duration::MAX
            },
            acked_bytes: info.acked_bytes,
            busy_us: info.busy_us,
            client_limited_us: info.window_limited_us,
        }
    }

    fn held_back_by(&self) -> HeldBackBy {
        if Duration::from_micros(self.busy_us.saturating_mul(2)) < self.lasted {
            HeldBackBy::Nothing
        } else if self.client_limited_us.saturating_mul(2) >= self.busy_us && self.busy_us > 0 {
            HeldBackBy::Client
        } else {
            HeldBackBy::Network
        }
    }

    /// `None` if no time has passed.
    fn bytes_per_s(&self) -> Option<f64> {
        let seconds = self.lasted.as_secs_f64();
        (seconds > 0.0).then(|| self.acked_bytes as f64 / seconds)
    }

    fn client_sample(&self, address: IpAddr, info: &TcpInfo) -> Option<ClientSample> {
        Some(ClientSample {
            address,
            bytes_per_s: self.bytes_per_s()?,
            rtt: Duration::from_micros(u64::from(info.rtt_us)),
            limited_by: match self.held_back_by() {
                HeldBackBy::Client => Limit::Client,
                HeldBackBy::Network | HeldBackBy::Nothing => Limit::Here,
            },
        })
    }
}

/// What a short body says of its client, from its beginning to when its last byte was written.
///
/// Most of it was slow start, which is known apart; so where the kernel saw a higher rate in the last
/// round trip, that is the client's.
pub(crate) fn of_short_body(began: &Look, ended: &Look, address: IpAddr) -> Option<ClientSample> {
    let span = began.until(ended);
    if span.acked_bytes < JUDGED_BYTES {
        return None;
    }
    let sample = span.client_sample(address, &ended.info)?;
    let last_bytes_per_s = ended.info.delivery_bytes_per_s as f64;
    Some(ClientSample {
        bytes_per_s: sample.bytes_per_s.max(last_bytes_per_s),
        ..sample
    })
}

impl Sums {
    pub(crate) fn new(now: Instant, sweep: u64) -> Self {
        Self {
            now,
            sweep,
            sample: SendingSample::default(),
        }
    }

    fn add(&mut self, span: &Span, before: Option<f64>) {
        let held_back_by = span.held_back_by();
        self.sample.flows += 1;
        if held_back_by == HeldBackBy::Network {
            self.sample.flows_limited_here += 1;
        }
        if held_back_by == HeldBackBy::Client {
            return;
        }
        if let (Some(before), Some(now)) = (before, span.bytes_per_s()) {
            self.sample.same_flows.flows += 1;
            self.sample.same_flows.before_bytes_per_s += before;
            self.sample.same_flows.now_bytes_per_s += now;
        }
    }
}

impl Watched {
    /// Takes in a look at a connection that sends.
    pub(crate) fn look(
        &mut self,
        slot: usize,
        activity: &Activity,
        info: TcpInfo,
        sums: &mut Sums,
        shard: &Shard,
    ) {
        let look = Look { at: sums.now, info };
        let Some(notes) = self.notes.get_mut(&slot) else {
            // Busy or not is all there is to say; bytes of times past are not this second's.
            sums.add(&Span::of_life(&info), None);
            self.notes
                .insert(slot, Notes::new(activity, look, sums.sweep));
            return;
        };
        let span = notes.last.until(&look);
        sums.sample.acked_bytes += span.acked_bytes;
        sums.add(&span, notes.bytes_per_s);
        notes.bytes_per_s = span.bytes_per_s();
        notes.last = look;
        notes.seen_in = sums.sweep;
        if let Some(sample) = notes.client_sample() {
            shard.learned(sample);
        }
    }

    /// Ends a sweep: forgets what has stopped sending.
    pub(crate) fn finish(&mut self, sums: &Sums, shard: &Shard) {
        self.notes.retain(|_, notes| notes.seen_in == sums.sweep);
        shard.set_sending(sums.sample);
    }

    /// The connection has ended, and its slot will be another's.
    pub(crate) fn forget(&mut self, slot: usize) {
        if !self.notes.is_empty() {
            self.notes.remove(&slot);
        }
    }
}

impl Notes {
    fn new(activity: &Activity, look: Look, sweep: u64) -> Self {
        let address = activity.stream.peer_addr().ok();
        Self {
            address: address.map(|address| address.ip().to_canonical()),
            last: look,
            sampled: look,
            bytes_per_s: None,
            seen_in: sweep,
        }
    }

    /// What was learned of the client, once there is enough of it.
    fn client_sample(&mut self) -> Option<ClientSample> {
        let span = self.sampled.until(&self.last);
        if span.acked_bytes < SAMPLED_BYTES {
            return None;
        }
        self.sampled = self.last;
        span.client_sample(self.address?, &self.last.info)
    }
}

impl ClientSamples {
    fn make_room(&mut self) {
        if self.0.len() == MAX_CLIENT_SAMPLES {
            self.0.pop_front();
        }
    }

    /// Adds one, in the place of the oldest if need be.
    pub(crate) fn push(&mut self, sample: ClientSample) {
        self.make_room();
        self.0.push_back(sample);
    }

    /// Takes them all, the oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<ClientSample> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests;
