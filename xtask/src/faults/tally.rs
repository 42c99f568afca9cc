//! How downloads ended, counted.

use std::fmt;

/// How a download ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The client said so, or its user gave up on it.
    Failed,
    /// Exit code 0, and every byte.
    Right,
    /// Exit code 0, and something else than the file.
    Wrong,
}

/// So many ended so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) right: u64,
    pub(super) failed: u64,
    pub(super) wrong: u64,
    /// Cases whose fault no download met.
    pub(super) unmet: u64,
}

impl Tally {
    pub(super) fn count(&mut self, end: End) {
        match end {
            End::Failed => self.failed += 1,
            End::Right => self.right += 1,
            End::Wrong => self.wrong += 1,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.right += other.right;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.unmet += other.unmet;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            right,
            failed,
            wrong,
            unmet,
        } = self;
        write!(f, "{right} / {failed} / {wrong}")?;
        match unmet {
            0 => Ok(()),
            unmet => write!(f, " ({unmet} not met)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_how_downloads_ended_and_which_met_no_fault() {
        let mut tally = Tally::default();
        for end in [End::Right, End::Wrong, End::Right, End::Failed] {
            tally.count(end);
        }
        assert_eq!(tally.to_string(), "2 / 1 / 1");
        tally.add(Tally { unmet: 3, ..tally });
        assert_eq!(tally.to_string(), "4 / 2 / 2 (3 not met)");
    }
}
