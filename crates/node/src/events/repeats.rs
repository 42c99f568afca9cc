//! How often one thing is told: the first few times in a minute, then as a count.
//!
//! A disk that fails makes a line for every request; whoever looks for the cause must still find it.
//! Pure: `now` is passed in. It must never leave anything out without counting it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What counts as the same thing.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Subject {
    /// The id of the event.
    pub(super) event: String,
    /// The member it is about, if it is about one: none may crowd out the others.
    pub(super) member: Option<String>,
    /// What is wrong with it, or which key of the configuration it is about: there are only so many.
    pub(super) detail: Option<String>,
}

/// How often each thing was told lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: HashMap<Subject, Told>,
    /// When the first window ends.
    due: Option<Instant>,
}

#[derive(Debug)]
struct Told {
    since: Instant,
    times: u64,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    LeaveOut,
    Tell,
}

/// How long what was told counts.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// How often one thing is told within that time.
pub(super) const TIMES_MAX: u64 = 10;
/// Most things that are kept apart; more than a fleet has members. Further ones are told as one.
const SUBJECTS_MAX: usize = 4096;

impl Repeats {
    /// Counts a line about `subject`, and says whether it is told.
    pub(super) fn weigh(&mut self, now: Instant, subject: Subject) -> Verdict {
        let is_new = !self.told.contains_key(&subject);
        let subject = match is_new && self.told.len() >= SUBJECTS_MAX {
            true => Subject::others(),
            false => subject,
        };
        let told = self.told.entry(subject).or_insert(Told {
            since: now,
            times: 0,
        });
        told.times += 1;
        self.due.get_or_insert(now + WINDOW);
        match told.times > TIMES_MAX {
            true => Verdict::LeaveOut,
            false => Verdict::Tell,
        }
    }

    /// What was left out in windows that are over at `now`, and how often; each is told once.
    pub(super) fn left_out(&mut self, now: Instant) -> Vec<(Subject, u64)> {
        // Asked for with every line: mostly there is nothing to look at.
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let is_over =
            |_: &Subject, told: &mut Told| now.saturating_duration_since(told.since) >= WINDOW;
        let over = self.told.extract_if(is_over);
        let counted = over.map(|(subject, told)| (subject, told.times.saturating_sub(TIMES_MAX)));
        let mut left_out: Vec<_> = counted.filter(|(_, times)| *times > 0).collect();
        let oldest = self.told.values().map(|told| told.since).min();
        self.due = oldest.map(|since| since + WINDOW);
        left_out.sort_by(|(one, _), (other, _)| one.cmp(other));
        left_out
    }
}

impl Subject {
    /// Everything beyond [`SUBJECTS_MAX`].
    fn others() -> Self {
        Self {
            event: "others".to_owned(),
            member: None,
            detail: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(member: &str) -> Subject {
        Subject {
            event: "check-failed".to_owned(),
            member: Some(member.to_owned()),
            detail: None,
        }
    }

    #[test]
    fn the_first_few_are_told_and_the_rest_counted_once() {
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        let told = (0..25).filter(|_| repeats.weigh(start, of("a")) == Verdict::Tell);
        assert_eq!(told.count(), 10);
        assert_eq!(
            repeats.weigh(start, of("b")),
            Verdict::Tell,
            "another member"
        );

        assert_eq!(
            repeats.left_out(start + WINDOW - Duration::from_millis(1)),
            []
        );
        assert_eq!(repeats.left_out(start + WINDOW), [(of("a"), 15)]);
        assert_eq!(repeats.left_out(start + WINDOW * 2), []);
        assert_eq!(
            repeats.weigh(start + WINDOW, of("a")),
            Verdict::Tell,
            "a new window"
        );
    }

    #[test]
    fn a_flood_of_subjects_is_bounded_and_counted() {
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        let flood = SUBJECTS_MAX + 50;
        let told = (0..flood)
            .filter(|at| repeats.weigh(start, of(&at.to_string())) == Verdict::Tell)
            .count();
        assert_eq!(repeats.told.len(), SUBJECTS_MAX + 1);
        let left_out = repeats.left_out(start + WINDOW);
        assert_eq!(left_out.len(), 1);
        assert_eq!(told as u64 + left_out[0].1, flood as u64);
    }
}
