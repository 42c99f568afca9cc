//! Ranges: the corners by table, the rest against a model that knows only sets of positions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{ByteRange, MAX_RANGES, RangeSet, Ranges};

/// A file of text, whose parts need 91 bytes of head and a few digits.
fn resolve(field: &[u8], length: u64) -> Ranges {
    super::resolve(field, length, CONTENT_TYPE)
}

const CONTENT_TYPE: &str = "text/plain";

const fn single(start: u64, end: u64) -> Ranges {
    Ranges::Single(ByteRange { start, end })
}

#[test]
fn one_range_of_ten_bytes() {
    let cases: &[(&str, Ranges)] = &[
        ("bytes=0-0", single(0, 1)),
        ("bytes=0-", single(0, 10)),
        ("bytes=9-", single(9, 10)),
        ("bytes=2-5", single(2, 6)),
        ("bytes=2-9", single(2, 10)),
        ("bytes=2-10", single(2, 10)),
        ("bytes=0-99999999999999999999", single(0, 10)),
        ("bytes=00002-0005", single(2, 6)),
        ("BYTES=2-5", single(2, 6)),
        ("bytes= 2-5 ", single(2, 6)),
        ("bytes=-1", single(9, 10)),
        ("bytes=-10", single(0, 10)),
        // dufs and copyparty answer 416 to a suffix longer than the file.
        ("bytes=-11", single(0, 10)),
        ("bytes=-99999999999999999999", single(0, 10)),
        ("bytes=-0", Ranges::Unsatisfiable),
        ("bytes=10-", Ranges::Unsatisfiable),
        ("bytes=10-20", Ranges::Unsatisfiable),
        ("bytes=99999999999999999999-", Ranges::Unsatisfiable),
    ];
    for (field, expected) in cases {
        assert_eq!(&resolve(field.as_bytes(), 10), expected, "{field:?}");
    }
}

#[test]
fn malformed_or_foreign_is_ignored() {
    let cases = [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=1-2,5-2",
        "bytes=1-2,x",
        "bytes=20-30,x",
        "bytes=1 -2",
        "bytes=1--2",
        "bytes=+1-2",
        "bytes=1-2;3-4",
        "bytes =0-1",
        " bytes=0-1",
        "octets=0-1",
        "bytes:0-1",
        "bytes=0x1-2",
    ];
    for field in cases {
        assert_eq!(resolve(field.as_bytes(), 10), Ranges::Whole, "{field:?}");
    }
}

#[test]
fn several_ranges_of_a_small_file_are_one() {
    let cases: &[(&str, Ranges)] = &[
        ("bytes=0-1,2-3", single(0, 4)),
        ("bytes=2-3,0-1", single(0, 4)),
        ("bytes=0-5 ,\t3-7", single(0, 8)),
        ("bytes=0-9,3-4", single(0, 10)),
        ("bytes=,,0-1,,", single(0, 2)),
        ("bytes=0-1,20-30", single(0, 2)),
        ("bytes=20-30,-2", single(8, 10)),
        ("bytes=0-,-5", single(0, 10)),
        ("bytes=-0,3-3", single(3, 4)),
        // A gap that costs less than the head of a part.
        ("bytes=0-1,3-4", single(0, 5)),
        ("bytes=0-0,-1", single(0, 10)),
        ("bytes=10-,20-30,-0", Ranges::Unsatisfiable),
    ];
    for (field, expected) in cases {
        assert_eq!(&resolve(field.as_bytes(), 10), expected, "{field:?}");
    }
}

/// What is asked of a file of 10,000 bytes, and the ranges it is answered with; none for the whole.
#[test]
fn ranges_far_apart_keep_their_order() {
    let cases: &[(&str, &[(u64, u64)])] = &[
        ("bytes=0-0,9999-9999", &[(0, 1), (9999, 10_000)]),
        ("bytes=0-0,-1", &[(0, 1), (9999, 10_000)]),
        ("bytes=-1,0-0", &[(9999, 10_000), (0, 1)]),
        ("bytes=5000-5001,0-9", &[(5000, 5002), (0, 10)]),
        ("bytes=0-9,20000-,500-509", &[(0, 10), (500, 510)]),
        // The first and the last touch: they stand where the first of them stood.
        ("bytes=500-599,0-9,600-699", &[(500, 700), (0, 10)]),
        ("bytes=0-9,500-599,400-499", &[(0, 10), (400, 600)]),
        ("bytes=5000-,0-9,4000-5999", &[(4000, 10_000), (0, 10)]),
        // Just as far apart as a head is long, and one byte nearer.
        ("bytes=0-9,116-139", &[(0, 10), (116, 140)]),
        ("bytes=0-9,115-139", &[(0, 140)]),
        // Two parts of together all but 100 bytes would be longer than the file.
        ("bytes=0-4899,5040-9999", &[]),
        ("bytes=0-4000,6000-9999", &[(0, 4001), (6000, 10_000)]),
    ];
    for &(field, expected) in cases {
        let found: Vec<_> = match resolve(field.as_bytes(), 10_000) {
            Ranges::Single(range) => vec![(range.start, range.end)],
            Ranges::Several(set) => {
                let pair = |range: &ByteRange| (range.start, range.end);
                set.as_slice().iter().map(pair).collect()
            }
            Ranges::Whole => Vec::new(),
            Ranges::Unsatisfiable => panic!("{field:?}"),
        };
        assert_eq!(found, expected, "{field:?}");
    }
}

