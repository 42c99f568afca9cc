//! Stations: what a node does to the flows it was given.
//!
//! A station knows only its own flows. It is driven in order of time and says when its next flow
//! ends; it must never look ahead, and never tell anything but the exact truth (who may know how
//! much of it, and when, is the business of a board).

mod fcfs;
mod sharing;

use overspill_core::load::LoadHistogram;

pub use self::{fcfs::FcfsQueue, sharing::SharingLink};
use crate::time::Time;

/// The number of a flow, in order of arrival.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowId(pub u64);

/// One flow as it arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Its number, unique in a run.
    pub id: FlowId,
    /// When it came.
    pub arrived: Time,
    /// How much there is to do: bytes, or seconds of work where the capacity is 1.
    pub size: f64,
    /// The fastest it can go on its own, per second: the client's line. Infinite for no cap.
    pub rate_max: f64,
}

/// A node's service discipline.
pub trait Station {
    /// How much it does per second, at most.
    fn capacity(&self) -> f64;

    /// How many flows it has.
    fn flows(&self) -> usize;

    /// Takes a flow. `now` is not after the next departure.
    fn start(&mut self, now: Time, flow: Flow);

    /// When the next flow ends if none comes or goes before.
    fn next_departure(&self) -> Option<Time>;

    /// Ends the flow whose time has come; `now` is [`Self::next_departure`].
    fn depart(&mut self, now: Time) -> Option<Flow>;

    /// Hands what each flow still has to do to `visit`, in no particular order.
    fn each_remaining(&self, now: Time, visit: &mut dyn FnMut(f64));

    /// `sum_j min(r_j, size)`: what the flows here do before a new one of `size` ends. With an
    /// infinite `size`, all there is to do.
    fn work_before(&self, now: Time, size: f64) -> f64 {
        let mut work = 0.0;
        self.each_remaining(now, &mut |remaining| work += remaining.min(size));
        work
    }

    /// The flows as a node reports them, where sizes are bytes.
    fn histogram(&self, now: Time) -> LoadHistogram {
        let mut histogram = LoadHistogram::empty();
        self.each_remaining(now, &mut |remaining| histogram.add(remaining.ceil() as u64));
        histogram
    }
}
