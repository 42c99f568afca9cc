//! Those who wait for a slot, in fair order.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): each waiter gets a start tag, the
//! later of the queue's virtual time and the finish tag of its client's last waiter, and the least tag
//! goes first. A client that asks for a hundred files waits behind one that asks for its first.
//! Downloads that go on come before all, small files before large ones. It must never hold anybody
//! longer than [`MAX_WAIT`], nor more than [`FairQueue::MAX`].

use core::net::IpAddr;
use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use super::{Flow, MAX_WAIT};

/// The name of one waiter.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WaiterId(u64);

/// Who goes before whom.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Lane {
    /// A download that goes on.
    Resumed,
    /// A small file.
    Small,
    /// Everything else.
    Large,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    order: BTreeMap<Tag, WaiterId>,
    waiters: BTreeMap<WaiterId, Waiter>,
    /// The finish tag of each waiting client's last waiter, and how many it has.
    clients: HashMap<IpAddr, Client, foldhash::fast::RandomState>,
    virtual_bytes: u64,
    entered: u64,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Tag {
    lane: Lane,
    start_bytes: u64,
    waiter: WaiterId,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    tag: Tag,
    client: IpAddr,
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    finish_bytes: u64,
    waiters: usize,
}

/// Files below this size are small.
const SMALL_BYTES: u64 = 1 << 20;

impl Lane {
    pub(super) fn of(flow: &Flow<'_>) -> Self {
        if flow.part.is_resumed() {
            Self::Resumed
        } else if flow.bytes < SMALL_BYTES {
            Self::Small
        } else {
            Self::Large
        }
    }
}

impl FairQueue {
    /// Most waiters.
    pub(super) const MAX: usize = 1024;

    /// Enters a flow; `None` when the queue is full.
    pub(super) fn enter(&mut self, now: Instant, flow: &Flow<'_>) -> Option<WaiterId> {
        if self.waiters.len() >= Self::MAX {
            return None;
        }
        self.entered += 1;
        let id = WaiterId(self.entered);
        let client = self.clients.entry(flow.client).or_default();
        let start_bytes = client.finish_bytes.max(self.virtual_bytes);
        client.finish_bytes = start_bytes.saturating_add(flow.bytes);
        client.waiters += 1;
        let tag = Tag {
            lane: Lane::of(flow),
            start_bytes,
            waiter: id,
        };
        self.order.insert(tag, id);
        let waiter = Waiter {
            tag,
            client: flow.client,
            since: now,
        };
        self.waiters.insert(id, waiter);
        Some(id)
    }

    /// Takes out whose turn it is.
    pub(super) fn next(&mut self) -> Option<WaiterId> {
        let (tag, id) = self.order.pop_first()?;
        self.virtual_bytes = self.virtual_bytes.max(tag.start_bytes);
        self.leave(id);
        Some(id)
    }

    /// Takes out one who has waited too long.
    pub(super) fn expire(&mut self, now: Instant) -> Option<WaiterId> {
        let (&id, oldest) = self.waiters.first_key_value()?;
        if now.saturating_duration_since(oldest.since) < MAX_WAIT {
            return None;
        }
        self.leave(id);
        Some(id)
    }

    /// Forgets one who has gone.
    pub(super) fn leave(&mut self, id: WaiterId) {
        let Some(waiter) = self.waiters.remove(&id) else {
            return;
        };
        self.order.remove(&waiter.tag);
        if let Some(client) = self.clients.get_mut(&waiter.client) {
            client.waiters -= 1;
            if client.waiters == 0 {
                self.clients.remove(&waiter.client);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dispatch::{Part, tests::flow};

    fn enter(queue: &mut FairQueue, now: Instant, client: u8, bytes: u64, part: Part) -> WaiterId {
        let flow = Flow {
            client: IpAddr::from([10, 0, 0, client]),
            part,
            ..flow(bytes, &[])
        };
        queue.enter(now, &flow).expect("room")
    }

    fn drain(queue: &mut FairQueue) -> Vec<WaiterId> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn clients_take_turns_however_many_each_asks_for() {
        let (mut queue, now) = (FairQueue::default(), Instant::now());
        let mut add = |client| enter(&mut queue, now, client, 5 << 20, Part::Whole);
        let (a1, a2, a3, b1, b2) = (add(1), add(1), add(1), add(2), add(2));
        assert_eq!(drain(&mut queue), [a1, b1, a2, b2, a3]);
        assert!(queue.clients.is_empty());
    }

    #[test]
    fn resumed_before_small_before_large() {
        let (mut queue, now) = (FairQueue::default(), Instant::now());
        let large = enter(&mut queue, now, 1, 5 << 20, Part::Whole);
        let small = enter(&mut queue, now, 2, 5 << 10, Part::Whole);
        let resumed = enter(&mut queue, now, 3, 5 << 20, Part::Rest(1));
        assert_eq!(drain(&mut queue), [resumed, small, large]);
    }

    #[test]
    fn who_waited_too_long_or_left_is_gone() {
        let (mut queue, now) = (FairQueue::default(), Instant::now());
        let first = enter(&mut queue, now, 1, 1 << 20, Part::Whole);
        let left = enter(&mut queue, now, 1, 1 << 20, Part::Whole);
        let last = enter(&mut queue, now + Duration::from_secs(1), 2, 1, Part::Whole);
        queue.leave(left);
        assert_eq!(queue.expire(now + MAX_WAIT), Some(first));
        assert_eq!(queue.expire(now + MAX_WAIT), None);
        assert_eq!(drain(&mut queue), [last]);
        assert!(queue.is_empty() && queue.clients.is_empty() && queue.order.is_empty());
    }

    #[test]
    fn the_queue_is_bounded() {
        let (mut queue, now) = (FairQueue::default(), Instant::now());
        for _ in 0..FairQueue::MAX {
            enter(&mut queue, now, 1, 1, Part::Whole);
        }
        assert_eq!(queue.enter(now, &flow(1, &[])), None);
    }
}
