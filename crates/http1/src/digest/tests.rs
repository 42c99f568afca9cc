//! What clients say of digests, by table.

use proptest::prelude::*;

use super::Wish::{self, Refused, Unsaid, Wanted};
use super::{legacy, repr_digest};

type Row = (&'static [&'static str], Wish);

fn check(rows: &[Row], read: impl Fn(Vec<&'static [u8]>) -> Wish) {
    for &(lines, expected) in rows {
        let found = read(lines.iter().map(|line| line.as_bytes()).collect());
        assert_eq!(found, expected, "{lines:?}");
    }
}

/// The first two are the examples of RFC 9530 section 4.
#[test]
fn want_repr_digest() {
    let rows: &[Row] = &[
        (&["sha-256=1"], Wanted),
        (&["sha-512=3, sha-256=10, unixsum=0"], Wanted),
        (&[], Unsaid),
        (&[""], Unsaid),
        (&["sha-512=10"], Unsaid),
        (&["sha-256=0"], Refused),
        (&["sha-256=0, sha-512=5"], Refused),
        (&["sha-512=5", "sha-256=0"], Refused),
        (&["", "sha-256=0"], Refused),
        (&["sha-256=0;x=1"], Refused),
        (&["sha-256=0, sha-256=1"], Wanted),
        (&["sha-256=1, sha-256=0"], Refused),
        // Malformed as a whole, whatever else is said.
        (&["sha-256=0,"], Unsaid),
        (&["sha-256=11"], Unsaid),
        (&["sha-256=-1"], Unsaid),
        (&["sha-256=0.5"], Unsaid),
        (&["sha-256=00"], Unsaid),
        (&["sha-256"], Unsaid),
        (&["sha-256=?0"], Unsaid),
        (&["sha-256=\"0\""], Unsaid),
        (&["sha-256 = 0"], Unsaid),
        (&["SHA-256=0"], Unsaid),
        (&["sha-256=0, 1x=1"], Unsaid),
        (&["sha-256=0 sha-512=1"], Unsaid),
    ];
    check(rows, repr_digest);
}

/// The first two are the examples of RFC 3230 section 4.3.1; the third is what aria2 sends.
#[test]
fn want_digest() {
    let rows: &[Row] = &[
        (&["md5"], Unsaid),
        (&["MD5;q=0.3, sha;q=1"], Unsaid),
        (&["SHA-512;q=1, SHA-256;q=1, SHA;q=0.1"], Wanted),
        (&["SHA-256"], Wanted),
        (&["sha-256"], Wanted),
        (&["sha-512", "sha-256;q=0.001"], Wanted),
        (&["SHA-256;Q=0.5"], Wanted),
        (&["SHA-256;q=0"], Refused),
        (&["SHA-256;q=0.000, SHA-256"], Refused),
        (&["SHA-256;q=high"], Unsaid),
        (&["SHA-256;q=2"], Unsaid),
        (&["SHA-256;x=1"], Unsaid),
        (&["SHA256"], Unsaid),
        (&[], Unsaid),
        (&[""], Unsaid),
    ];
    check(rows, legacy);
}

proptest! {
    #[test]
    fn any_bytes_are_read(line in prop::collection::vec(any::<u8>(), 0..48)) {
        let _ = repr_digest([&line[..]]);
        let _ = legacy([&line[..]]);
    }

    /// A dictionary of sound members says what its last member of the key says.
    #[test]
    fn the_last_member_counts(
        members in prop::collection::vec((prop::sample::select(vec!["sha-256", "sha-512", "*a"]), 0..=10_u8), 1..6),
    ) {
        let texts: Vec<_> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = match members.iter().rfind(|(key, _)| *key == "sha-256") {
            None => Unsaid,
            Some((_, 0)) => Refused,
            Some(_) => Wanted,
        };
        prop_assert_eq!(repr_digest([texts.join(" ,\t").as_bytes()]), expected);
    }
}
