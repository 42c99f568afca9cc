//! A link that its flows share: processor sharing, each flow up to a rate of its own.
//!
//! At every moment a flow gets the lesser of its own cap and a common share, and the share is as
//! large as the capacity allows (water-filling, what TCP tends to on one link). Flows below their
//! cap all progress alike, so one number, the bytes each of them was sent so far, is the clock of
//! them all: a flow ends when that clock reaches its mark, and nothing is updated per flow. Flows at
//! their cap end at a known time. An event costs O(log n), amortized over the flows that change
//! sides. It must never lose a byte: what was sent is what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Flow, FlowId, Station};
use crate::time::{Ordered, Time};

/// A link with processor sharing, caps of the flows, and a capacity that may change.
#[derive(Debug)]
pub struct SharingLink {
    capacity: f64,
    /// The state below is exact at this time.
    now: Time,
    /// Bytes sent to each sharing flow since the link last had none.
    attained: f64,
    /// Rate of each sharing flow.
    share: f64,
    flows: BTreeMap<FlowId, Running>,
    /// Flows below their cap, by the mark at which they end, and (if capped) by their cap.
    sharing: BTreeSet<(Ordered, FlowId)>,
    sharing_caps: BTreeSet<(Ordered, FlowId)>,
    /// Flows at their cap, by the time at which they end, and by their cap.
    limited: BTreeSet<(Time, FlowId)>,
    limited_caps: BTreeSet<(Ordered, FlowId)>,
    /// Sum of the caps of the limited flows.
    limited_rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    flow: Flow,
    pace: Pace,
}

/// How a flow goes on.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// At its own cap, until this time.
    Limited(Time),
    /// With the others, until `attained` reaches this mark.
    Sharing(Ordered),
}

/// A flow is moved back below its cap only when the cap exceeds the share by more than rounding can
/// explain, so that it cannot go to and fro for ever.
const ROUNDING: f64 = 1e-9;

impl SharingLink {
    /// Most flows at once: a link that reaches it is overloaded, and its mean has no meaning.
    pub const FLOWS_MAX: usize = 10_000_000;

    /// An idle link of `capacity` bytes per second.
    pub fn new(capacity: f64) -> Self {
        Self {
            capacity,
            now: Time::ZERO,
            attained: 0.0,
            share: capacity,
            flows: BTreeMap::new(),
            sharing: BTreeSet::new(),
            sharing_caps: BTreeSet::new(),
            limited: BTreeSet::new(),
            limited_caps: BTreeSet::new(),
            limited_rate: 0.0,
        }
    }

    /// Changes the capacity; 0 stops all flows.
    pub fn change_capacity(&mut self, now: Time, capacity: f64) {
        self.advance(now);
        self.capacity = capacity;
        self.settle();
    }

    /// Takes away a flow that has not ended, with what it still had to go.
    pub fn abort(&mut self, now: Time, id: FlowId) -> Option<(Flow, f64)> {
        self.advance(now);
        let running = self.remove(id)?;
        let remaining = self.remaining_of(&running, now);
        self.settle();
        Some((running.flow, remaining))
    }

    /// What a flow still has to go; `None` if it is not here.
    pub fn remaining(&self, now: Time, id: FlowId) -> Option<f64> {
        let running = self.flows.get(&id)?;
        Some(self.remaining_of(running, now))
    }

    fn remaining_of(&self, running: &Running, now: Time) -> f64 {
        let remaining = match running.pace {
            Pace::Limited(end) => (end - now) * running.flow.rate_max,
            Pace::Sharing(mark) => mark.0 - self.attained_at(now),
        };
        remaining.clamp(0.0, running.flow.size)
    }

    fn attained_at(&self, now: Time) -> f64 {
        self.attained + self.share * (now - self.now)
    }

    fn advance(&mut self, now: Time) {
        debug_assert!(now >= self.now, "time goes forward");
        // Between zero and a capacity of zero lies nothing, and no sharing flow means no share.
        if !self.sharing.is_empty() {
            self.attained = self.attained_at(now);
        }
        self.now = now;
    }

    fn insert(&mut self, flow: Flow, remaining: f64) {
        let mark = Ordered(self.attained + remaining);
        let pace = Pace::Sharing(mark);
        self.sharing.insert((mark, flow.id));
        if flow.rate_max.is_finite() {
            self.sharing_caps.insert((Ordered(flow.rate_max), flow.id));
        }
        self.flows.insert(flow.id, Running { flow, pace });
    }

    fn remove(&mut self, id: FlowId) -> Option<Running> {
        let running = self.flows.remove(&id)?;
        let cap = (Ordered(running.flow.rate_max), id);
        match running.pace {
            Pace::Limited(end) => {
                self.limited.remove(&(end, id));
                self.limited_caps.remove(&cap);
                self.limited_rate -= running.flow.rate_max;
            }
            Pace::Sharing(mark) => {
                self.sharing.remove(&(mark, id));
                self.sharing_caps.remove(&cap);
            }
        }
        Some(running)
    }

