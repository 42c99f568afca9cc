//! `Accept-Encoding` of real clients, the letter of RFC 9110 section 12.5.3, and a naive model.

use proptest::prelude::*;

use super::Coding::{self, Brotli, Gzip, Identity, Zstd};
use super::Preferred;

fn choose(lines: &[&str], available: &[Coding]) -> Vec<Coding> {
    let lines = lines.iter().map(|line| line.as_bytes());
    let preferred = Preferred::choose(lines, available.iter().copied());
    preferred.iter().collect()
}

#[test]
fn everything_available() {
    let cases: &[(&[&str], &[Coding])] = &[
        // No field, and an empty one.
        (&[], &[Identity]),
        (&[""], &[Identity]),
        (&["identity"], &[Identity]),
        // The examples of section 12.5.3.
        (&["compress, gzip"], &[Gzip, Identity]),
        (&["*"], &[Zstd, Brotli, Gzip, Identity]),
        (&["compress;q=0.5, gzip;q=1.0"], &[Gzip, Identity]),
        (&["gzip;q=1.0, identity; q=0.5, *;q=0"], &[Gzip, Identity]),
        // curl, a browser, Go, Python requests.
        (
            &["deflate, gzip, br, zstd"],
            &[Zstd, Brotli, Gzip, Identity],
        ),
        (
            &["gzip, deflate, br, zstd"],
            &[Zstd, Brotli, Gzip, Identity],
        ),
        (&["gzip"], &[Gzip, Identity]),
        (&["gzip, deflate"], &[Gzip, Identity]),
        // The client's quality comes before our order.
        (&["zstd;q=0.5, gzip"], &[Gzip, Zstd, Identity]),
        (&["zstd;q=0.5, br;q=0.501"], &[Brotli, Zstd, Identity]),
        (&["gzip;q=0.5, identity"], &[Identity, Gzip]),
        (&["gzip, identity"], &[Gzip, Identity]),
        (&["gzip;q=0.001"], &[Gzip, Identity]),
        // Several lines are one list.
        (&["gzip;q=0.5", "zstd"], &[Zstd, Gzip, Identity]),
        (&["", "br"], &[Brotli, Identity]),
        // Exclusion.
        (&["gzip;q=0"], &[Identity]),
        (&["*;q=0"], &[]),
        (&["identity;q=0"], &[]),
        (&["identity;q=0, gzip"], &[Gzip]),
        (&["gzip, *;q=0"], &[Gzip]),
        (&["gzip, *;q=0, identity;q=0.1"], &[Gzip, Identity]),
        (&["*, br;q=0"], &[Zstd, Gzip, Identity]),
        (&["*;q=0.5, gzip"], &[Gzip, Zstd, Brotli, Identity]),
        (&["gzip;q=0.5, *"], &[Zstd, Brotli, Identity, Gzip]),
        // Names in any case, and the old one; the first that names a coding counts.
        (&["GZip"], &[Gzip, Identity]),
        (&["x-gzip"], &[Gzip, Identity]),
        (&["BR;Q=1"], &[Brotli, Identity]),
        (&["gzip;q=0, gzip"], &[Identity]),
        (&["gzip, x-gzip;q=0"], &[Gzip, Identity]),
        // Malformed elements say nothing; sound ones beside them do.
        (&["gzip;q=2"], &[Identity]),
        (&["gzip;q=0.0001"], &[Identity]),
        (&["gzip;q="], &[Identity]),
        (&["gzip;level=9"], &[Identity]),
        (&["gzip;q=1;q=0"], &[Identity]),
        (&["gzip q=1"], &[Identity]),
        (&["gzip;q=high, br"], &[Brotli, Identity]),
        (&["*;q=x, identity;q=y"], &[Identity]),
        (&[",, ,gzip,,"], &[Gzip, Identity]),
        (&["\"gzip\""], &[Identity]),
        (&["gzip;q = 1"], &[Identity]),
        (&["gzip ; q=0.5 , br\t;\tq=0.4"], &[Gzip, Brotli, Identity]),
    ];
    for &(lines, expected) in cases {
        assert_eq!(choose(lines, &Coding::ALL), expected, "{lines:?}");
    }
}

#[test]
fn only_what_is_available_is_chosen() {
    let cases: &[(&str, &[Coding], &[Coding])] = &[
        ("zstd, br, gzip", &[Gzip, Identity], &[Gzip, Identity]),
        (
            "zstd, br, gzip",
            &[Identity, Gzip, Brotli],
            &[Brotli, Gzip, Identity],
        ),
        ("zstd", &[Gzip, Identity], &[Identity]),
        ("zstd, identity;q=0", &[Gzip, Identity], &[]),
        ("*", &[Identity], &[Identity]),
        ("gzip", &[Gzip], &[Gzip]),
        ("gzip", &[Gzip, Gzip, Identity], &[Gzip, Identity]),
        ("gzip", &[], &[]),
    ];
    for &(line, available, expected) in cases {
        assert_eq!(
            choose(&[line], available),
            expected,
            "{line:?} of {available:?}"
        );
    }
}

/// The words of the RFC, one after the other, for one coding.
fn naive_quality(elements: &[(&str, Option<u16>)], coding: Coding) -> Option<i32> {
    let says = |name: &str| {
        let found = elements.iter().find(|(listed, _)| *listed == name);
        found.map(|(_, weight)| i32::from(weight.unwrap_or(1000)))
    };
    let quality = match (says(coding.name()), says("*"), coding) {
        (Some(named), _, _) => named,
        (None, Some(others), _) => others,
        (None, None, Identity) => return Some(-1),
        (None, None, _) => return None,
    };
    (quality > 0).then_some(quality)
}

proptest! {
    #[test]
    fn agrees_with_the_words_of_the_rfc(
        elements in prop::collection::vec(
            (
                prop::sample::select(vec!["zstd", "br", "gzip", "identity", "*", "compress"]),
                prop::option::of(prop_oneof![Just(0_u16), 0..=1000_u16]),
            ),
            0..7,
        ),
        available in prop::sample::subsequence(Coding::ALL.to_vec(), 0..=4),
        lines in 1..3_usize,
    ) {
        let texts: Vec<_> = elements.iter().map(|(name, weight)| match weight {
            None => (*name).to_owned(),
            Some(1000) => format!("{name};q=1"),
            Some(weight) => format!("{name} ; q=0.{weight:03}"),
        }).collect();
        let cut = texts.len() / lines;
        let (first, second) = (texts[..cut].join(","), texts[cut..].join(" , "));
        let found = choose(&[&first, &second], &available);

        let mut expected: Vec<_> = available.iter().copied()
            .filter(|coding| naive_quality(&elements, *coding).is_some())
            .collect();
        expected.sort();
        expected.sort_by_key(|coding| -naive_quality(&elements, *coding).unwrap_or(0));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_read(line in prop::collection::vec(any::<u8>(), 0..48)) {
        let preferred = Preferred::choose([&line[..]], Coding::ALL);
        prop_assert!(preferred.iter().count() <= 4);
    }
}
