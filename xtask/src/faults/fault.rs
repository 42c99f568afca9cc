//! What can be wrong with an answer, and at which bytes.
//!
//! It must never depend on chance: the same numbers are tried in every run.

use std::borrow::Cow;

/// What happens to an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// Its head says 500, and it ends there.
    Answers500,
    /// The connection is closed before it.
    Closes,
    /// After so many bytes of the body the connection is closed as if all were said.
    Ends(u64),
    /// One bit of the byte there is another.
    Flips(u64),
    /// The length in its head is so much off, and the connection is closed after the body.
    Lies(i64),
    /// After so many bytes of the body the connection is reset.
    Resets(u64),
    /// After so many bytes of the body nothing more comes.
    Stalls(u64),
}

/// A column of the table: one kind of fault at various places.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) faults: Vec<Fault>,
}

impl Fault {
    /// The head that is sent in place of `head`, whose body has `body_bytes`.
    pub(super) fn head(self, head: &str, body_bytes: u64) -> Cow<'_, str> {
        match self {
            Self::Answers500 => ERROR.into(),
            Self::Closes => "".into(),
            Self::Lies(by) => {
                let told = body_bytes.saturating_add_signed(by);
                let field = |bytes| format!("Content-Length: {bytes}\r\n");
                head.replace(&field(body_bytes), &field(told)).into()
            }
            Self::Ends(_) | Self::Flips(_) | Self::Resets(_) | Self::Stalls(_) => {
                head.to_owned().into()
            }
        }
    }

    /// How many of the `body_bytes` pass before it.
    pub(super) fn passes(self, body_bytes: u64) -> u64 {
        match self {
            Self::Answers500 | Self::Closes => 0,
            Self::Ends(at) | Self::Flips(at) | Self::Resets(at) | Self::Stalls(at) => {
                at.min(body_bytes)
            }
            Self::Lies(by) => body_bytes.min(body_bytes.saturating_add_signed(by)),
        }
    }
}

/// All there is, each kind at `offsets` places of a file of `size_bytes`.
///
/// Stalls are tried at a quarter of them, since each takes seconds.
pub(super) fn groups(offsets: usize, size_bytes: u64) -> Vec<Group> {
    let places = places(offsets, size_bytes);
    let at = |fault: fn(u64) -> Fault| places.iter().copied().map(fault).collect();
    let by = |fault: fn(i64) -> Fault| {
        let offs = LIES.iter().copied().take(offsets);
        offs.map(fault).collect()
    };
    let stalls = places.iter().step_by(4).copied().map(Fault::Stalls);
    [
        ("ends at k", at(Fault::Ends)),
        ("reset at k", at(Fault::Resets)),
        ("stalls at k", stalls.collect()),
        ("says too long", by(Fault::Lies)),
        ("says too short", by(|by| Fault::Lies(-by))),
        ("closes", vec![Fault::Closes]),
        ("answers 500", vec![Fault::Answers500]),
        ("flips a bit at k", at(Fault::Flips)),
    ]
    .map(|(title, faults)| Group { title, faults })
    .into()
}

/// Where bodies break: at the edges of heads, buffers and the body itself, and anywhere between.
fn places(offsets: usize, size_bytes: u64) -> Vec<u64> {
    let edges = [0, 1, size_bytes - 1, 4095, 65_536, size_bytes / 2];
    let mut random = fastrand::Rng::with_seed(1);
    let between = std::iter::repeat_with(|| random.u64(2..size_bytes));
    edges.into_iter().chain(between).take(offsets).collect()
}

const ERROR: &str =
    "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// How much a length is off.
const LIES: [i64; 4] = [1, 512, 65_536, 1_000_003];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_its_fault_has_it_say() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n";
        for (fault, length, passes) in [
            (Fault::Lies(1), "4097", 4096),
            (Fault::Lies(-96), "4000", 4000),
            (Fault::Ends(7), "4096", 7),
            (Fault::Ends(70_000), "4096", 4096),
            (Fault::Answers500, "0", 0),
        ] {
            let said = fault.head(head, 4096);
            assert!(
                said.contains(&format!("Content-Length: {length}\r\n")),
                "{said}"
            );
            assert_eq!(fault.passes(4096), passes, "{fault:?}");
        }
        assert_eq!(Fault::Closes.head(head, 4096), "");
    }

    #[test]
    fn places_lie_within_the_file_and_stay_the_same() {
        let places = places(40, 3 << 20);
        assert_eq!(places.len(), 40);
        assert!(places.iter().all(|&at| at < 3 << 20));
        assert_eq!(places, super::places(40, 3 << 20));
    }

    #[test]
    fn every_kind_has_a_case_however_few_are_wanted() {
        for group in groups(1, 1 << 20) {
            assert_eq!(group.faults.len(), 1, "{}", group.title);
        }
    }
}
