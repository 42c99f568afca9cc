//! How a command ends: the few exit codes that scripts rely on.
//!
//! The numbers are a promise to users; they may be added to but never change their meaning.

/// The end of a download or a query, as an exit code tells it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Exit {
    /// Done, or nothing to do.
    Ok,
    /// The command line asks for something that cannot be done.
    Usage,
    /// The server has no such file, or no longer.
    NotFound,
    /// The bytes are not those the server promised, from any source.
    VerificationFailed,
    /// No connection, or no bytes for too long; a later run continues.
    Network,
    /// The file changed on the server while it was downloaded.
    Changed,
    /// A local file is in the way, locked, or not permitted.
    LocalFile,
    /// The disk or a quota is full.
    DiskFull,
    /// The server demands credentials or forbids it (401, 403).
    Refused,
    /// The user stopped it; a later run continues.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 1,
            Self::NotFound => 2,
            Self::VerificationFailed => 3,
            Self::Network => 4,
            Self::Changed => 5,
            Self::LocalFile => 6,
            Self::DiskFull => 7,
            Self::Refused => 8,
            Self::Interrupted => 130,
        }
    }

    /// The more severe of two, for a command that did several things.
    ///
    /// An end that another run cannot mend outweighs one that it may: network troubles come last.
    pub fn worse(self, other: Self) -> Self {
        if self.severity() <= other.severity() {
            self
        } else {
            other
        }
    }

    fn severity(self) -> usize {
        MOST_SEVERE_FIRST
            .iter()
            .position(|&exit| exit == self)
            .unwrap_or(MOST_SEVERE_FIRST.len())
    }
}

/// The order in which ends outweigh each other; the help of `get` states it too.
const MOST_SEVERE_FIRST: [Exit; 10] = [
    Exit::Interrupted,
    Exit::DiskFull,
    Exit::LocalFile,
    Exit::VerificationFailed,
    Exit::Refused,
    Exit::Changed,
    Exit::NotFound,
    Exit::Usage,
    Exit::Network,
    Exit::Ok,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_codes_and_their_order() {
        let codes = MOST_SEVERE_FIRST.map(Exit::code);
        assert_eq!(codes, [130, 7, 6, 3, 8, 5, 2, 1, 4, 0]);
    }

    #[test]
    fn the_more_severe_end_wins_from_either_side() {
        for (at, &severe) in MOST_SEVERE_FIRST.iter().enumerate() {
            for &mild in &MOST_SEVERE_FIRST[at..] {
                assert_eq!(severe.worse(mild), severe);
                assert_eq!(mild.worse(severe), severe);
            }
        }
    }
}
