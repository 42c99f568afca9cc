//! Small answers that wait to be written together.
//!
//! They share one write, and so one look at the clock. It must never count an answer before the
//! kernel has taken it.

use std::{mem, time::Instant};

use super::{Ending, Tally};

/// Answers in a buffer.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    answers: u64,
    bytes: u64,
    /// When the first of them was asked for.
    since: Option<Instant>,
}

impl Gathered {
    /// One more answer, with so many bytes of body.
    pub(crate) fn add(&mut self, asked: Instant, bytes: u64) {
        self.answers += 1;
        self.bytes += bytes;
        self.since.get_or_insert(asked);
    }

    /// The buffer has been written, or could not be. How much of it got out then nobody knows.
    pub(crate) fn settle(&mut self, tally: &Tally, ending: Ending) {
        let Self {
            answers,
            bytes,
            since,
        } = mem::take(self);
        let Some(since) = since else {
            return;
        };
        if ending == Ending::Complete {
            tally.ended(ending, answers, bytes);
            tally.first_byte(since.elapsed(), answers);
        } else {
            tally.ended(ending, answers, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Tallied, *};

    #[test]
    fn answers_count_once_they_are_out() {
        let (tally, mut gathered) = (Tally::default(), Gathered::default());
        let endings = |ending: Ending| {
            let endings = Tallied::of(&[&tally]).endings[ending as usize];
            (endings.responses, endings.bytes)
        };
        gathered.settle(&tally, Ending::Complete);
        assert_eq!(endings(Ending::Complete), (0, 0));
        gathered.add(Instant::now(), 10);
        gathered.add(Instant::now(), 5);
        assert_eq!(endings(Ending::Complete), (0, 0));
        gathered.settle(&tally, Ending::Complete);
        assert_eq!(endings(Ending::Complete), (2, 15));
        gathered.add(Instant::now(), 7);
        gathered.settle(&tally, Ending::CutByClient);
        assert_eq!(endings(Ending::CutByClient), (1, 0));
        assert_eq!(Tallied::of(&[&tally]).first_byte.count(), 2);
    }
}
