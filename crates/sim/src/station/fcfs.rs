//! First come, first served: the discipline of the textbook results, not of links.
//!
//! Some servers with one queue; each serves one flow at a time at rate 1. It must never be used to
//! say anything about downloads, which share their link.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{Flow, FlowId, Station};
use crate::time::Time;

/// One queue before one or more servers of rate 1.
#[derive(Debug)]
pub struct FcfsQueue {
    servers: usize,
    in_service: BinaryHeap<Reverse<(Time, FlowId, usize)>>,
    /// The flows in service, by place; a free place is `None`.
    places: Vec<Option<Flow>>,
    waiting: VecDeque<Flow>,
}

impl FcfsQueue {
    /// Most flows waiting: a queue that reaches it is not stable, and its mean has no meaning.
    pub const WAITING_MAX: usize = 10_000_000;

    /// An empty queue before `servers` servers.
    ///
    /// # Panics
    /// Without any server.
    pub fn new(servers: usize) -> Self {
        assert!(servers > 0, "a queue has a server");
        Self {
            servers,
            in_service: BinaryHeap::with_capacity(servers),
            places: vec![None; servers],
            waiting: VecDeque::new(),
        }
    }

    fn serve(&mut self, now: Time, flow: Flow) {
        let free = self.places.iter().position(Option::is_none);
        let place = free.expect("whoever calls has seen fewer flows in service than servers");
        self.places[place] = Some(flow);
        let end = now + flow.size;
        self.in_service.push(Reverse((end, flow.id, place)));
    }
}

impl Station for FcfsQueue {
    fn capacity(&self) -> f64 {
        self.servers as f64
    }

    fn flows(&self) -> usize {
        self.in_service.len() + self.waiting.len()
    }

    fn start(&mut self, now: Time, flow: Flow) {
        if self.in_service.len() < self.servers {
            self.serve(now, flow);
        } else {
            assert!(self.waiting.len() < Self::WAITING_MAX, "an unstable queue");
            self.waiting.push_back(flow);
        }
    }

    fn next_departure(&self) -> Option<Time> {
        self.in_service.peek().map(|Reverse((end, ..))| *end)
    }

    fn depart(&mut self, now: Time) -> Option<Flow> {
        let Reverse((_, _, place)) = self.in_service.pop()?;
        let flow = self.places[place].take();
        if let Some(next) = self.waiting.pop_front() {
            self.serve(now, next);
        }
        flow
    }

    fn each_remaining(&self, now: Time, visit: &mut dyn FnMut(f64)) {
        for Reverse((end, ..)) in &self.in_service {
            visit((*end - now).max(0.0));
        }
        for flow in &self.waiting {
            visit(flow.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(id: u64, arrived: f64, size: f64) -> Flow {
        Flow {
            id: FlowId(id),
            arrived: Time::from_secs(arrived),
            size,
            rate_max: f64::INFINITY,
        }
    }

    fn ends(queue: &mut FcfsQueue) -> Vec<(u64, f64)> {
        std::iter::from_fn(|| {
            let at = queue.next_departure()?;
            queue.depart(at).map(|flow| (flow.id.0, at.as_secs()))
        })
        .collect()
    }

    #[test]
    fn one_server_takes_them_in_order() {
        let mut queue = FcfsQueue::new(1);
        for (id, size) in [(0, 3.0), (1, 1.0), (2, 2.0)] {
            queue.start(Time::ZERO, flow(id, 0.0, size));
        }
        assert_eq!(queue.flows(), 3);
        assert_eq!(
            queue.work_before(Time::from_secs(1.0), 1.5),
            1.5 + 1.0 + 1.5
        );
        assert_eq!(ends(&mut queue), [(0, 3.0), (1, 4.0), (2, 6.0)]);
    }

    #[test]
    fn with_two_servers_the_next_goes_to_whichever_is_free() {
        let mut queue = FcfsQueue::new(2);
        for (id, size) in [(0, 3.0), (1, 1.0), (2, 1.0), (3, 5.0)] {
            queue.start(Time::ZERO, flow(id, 0.0, size));
        }
        assert_eq!(ends(&mut queue), [(1, 1.0), (2, 2.0), (0, 3.0), (3, 7.0)]);
    }
}
