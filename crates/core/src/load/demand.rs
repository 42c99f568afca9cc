//! What is asked for most, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005).
//!
//! A newcomer to a full table takes the slot of the smallest and inherits its count, so a count is
//! never too small, and too large by no more than what is told beside it. What has more than one part
//! in [`DemandTable::SLOTS`] of all bytes is always in the table. It must never grow.

/// The subjects with the most bytes.
///
/// Slots are searched one by one: 128 hashes lie in 16 lines of the processor's cache, as do 128
/// counts, and nothing has to be kept in order while it counts.
#[derive(Clone, Debug)]
pub struct DemandTable<K> {
    hashes: Vec<u64>,
    bytes: Vec<u64>,
    slots: Vec<Slot<K>>,
}

/// What is not needed to find one.
#[derive(Clone, Debug)]
struct Slot<K> {
    subject: K,
    surplus_bytes: u64,
    requests: u64,
}

/// One subject and what was asked of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Demanded<K> {
    /// What it is.
    pub subject: K,
    /// Bytes asked for; never less than the truth.
    pub bytes: u64,
    /// By how many bytes that may be too much.
    pub surplus_bytes: u64,
    /// Requests since it is in the table.
    pub requests: u64,
}

/// Some requests for one subject.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Bytes of their bodies together.
    pub bytes: u64,
    /// How many they are.
    pub requests: u64,
}

impl<K> Default for DemandTable<K> {
    fn default() -> Self {
        Self {
            hashes: Vec::new(),
            bytes: Vec::new(),
            slots: Vec::new(),
        }
    }
}

impl<K: Clone + Eq> DemandTable<K> {
    /// How many subjects are in it at most.
    pub const SLOTS: usize = 128;

    /// Counts requests for `subject`, of which `hash` is a hash.
    pub fn count(&mut self, hash: u64, subject: &K, asked: Asked) {
        let known = self.find(hash, subject);
        let at = known.unwrap_or_else(|| self.enter(hash, subject));
        self.bytes[at] = self.bytes[at].saturating_add(asked.bytes);
        let requests = &mut self.slots[at].requests;
        *requests = requests.saturating_add(asked.requests);
    }

    /// What is in the table, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Demanded<&K>> {
        let slots = self.slots.iter().zip(&self.bytes);
        slots.map(|(slot, &bytes)| Demanded {
            subject: &slot.subject,
            bytes,
            surplus_bytes: slot.surplus_bytes,
            requests: slot.requests,
        })
    }

    fn find(&self, hash: u64, subject: &K) -> Option<usize> {
        let hashes = self.hashes.iter().enumerate();
        let mut alike = hashes.filter(|&(_, &other)| other == hash);
        alike
            .find(|&(at, _)| self.slots[at].subject == *subject)
            .map(|(at, _)| at)
    }

    /// Makes a slot for a subject that has none.
    fn enter(&mut self, hash: u64, subject: &K) -> usize {
        let new = |surplus_bytes| Slot {
            subject: subject.clone(),
            surplus_bytes,
            requests: 0,
        };
        if self.slots.len() < Self::SLOTS {
            self.hashes.push(hash);
            self.bytes.push(0);
            self.slots.push(new(0));
            return self.slots.len() - 1;
        }
        // Twice over the counts: a minimum alone is one pass of vector instructions.
        let least = self.bytes.iter().copied().fold(u64::MAX, u64::min);
        let at = self.bytes.iter().position(|&bytes| bytes == least);
        let at = at.unwrap_or(0);
        self.hashes[at] = hash;
        self.slots[at] = new(least);
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn one(bytes: u64) -> Asked {
        Asked { bytes, requests: 1 }
    }

    #[test]
    fn what_fits_is_counted_exactly() {
        let mut table = DemandTable::default();
        for (subject, bytes) in [("a", 5), ("b", 7), ("a", 3)] {
            table.count(u64::from(subject.as_bytes()[0]), &subject, one(bytes));
        }
        let seen = table.iter();
        let mut seen: Vec<_> = seen
            .map(|one| (*one.subject, one.bytes, one.surplus_bytes, one.requests))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [("a", 8, 0, 2), ("b", 7, 0, 1)]);
    }

    #[test]
    fn two_subjects_of_one_hash_are_told_apart() {
        let mut table = DemandTable::default();
        table.count(1, &"a", one(5));
        table.count(1, &"b", one(7));
        table.count(1, &"b", one(1));
        let counts: Vec<_> = table
            .iter()
            .map(|slot| (*slot.subject, slot.bytes))
            .collect();
        assert_eq!(counts, [("a", 5), ("b", 8)]);
    }

    #[test]
    fn heavy_ones_are_never_lost_and_counts_are_within_the_surplus() {
        for seed in 0..64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut table, mut truth) = (DemandTable::default(), HashMap::<u64, u64>::new());
            let mut all_bytes = 0;
            for _ in 0..20_000 {
                // A few heavy ones among thousands that come once.
                let subject = match random.u64(0..4) {
                    0 => random.u64(0..5),
                    _ => random.u64(5..5000),
                };
                let bytes = random.u64(1..1000);
                table.count(subject, &subject, one(bytes));
                *truth.entry(subject).or_default() += bytes;
                all_bytes += bytes;
            }
            assert_eq!(table.iter().count(), DemandTable::<u64>::SLOTS);
            for slot in table.iter() {
                let exact = truth[slot.subject];
                assert!(slot.bytes >= exact && slot.bytes - slot.surplus_bytes <= exact);
            }
            let share = all_bytes / DemandTable::<u64>::SLOTS as u64;
            for (subject, _) in truth.iter().filter(|(_, bytes)| **bytes > share) {
                assert!(table.iter().any(|slot| slot.subject == subject), "{seed}");
            }
        }
    }
}
