//! How fast clients can be served, and by whom: rate and round trip per client prefix and member.
//!
//! A rate that the node's own link held back says nothing about the client, so only flows that the
//! client, or the path to it, held back count for the rate. The round trip counts always, filtered
//! for its minimum: queues only ever add to it.
//!
//! The table is bounded, and the prefix unseen for longest makes room, found through a list threaded
//! through the slots. It must never allocate for a question, and never grow beyond
//! [`ClientRates::MAX_PREFIXES`].

use core::net::IpAddr;
use std::{
    collections::{HashMap, hash_map},
    time::{Duration, Instant},
};

use foldhash::fast::FixedState;

use crate::{
    limit::{Prefix, PrefixBits},
    units::Rate,
};

/// What held a flow back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// The client, or its path: the rate is what it can take from this node.
    Client,
    /// The node itself, or nobody knows.
    Here,
}

/// What one flow to a client achieved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientSample {
    /// The client.
    pub address: IpAddr,
    /// Bytes per second that it acknowledged.
    pub bytes_per_s: f64,
    /// The round trip, as the kernel smoothes it.
    pub rtt: Duration,
    /// What held it back.
    pub limited_by: Limit,
}

/// What is known of one prefix and one member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemberRate {
    /// The member, by the number its owner gave it.
    pub member: u32,
    /// What one flow gets; `None` until a flow was held back by the client.
    pub rate: Option<Rate>,
    /// The round trip, near its minimum.
    pub rtt: Duration,
    /// When it was heard of last.
    pub seen: Instant,
}

/// A bounded table of [`MemberRate`]s by client prefix.
#[derive(Debug)]
pub struct ClientRates {
    slots_by_prefix: HashMap<Prefix, usize, FixedState>,
    slots: Vec<Slot>,
    /// The slots seen last and seen first; `None` while the table is empty.
    ends: Option<Ends>,
    prefixes_max: usize,
}

#[derive(Debug)]
struct Slot {
    prefix: Prefix,
    members: Vec<MemberRate>,
    /// Neighbours in the order of having been seen. At the ends they mean nothing.
    newer: usize,
    older: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    newest: usize,
    oldest: usize,
}

/// A rate forgets by a factor of e in this time: about as long as a client stays in one place.
const RATE_DECAY: Duration = Duration::from_secs(60);
/// Least weight of a sample, however soon it follows the last one.
const RATE_WEIGHT_MIN: f64 = 0.125;
/// A longer round trip is believed as slowly as this: a queue drains sooner, a new route stays.
const RTT_DECAY: Duration = Duration::from_secs(300);

impl ClientRates {
    /// Most prefixes that are remembered: two megabytes with four members each.
    pub const MAX_PREFIXES: usize = 8192;
    /// Most members that are remembered for one prefix; the one unheard of for longest goes first.
    pub const MAX_MEMBERS: usize = 16;
    /// Neighbours share a line, more or less: /24 of IPv4, /48 of IPv6.
    const BITS: PrefixBits = PrefixBits { ipv4: 24, ipv6: 48 };

    /// An empty table. `seed` is random and secret, so that no client can choose addresses that
    /// collide.
    pub fn new(seed: u64) -> Self {
        Self::with_room(seed, Self::MAX_PREFIXES)
    }

    fn with_room(seed: u64, prefixes_max: usize) -> Self {
        Self {
            slots_by_prefix: HashMap::with_hasher(FixedState::with_seed(seed)),
            slots: Vec::new(),
            ends: None,
            prefixes_max,
        }
    }

    /// The prefix that `address` is remembered under.
    pub fn prefix_of(address: IpAddr) -> Prefix {
        Prefix::of(address, Self::BITS)
    }

    /// Takes in what a flow from `member` achieved.
    pub fn observe(&mut self, now: Instant, member: u32, sample: &ClientSample) {
        let slot = self.slot_of(Self::prefix_of(sample.address));
        let members = &mut self.slots[slot].members;
        match members.iter_mut().find(|known| known.member == member) {
            Some(known) => known.update(now, sample),
            None => {
                if members.len() >= Self::MAX_MEMBERS {
                    forget_longest_unseen(members);
                }
                members.push(MemberRate::new(now, member, sample));
            }
        }
    }