/// RFC 9110 section 14.2 names the signs of an attack.
#[test]
fn abusive_sets_are_ignored() {
    let listed = |count: u64, at: fn(u64) -> u64| {
        let specs: Vec<_> = (0..count)
            .map(|place| format!("{0}-{0}", at(place)))
            .collect();
        resolve(format!("bytes={}", specs.join(",")).as_bytes(), 1 << 20)
    };
    let ascending = |place| place * 1000;
    let descending = |place| (63 - place) * 1000;
    assert!(matches!(listed(64, ascending), Ranges::Several(_)));
    assert_eq!(listed(65, ascending), Ranges::Whole);
    assert!(matches!(listed(8, descending), Ranges::Several(_)));
    assert_eq!(listed(9, descending), Ranges::Whole);
    let cases: &[(&str, Ranges)] = &[
        ("bytes=0-9,5-14,10-19", single(0, 20)),
        ("bytes=0-9,5-14,10-19,15-24", Ranges::Whole),
        ("bytes=0-,0-", single(0, 1 << 20)),
        ("bytes=0-,0-,0-,0-", Ranges::Whole),
    ];
    for (field, expected) in cases {
        assert_eq!(&resolve(field.as_bytes(), 1 << 20), expected, "{field:?}");
    }
}

#[test]
fn an_empty_file_has_no_range() {
    let cases: &[(&str, Ranges)] = &[
        ("bytes=0-", Ranges::Unsatisfiable),
        ("bytes=0-0", Ranges::Unsatisfiable),
        ("bytes=-0", Ranges::Unsatisfiable),
        ("bytes=-5", Ranges::Whole),
        ("bytes=0-,-5", Ranges::Whole),
    ];
    for (field, expected) in cases {
        assert_eq!(&resolve(field.as_bytes(), 0), expected, "{field:?}");
    }
}

#[test]
fn the_largest_length_does_not_overflow() {
    let all = single(0, u64::MAX);
    assert_eq!(resolve(b"bytes=0-18446744073709551615", u64::MAX), all);
    assert_eq!(resolve(b"bytes=-18446744073709551615", u64::MAX), all);
    assert_eq!(
        resolve(b"bytes=18446744073709551615-", u64::MAX),
        Ranges::Unsatisfiable
    );
    let last_byte = single(u64::MAX - 1, u64::MAX);
    assert_eq!(resolve(b"bytes=18446744073709551614-", u64::MAX), last_byte);
}

/// 200 one-byte ranges of a 1,000-byte file cost Caddy 28,956 bytes and nginx 1.22 17,918.
#[test]
fn more_than_64_ranges_are_refused_even_if_they_would_join() {
    let list = |count: usize| {
        let specs: Vec<_> = (0..count).map(|at| format!("{at}-{at}")).collect();
        format!("bytes={}", specs.join(","))
    };
    let joined = single(0, MAX_RANGES as u64);
    assert_eq!(resolve(list(MAX_RANGES).as_bytes(), 1000), joined);
    assert_eq!(
        resolve(list(MAX_RANGES + 1).as_bytes(), 1000),
        Ranges::Whole
    );
    let unsatisfiable = format!("bytes={}", vec!["20-30"; MAX_RANGES + 1].join(","));
    assert_eq!(resolve(unsatisfiable.as_bytes(), 10), Ranges::Whole);
}

#[derive(Clone, Debug)]
enum ModelSpec {
    Closed(u64, u64),
    From(u64),
    Suffix(u64),
}