    /// Finds the share, and moves flows to the side of it where they belong.
    ///
    /// Both moves raise the share, so a flow that became limited stays so: at most two moves each.
    fn settle(&mut self) {
        let moves_max = 2 * self.flows.len();
        let settled = (0..=moves_max).any(|_| self.move_one().is_none());
        debug_assert!(settled, "water-filling ends");
    }

    /// Moves one flow to its side of the share, if one is on the wrong side.
    fn move_one(&mut self) -> Option<()> {
        self.forget_rounding();
        self.share = self.fair_share();
        if let Some(id) = self.lowest_cap_within_share() {
            self.limit(id)
        } else {
            let id = self.highest_cap_beyond_share()?;
            self.unlimit(id)
        }
    }

    /// Sums and the clock of the sharing flows start anew when nobody uses them, so that rounding
    /// errors do not add up over a run.
    fn forget_rounding(&mut self) {
        if self.limited.is_empty() {
            self.limited_rate = 0.0;
        }
        if self.sharing.is_empty() {
            self.attained = 0.0;
        }
    }

    fn fair_share(&self) -> f64 {
        let left = self.capacity - self.limited_rate;
        match self.sharing.len() {
            // Nobody shares: only caps that exceed the capacity together are too fast.
            0 if left >= -ROUNDING * self.capacity => f64::INFINITY,
            0 => 0.0,
            sharing => left.max(0.0) / sharing as f64,
        }
    }

    fn lowest_cap_within_share(&self) -> Option<FlowId> {
        let (cap, id) = self.sharing_caps.first()?;
        (cap.0 <= self.share).then_some(*id)
    }

    fn highest_cap_beyond_share(&self) -> Option<FlowId> {
        let (cap, id) = self.limited_caps.last()?;
        (cap.0 > self.share * (1.0 + ROUNDING)).then_some(*id)
    }

    fn limit(&mut self, id: FlowId) -> Option<()> {
        let running = self.remove(id)?;
        let flow = running.flow;
        let end = self.now + self.remaining_of(&running, self.now) / flow.rate_max;
        self.limited.insert((end, id));
        self.limited_caps.insert((Ordered(flow.rate_max), id));
        self.limited_rate += flow.rate_max;
        let pace = Pace::Limited(end);
        self.flows.insert(id, Running { flow, pace });
        Some(())
    }

    fn unlimit(&mut self, id: FlowId) -> Option<()> {
        let running = self.remove(id)?;
        self.insert(running.flow, self.remaining_of(&running, self.now));
        Some(())
    }

    fn next_end(&self) -> Option<(Time, FlowId)> {
        let sharing = self.sharing.first().filter(|_| self.share > 0.0);
        let sharing = sharing.map(|(mark, id)| {
            let seconds = (mark.0 - self.attained).max(0.0) / self.share;
            (self.now + seconds, *id)
        });
        let limited = self.limited.first().map(|(end, id)| (*end, *id));
        sharing.into_iter().chain(limited).min()
    }
}

impl Station for SharingLink {
    fn capacity(&self) -> f64 {
        self.capacity
    }

    fn flows(&self) -> usize {
        self.flows.len()
    }

    fn start(&mut self, now: Time, flow: Flow) {
        assert!(self.flows.len() < Self::FLOWS_MAX, "an unstable link");
        self.advance(now);
        self.insert(flow, flow.size);
        self.settle();
    }

    fn next_departure(&self) -> Option<Time> {
        self.next_end().map(|(end, _)| end.max(self.now))
    }

    fn depart(&mut self, now: Time) -> Option<Flow> {
        let (_, id) = self.next_end()?;
        self.advance(now);
        let running = self.remove(id)?;
        self.settle();
        Some(running.flow)
    }

    fn each_remaining(&self, now: Time, visit: &mut dyn FnMut(f64)) {
        let attained = self.attained_at(now);
        for (mark, _) in &self.sharing {
            visit((mark.0 - attained).max(0.0));
        }
        for (end, id) in &self.limited {
            let cap = self.flows.get(id).map_or(0.0, |flow| flow.flow.rate_max);
            visit((*end - now).max(0.0) * cap);
        }
    }

    fn work_before(&self, now: Time, size: f64) -> f64 {
        let attained = self.attained_at(now);
        let mut work = 0.0;
        for (seen, (mark, _)) in self.sharing.iter().enumerate() {
            let remaining = mark.0 - attained;
            if remaining >= size {
                // Marks are in order: all that follow are longer.
                work += size * (self.sharing.len() - seen) as f64;
                break;
            }
            work += remaining.max(0.0);
        }
        for (end, id) in &self.limited {
            let cap = self.flows.get(id).map_or(0.0, |flow| flow.flow.rate_max);
            work += ((*end - now).max(0.0) * cap).min(size);
        }
        work
    }
}

#[cfg(test)]
mod tests;