    /// What is known of the clients below `prefix`, in no order; how old it is says
    /// [`MemberRate::seen`].
    pub fn about(&self, prefix: Prefix) -> &[MemberRate] {
        match self.slots_by_prefix.get(&prefix) {
            Some(&slot) => &self.slots[slot].members,
            None => &[],
        }
    }

    /// The slot of `prefix`, made if need be, as the newest.
    fn slot_of(&mut self, prefix: Prefix) -> usize {
        let slots = self.slots.len();
        let (slot, is_new) = match self.slots_by_prefix.entry(prefix) {
            hash_map::Entry::Occupied(known) => (*known.get(), false),
            hash_map::Entry::Vacant(vacant) if slots < self.prefixes_max => {
                vacant.insert(slots);
                (slots, true)
            }
            hash_map::Entry::Vacant(_) => (self.reuse_oldest(prefix), false),
        };
        if is_new {
            self.slots.push(Slot {
                prefix,
                members: Vec::new(),
                newer: slot,
                older: slot,
            });
            self.append(slot);
        } else {
            self.unlink(slot);
            self.append(slot);
        }
        slot
    }

    /// Gives the slot of the prefix unseen for longest to `prefix`.
    fn reuse_oldest(&mut self, prefix: Prefix) -> usize {
        let slot = self.ends.map_or(0, |ends| ends.oldest);
        let evicted = &mut self.slots[slot];
        self.slots_by_prefix.remove(&evicted.prefix);
        evicted.prefix = prefix;
        evicted.members.clear();
        self.slots_by_prefix.insert(prefix, slot);
        slot
    }

    /// Takes a slot out of the order.
    fn unlink(&mut self, slot: usize) {
        let Some(ends) = self.ends else {
            return;
        };
        let (newer, older) = (self.slots[slot].newer, self.slots[slot].older);
        self.ends = match (slot == ends.newest, slot == ends.oldest) {
            (true, true) => None,
            (true, false) => Some(Ends {
                newest: older,
                ..ends
            }),
            (false, true) => Some(Ends {
                oldest: newer,
                ..ends
            }),
            (false, false) => {
                self.slots[newer].older = older;
                self.slots[older].newer = newer;
                Some(ends)
            }
        };
    }

    /// Makes a slot that is in no order the newest.
    fn append(&mut self, slot: usize) {
        let oldest = match self.ends {
            None => slot,
            Some(ends) => {
                self.slots[ends.newest].newer = slot;
                self.slots[slot].older = ends.newest;
                ends.oldest
            }
        };
        self.ends = Some(Ends {
            newest: slot,
            oldest,
        });
    }
}

impl MemberRate {
    fn new(now: Instant, member: u32, sample: &ClientSample) -> Self {
        Self {
            member,
            rate: client_rate(sample),
            rtt: sample.rtt,
            seen: now,
        }
    }

    fn update(&mut self, now: Instant, sample: &ClientSample) {
        let age = now.saturating_duration_since(self.seen);
        if let Some(fresh) = client_rate(sample) {
            let weight = weight(age, RATE_DECAY).max(RATE_WEIGHT_MIN);
            let rate = self.rate.map_or(fresh, |rate| {
                let step = fresh.bytes_per_s() - rate.bytes_per_s();
                Rate::from_bytes_per_s(rate.bytes_per_s() + step * weight)
            });
            self.rate = Some(rate);
        }
        self.rtt = match sample.rtt.checked_sub(self.rtt) {
            Some(longer) => self.rtt + longer.mul_f64(weight(age, RTT_DECAY)),
            None => sample.rtt,
        };
        self.seen = self.seen.max(now);
    }
}

/// The rate that the client can take, if the sample shows it.
fn client_rate(sample: &ClientSample) -> Option<Rate> {
    (sample.limited_by == Limit::Client).then(|| Rate::from_bytes_per_s(sample.bytes_per_s))
}

/// How much a sample counts that comes `age` after the last.
fn weight(age: Duration, decay: Duration) -> f64 {
    1.0 - (-age.as_secs_f64() / decay.as_secs_f64()).exp()
}

fn forget_longest_unseen(members: &mut Vec<MemberRate>) {
    let oldest = (0..members.len()).min_by_key(|&at| members[at].seen);
    if let Some(oldest) = oldest {
        members.swap_remove(oldest);
    }
}

#[cfg(test)]
mod tests;
