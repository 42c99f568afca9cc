//! What is due when.
//!
//! A heap of events in order of time; events of the same time come out in the order in which they
//! were put in, so that a run does not depend on how a heap breaks ties. It must never hold an event
//! of the past.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::time::Time;

/// Events in order of time, then of insertion.
#[derive(Debug)]
pub struct Agenda<E> {
    due: BinaryHeap<Reverse<Due<E>>>,
    now: Time,
    inserted: u64,
}

#[derive(Debug)]
struct Due<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// Most events at once; more is a run that feeds itself.
    pub const EVENTS_MAX: usize = 1 << 24;

    /// Nothing due, at the start of time.
    pub fn new() -> Self {
        Self {
            due: BinaryHeap::new(),
            now: Time::ZERO,
            inserted: 0,
        }
    }

    /// Puts in an event.
    ///
    /// # Panics
    /// When it lies before the last event taken out, or there are [`Self::EVENTS_MAX`] already.
    pub fn insert(&mut self, at: Time, event: E) {
        assert!(at >= self.now, "an event of the past");
        assert!(
            self.due.len() < Self::EVENTS_MAX,
            "more events than any run needs"
        );
        let number = self.inserted;
        self.inserted += 1;
        self.due.push(Reverse(Due { at, number, event }));
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Time> {
        self.due.peek().map(|Reverse(due)| due.at)
    }

    /// Takes out the next event; its time is the present from now on.
    pub fn take_next(&mut self) -> Option<(Time, E)> {
        let Reverse(due) = self.due.pop()?;
        self.now = due.at;
        Some((due.at, due.event))
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Due<E> {
    fn key(&self) -> (Time, u64) {
        (self.at, self.number)
    }
}

impl<E> Eq for Due<E> {}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_insertion() {
        let mut agenda = Agenda::new();
        for (seconds, name) in [(2.0, "c"), (1.0, "a"), (2.0, "d"), (1.0, "b"), (2.0, "e")] {
            agenda.insert(Time::from_secs(seconds), name);
        }
        assert_eq!(agenda.next_at(), Some(Time::from_secs(1.0)));
        let order: String =
            std::iter::from_fn(|| agenda.take_next().map(|(_, name)| name)).collect();
        assert_eq!(order, "abcde");
        assert_eq!(agenda.next_at(), None);
    }

    #[test]
    #[should_panic(expected = "an event of the past")]
    fn the_past_is_closed() {
        let mut agenda = Agenda::new();
        agenda.insert(Time::from_secs(2.0), ());
        agenda.take_next();
        agenda.insert(Time::from_secs(1.0), ());
    }
}