impl ModelSpec {
    fn text(&self) -> String {
        match self {
            Self::Closed(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Suffix(count) => format!("-{count}"),
        }
    }

    fn selects(&self, position: u64, length: u64) -> bool {
        match *self {
            Self::Closed(first, last) => first <= position && position <= last,
            Self::From(first) => first <= position,
            Self::Suffix(count) => position + count >= length,
        }
    }
}

/// The definition, by sets of positions: what the answer may be is checked, not which it is.
fn check(specs: &[ModelSpec], length: u64, found: &Ranges) -> Result<(), TestCaseError> {
    let malformed = |spec: &ModelSpec| matches!(spec, ModelSpec::Closed(a, b) if a > b);
    if specs.iter().any(malformed) {
        prop_assert_eq!(found, &Ranges::Whole);
        return Ok(());
    }
    let is_selected = |at: &u64| specs.iter().any(|spec| spec.selects(*at, length));
    let selected: BTreeSet<u64> = (0..length).filter(is_selected).collect();
    match found {
        Ranges::Unsatisfiable => prop_assert!(selected.is_empty()),
        Ranges::Single(range) => {
            // No more than from the first to the last, and no gap as long as a part's head.
            prop_assert_eq!(selected.first(), Some(&range.start));
            prop_assert_eq!(selected.last(), Some(&(range.end - 1)));
            prop_assert!(longest_gap(&selected) < part_head_bytes(length));
        }
        Ranges::Several(set) => check_set(specs, length, &selected, set)?,
        Ranges::Whole => {
            let overlapping = specs.len() > 3;
            let parts = 1 + gaps(&selected).filter(|gap| *gap > 100).count() as u64;
            let multipart = selected.len() as u64 + parts * part_head_bytes(length) + 100;
            prop_assert!(overlapping || parts > 1 && multipart > length);
        }
    }
    Ok(())
}

fn check_set(
    specs: &[ModelSpec],
    length: u64,
    selected: &BTreeSet<u64>,
    set: &RangeSet,
) -> Result<(), TestCaseError> {
    let ranges = set.as_slice();
    let sent: Vec<u64> = ranges
        .iter()
        .flat_map(|range| range.start..range.end)
        .collect();
    let sent_once: BTreeSet<u64> = sent.iter().copied().collect();
    prop_assert!(ranges.len() > 1);
    prop_assert_eq!(sent.len(), sent_once.len(), "a byte is sent twice");
    prop_assert!(selected.is_subset(&sent_once));
    prop_assert!(longest_gap(&sent_once) >= part_head_bytes(length) - 6);
    for range in ranges {
        prop_assert!(selected.contains(&range.start) && selected.contains(&(range.end - 1)));
    }
    // Each stands where the first spec that selects a byte of it stood.
    let place = |range: &ByteRange| {
        let is_in = |spec: &ModelSpec| (range.start..range.end).any(|at| spec.selects(at, length));
        specs.iter().position(is_in)
    };
    prop_assert!(ranges.iter().map(place).is_sorted());
    prop_assert!(crate::multipart::body_bytes(set, length, CONTENT_TYPE) <= length);
    Ok(())
}

fn gaps(positions: &BTreeSet<u64>) -> impl Iterator<Item = u64> + '_ {
    let pairs = positions.iter().zip(positions.iter().skip(1));
    pairs.map(|(before, after)| after - before - 1)
}

fn longest_gap(positions: &BTreeSet<u64>) -> u64 {
    gaps(positions).max().unwrap_or(0)
}

fn part_head_bytes(length: u64) -> u64 {
    crate::multipart::max_part_head_bytes(length, CONTENT_TYPE)
}

fn model_spec() -> impl Strategy<Value = ModelSpec> {
    prop_oneof![
        5 => (0..2000_u64, 0..40_u64).prop_map(|(at, more)| ModelSpec::Closed(at, at + more)),
        1 => (0..2000_u64, 0..2000_u64).prop_map(|(first, last)| ModelSpec::Closed(first, last)),
        1 => (0..2000_u64).prop_map(ModelSpec::From),
        1 => (0..2000_u64).prop_map(ModelSpec::Suffix),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_set_of_positions(
        specs in prop::collection::vec(model_spec(), 1..6),
        separator in prop_oneof![Just(","), Just(" , "), Just(",,"), Just("\t,")],
        length in 1..1800_u64,
    ) {
        let texts: Vec<_> = specs.iter().map(ModelSpec::text).collect();
        let field = format!("bytes={}", texts.join(separator));
        check(&specs, length, &resolve(field.as_bytes(), length))?;
    }

    #[test]
    fn any_bytes_give_ranges_within_the_file(
        set in prop::collection::vec(prop::sample::select(b"0159-, \tx".to_vec()), 0..24),
        length in any::<u64>(),
    ) {
        let field = [b"bytes=", &set[..]].concat();
        let ranges = match resolve(&field, length) {
            Ranges::Single(range) => vec![range],
            Ranges::Several(set) => set.as_slice().to_vec(),
            Ranges::Whole | Ranges::Unsatisfiable => Vec::new(),
        };
        for range in ranges {
            prop_assert!(range.start < range.end && range.end <= length);
        }
    }
}
