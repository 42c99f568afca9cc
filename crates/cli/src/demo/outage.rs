//! The outage in the middle of the load: one mirror is killed and comes back.
//!
//! A state machine over `now`, the time since the load began; the director carries out what
//! [`Outage::due`] says. It must never touch a process itself.

use std::time::Duration;

/// The outage, ahead, under way or over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Outage {
    kill_from: Duration,
    kill_at_last: Duration,
    dead_for: Duration,
    /// Who was hit; `None` while it is ahead.
    pub(super) hit: Option<Hit>,
}

/// A mirror that was killed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Hit {
    /// Its place among the mirrors.
    pub(super) mirror: usize,
    /// Downloads that clients of ours had on it.
    pub(super) downloads: u64,
    /// What clients had got from it until then.
    pub(super) bytes_before: u64,
    pub(super) killed: Duration,
    pub(super) started_again: Option<Duration>,
    pub(super) ready_again: Option<Duration>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    /// Kill a mirror, whether or not there is a download on it.
    Kill,
    /// Kill a mirror if there is a download on it.
    KillIfBusy,
    Nothing,
    /// Start this mirror again.
    StartAgain(usize),
    /// Look whether this mirror is ready.
    Watch(usize),
}

impl Outage {
    /// An outage for a load of this length: it begins after a third and is over before the end.
    pub(super) fn during(load: Duration) -> Self {
        let kill_from = load / 3;
        Self {
            kill_from,
            kill_at_last: kill_from + load / 10,
            dead_for: (load / 5).min(DEAD_MAX),
            hit: None,
        }
    }

    /// What is due now.
    pub(super) fn due(&self, now: Duration) -> Act {
        match &self.hit {
            None if now >= self.kill_at_last => Act::Kill,
            None if now >= self.kill_from => Act::KillIfBusy,
            None => Act::Nothing,
            Some(hit) if hit.ready_again.is_some() => Act::Nothing,
            Some(hit) if hit.started_again.is_some() => Act::Watch(hit.mirror),
            Some(hit) if now >= hit.killed + self.dead_for => Act::StartAgain(hit.mirror),
            Some(_) => Act::Nothing,
        }
    }

    /// Whether nothing more will happen.
    pub(super) fn is_over(&self) -> bool {
        let is_over = |hit: &Hit| hit.ready_again.is_some();
        self.hit.as_ref().is_some_and(is_over)
    }
}

/// Three seconds are three reports missed: by then every part of the fleet has noticed.
const DEAD_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_mirror_dies_once_and_comes_back_once() {
        let mut outage = Outage::during(S(30));
        for (at_s, act) in [
            (0, Act::Nothing),
            (9, Act::Nothing),
            (10, Act::KillIfBusy),
            (12, Act::KillIfBusy),
            (13, Act::Kill),
        ] {
            assert_eq!(outage.due(S(at_s)), act, "{at_s}");
        }
        outage.hit = Some(Hit {
            mirror: 1,
            killed: S(13),
            ..Hit::default()
        });
        assert_eq!(outage.due(S(15)), Act::Nothing);
        assert_eq!(outage.due(S(16)), Act::StartAgain(1));
        let mut hit = outage.hit.take().unwrap();
        hit.started_again = Some(S(16));
        outage.hit = Some(hit.clone());
        assert_eq!(outage.due(S(17)), Act::Watch(1));
        assert!(!outage.is_over());
        hit.ready_again = Some(S(17));
        outage.hit = Some(hit);
        assert_eq!(outage.due(S(99)), Act::Nothing);
        assert!(outage.is_over());
    }

    #[test]
    fn even_the_shortest_load_sees_the_mirror_back() {
        let outage = Outage::during(S(5));
        assert!(outage.kill_at_last + outage.dead_for < S(4));
    }
}
