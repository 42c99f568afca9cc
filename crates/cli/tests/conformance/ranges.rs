//! Range requests (RFC 9110 section 14): of a file in memory and of one on disk.
//!
//! The rows say what is asked of a file of 10,000 bytes; the larger file has rows of its own where its
//! length shows.

use crate::{
    case::{Case, Content},
    site::{BIG, BIG_BYTES, DATA, DATA_BYTES},
};

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(rfc, spec, start, end) in SINGLE {
        cases.push(single(rfc, DATA, spec, (start, end), DATA_BYTES));
        cases.push(by_head(rfc, spec));
    }
    for &(rfc, spec, start, end) in SINGLE_ON_DISK {
        cases.push(single(rfc, BIG, spec, (start, end), BIG_BYTES));
    }
    for &(rfc, spec) in IGNORED {
        cases.push(ignored(rfc, DATA, spec));
    }
    for &(rfc, spec) in UNSATISFIABLE {
        cases.push(unsatisfiable(rfc, DATA, spec, DATA_BYTES));
        cases.push(by_head(rfc, spec));
    }
    for &(rfc, spec, ranges) in PARTS {
        cases.push(parts(rfc, DATA, spec, ranges));
        cases.push(by_head(rfc, spec));
    }
    for &(rfc, spec, ranges) in PARTS_ON_DISK {
        cases.push(parts(rfc, BIG, spec, ranges));
    }
    cases.extend(of_small_and_empty_files());
    cases.extend(abusive());
    cases
}

fn line(spec: &str) -> String {
    format!("Range: {spec}\r\n")
}

fn single(
    rfc: &'static str,
    target: &str,
    spec: &str,
    (start, end): (usize, usize),
    length: usize,
) -> Case {
    let content_range = format!("bytes {start}-{}/{length}", end - 1);
    Case::get(rfc, target, &line(spec), 206)
        .body(Content::Slice(start, end))
        .is("content-range", content_range)
        .is("content-length", (end - start).to_string())
        .is("accept-ranges", "bytes")
        .present(&["etag", "last-modified", "repr-digest", "content-type"])
}

/// Range counts for GET only (section 14.2): HEAD is answered as if it were not there.
fn by_head(_of: &str, spec: &str) -> Case {
    Case::get("9110 14.2", DATA, &line(spec), 200)
        .by("HEAD")
        .body(Content::Nothing)
        .is("content-length", DATA_BYTES.to_string())
        .absent(&["content-range"])
}

fn ignored(rfc: &'static str, target: &str, spec: &str) -> Case {
    Case::get(rfc, target, &line(spec), 200)
        .body(Content::Whole)
        .is("accept-ranges", "bytes")
        .absent(&["content-range"])
}

/// Sections 14.4 and 15.5.17; the validators are there for whoever asks again.
fn unsatisfiable(rfc: &'static str, target: &str, spec: &str, length: usize) -> Case {
    Case::get(rfc, target, &line(spec), 416)
        .body(Content::Nothing)
        .is("content-range", format!("bytes */{length}"))
        .is("accept-ranges", "bytes")
        .present(&["etag", "last-modified"])
}

fn parts(rfc: &'static str, target: &str, spec: &str, ranges: &'static [(usize, usize)]) -> Case {
    Case::get(rfc, target, &line(spec), 206)
        .body(Content::Parts(ranges))
        .absent(&["content-range"])
        .present(&["etag", "last-modified", "repr-digest"])
}

/// Section, field value, first position and the one after the last.
type Single = (&'static str, &'static str, usize, usize);

const SINGLE: &[Single] = &[
    ("9110 14.1.2", "bytes=0-0", 0, 1),
    ("9110 14.1.2", "bytes=0-499", 0, 500),
    ("9110 14.1.2", "bytes=500-999", 500, 1000),
    ("9110 14.1.2", "bytes=9500-", 9500, 10_000),
    ("9110 14.1.2", "bytes=-500", 9500, 10_000),
    ("9110 14.1.2", "bytes=0-", 0, 10_000),
    ("9110 14.1.2", "bytes=-1", 9999, 10_000),
    ("9110 14.1.2", "bytes=9999-9999", 9999, 10_000),
    ("9110 14.1.2", "bytes=9999-", 9999, 10_000),
    ("9110 14.1.2", "bytes=1-1", 1, 2),
    ("9110 14.1.2", "bytes=1-2", 1, 3),
    ("9110 14.1.2", "bytes=4095-4096", 4095, 4097),
    ("9110 14.1.2", "bytes=0-9998", 0, 9999),
    ("9110 14.1.2", "bytes=1-9999", 1, 10_000),
    // A last position past the end, up to far past 64 bits.
    ("9110 14.1.2", "bytes=0-9999", 0, 10_000),
    ("9110 14.1.2", "bytes=0-10000", 0, 10_000),
    ("9110 14.1.2", "bytes=9000-20000", 9000, 10_000),
    ("9110 14.1.2", "bytes=0-18446744073709551614", 0, 10_000),
    ("9110 14.1.2", "bytes=0-18446744073709551615", 0, 10_000),
    ("9110 14.1.2", "bytes=0-18446744073709551616", 0, 10_000),
    (
        "9110 14.1.2",
        "bytes=5-99999999999999999999999999",
        5,
        10_000,
    ),
    // dufs and copyparty answer 416 to a suffix longer than the file.
    ("9110 14.1.2", "bytes=-9999", 1, 10_000),
    ("9110 14.1.2", "bytes=-10000", 0, 10_000),
    ("9110 14.1.2", "bytes=-10001", 0, 10_000),
    ("9110 14.1.2", "bytes=-18446744073709551616", 0, 10_000),
    ("9110 14.1.1", "bytes=000-0009", 0, 10),
    ("9110 14.1.1", "bytes=-0005", 9995, 10_000),
    ("9110 14.1", "BYTES=0-9", 0, 10),
    ("9110 14.1", "Bytes=0-9", 0, 10),
    // Lists of one, with the empty elements that section 5.6.1.2 has recipients accept.
    ("9110 5.6.1", "bytes=,0-9", 0, 10),
    ("9110 5.6.1", "bytes=0-9,", 0, 10),
    ("9110 5.6.1", "bytes= ,\t0-9 , ,", 0, 10),
    // Several ranges of which one can be satisfied, or which are one.
    ("9110 15.3.7.2", "bytes=0-9,10000-", 0, 10),
    ("9110 15.3.7.2", "bytes=20000-30000,-10", 9990, 10_000),
    ("9110 15.3.7.2", "bytes=-0,3-3", 3, 4),
    ("9110 15.3.7.2", "bytes=0-9,10-19", 0, 20),
    ("9110 15.3.7.2", "bytes=10-19,0-9", 0, 20),
    ("9110 15.3.7.2", "bytes=0-99,50-149", 0, 150),
    ("9110 15.3.7.2", "bytes=0-99,20-29", 0, 100),
    ("9110 15.3.7.2", "bytes=0-9,0-9", 0, 10),
    ("9110 15.3.7.2", "bytes=0-9,50-59", 0, 60),
    ("9110 15.3.7.2", "bytes=0-,-1", 0, 10_000),
];

const SINGLE_ON_DISK: &[Single] = &[
    ("9110 14.1.2", "bytes=0-0", 0, 1),
    ("9110 14.1.2", "bytes=-1", 299_999, 300_000),
    ("9110 14.1.2", "bytes=0-", 0, 300_000),
    ("9110 14.1.2", "bytes=65535-65536", 65_535, 65_537),
    ("9110 14.1.2", "bytes=100000-199999", 100_000, 200_000),
    ("9110 14.1.2", "bytes=299999-", 299_999, 300_000),
    ("9110 14.1.2", "bytes=-400000", 0, 300_000),
    ("9110 14.1.2", "bytes=1-400000", 1, 300_000),
    ("9110 15.3.7.2", "bytes=0-99999,100000-199999", 0, 200_000),
];

/// Section and field value of what is malformed or of another unit (section 14.2: ignore it).
const IGNORED: &[(&str, &str)] = &[
    ("9110 14.1.1", "bytes=5-2"),
    ("9110 14.1.1", "bytes=9999-0"),
    ("9110 14.1.1", "bytes=0-9,5-2"),
    ("9110 14.1.1", "bytes=20000-10000"),
    ("9110 14.2", "bytes"),
    ("9110 14.2", "bytes="),
    ("9110 14.2", "bytes=,"),
    ("9110 14.2", "bytes=-"),
    ("9110 14.2", "bytes=--1"),
    ("9110 14.2", "bytes=1--2"),
    ("9110 14.2", "bytes=1-2-3"),
    ("9110 14.2", "bytes=a-b"),
    ("9110 14.2", "bytes=0-x"),
    ("9110 14.2", "bytes=0x0-0x9"),
    ("9110 14.2", "bytes=+0-9"),
    ("9110 14.2", "bytes=0-+9"),
    ("9110 14.2", "bytes=0.0-9"),
    ("9110 14.2", "bytes=0 -9"),
    ("9110 14.2", "bytes=0- 9"),
    ("9110 14.2", "bytes=0-9;10-19"),
    ("9110 14.2", "bytes=0-9 10-19"),
    ("9110 14.2", "bytes=0-9,x"),
    ("9110 14.2", "bytes=x,0-9"),
    ("9110 14.2", "bytes =0-9"),
    ("9110 14.2", "bytes:0-9"),
    ("9110 14.2", "bytes 0-9"),
    ("9110 14.2", "bytes 0-9/10000"),
    ("9110 14.2", "0-9"),
    ("9110 14.2", "\"bytes=0-9\""),
    ("9110 14.2", "bytes=\"0-9\""),
    ("9110 14.2", "lines=0-9"),
    ("9110 14.2", "none"),
    ("9110 14.2", "seconds=1.5-2"),
    ("9110 14.2", "lines=0-9, bytes=0-9"),
    ("9110 5.3", "bytes=0-9\r\nRange: bytes=0-9"),
    (
        "9110 5.3",
        "bytes=0-9\r\nRange: bytes=500-509\r\nRange: bytes=0-9",
    ),
    // Two parts that would make a longer body than the file is.
    ("9110 17.15", "bytes=0-4899,5040-9999"),
];

const UNSATISFIABLE: &[(&str, &str)] = &[
    ("9110 15.5.17", "bytes=10000-"),
    ("9110 15.5.17", "bytes=10000-10000"),
    ("9110 15.5.17", "bytes=20000-30000"),
    ("9110 15.5.17", "bytes=18446744073709551615-"),
    ("9110 15.5.17", "bytes=99999999999999999999999-"),
    ("9110 14.1.2", "bytes=-0"),
    ("9110 14.1.2", "bytes=-00"),
    ("9110 15.5.17", "bytes=10000-,20000-"),
    ("9110 15.5.17", "bytes=-0,10000-10001"),
];

/// Section, field value and ranges in the order of their parts.
type Parts = (&'static str, &'static str, &'static [(usize, usize)]);

const PARTS: &[Parts] = &[
    ("9110 14.1.2", "bytes=0-0,-1", &[(0, 1), (9999, 10_000)]),
    (
        "9110 14.1.2",
        "bytes=0-0,9999-9999",
        &[(0, 1), (9999, 10_000)],
    ),
    ("9110 15.3.7.2", "bytes=-1,0-0", &[(9999, 10_000), (0, 1)]),
    (
        "9110 15.3.7.2",
        "bytes=500-600,0-99",
        &[(500, 601), (0, 100)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=0-99,500-",
        &[(0, 100), (500, 10_000)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=0-99,5000-5099,9900-",
        &[(0, 100), (5000, 5100), (9900, 10_000)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=9000-9099,5000-5099,1000-1099",
        &[(9000, 9100), (5000, 5100), (1000, 1100)],
    ),
    // What cannot be satisfied is left out; dufs answers 416 for all.
    (
        "9110 15.3.7.2",
        "bytes=0-9,20000-,500-509",
        &[(0, 10), (500, 510)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=-0,0-9,500-509",
        &[(0, 10), (500, 510)],
    ),
    // Joined where they overlap, touch or nearly touch; at the place of the first.
    (
        "9110 15.3.7.2",
        "bytes=0-99,50-149,5000-5009",
        &[(0, 150), (5000, 5010)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=5000-5009,0-9,10-19",
        &[(5000, 5010), (0, 20)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=500-599,0-9,600-699",
        &[(500, 700), (0, 10)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=0-9,60-69,5000-5009",
        &[(0, 70), (5000, 5010)],
    ),
    (
        "9110 5.6.1",
        "bytes=0-9 ,, 500-509\t,",
        &[(0, 10), (500, 510)],
    ),
];

const PARTS_ON_DISK: &[Parts] = &[
    (
        "9110 15.3.7.2",
        "bytes=0-0,-1",
        &[(0, 1), (299_999, 300_000)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=200000-249999,0-99999",
        &[(200_000, 250_000), (0, 100_000)],
    ),
    (
        "9110 15.3.7.2",
        "bytes=0-65535,70000-70000,100000-165535,299000-",
        &[
            (0, 65_536),
            (70_000, 70_001),
            (100_000, 165_536),
            (299_000, 300_000),
        ],
    ),
];

fn of_small_and_empty_files() -> Vec<Case> {
    let hello = "/hello.txt";
    let empty = "/empty.txt";
    vec![
        // A part's head is longer than the file, so all of it is one range.
        single("9110 15.3.7.2", hello, "bytes=0-0,-1", (0, 11), 11),
        single("9110 14.1.2", hello, "bytes=-500", (0, 11), 11),
        single("9110 14.1.2", hello, "bytes=6-", (6, 11), 11),
        unsatisfiable("9110 15.5.17", hello, "bytes=11-", 11),
        unsatisfiable("9110 15.5.17", empty, "bytes=0-", 0),
        unsatisfiable("9110 15.5.17", empty, "bytes=0-0", 0),
        unsatisfiable("9110 15.5.17", empty, "bytes=-0", 0),
        // Satisfiable (section 14.1.2), but no Content-Range can name it.
        ignored("9110 14.1.2", empty, "bytes=-1"),
        ignored("9110 14.1.2", empty, "bytes=-1,-2"),
    ]
}

/// Section 14.2: more than two overlapping ranges, or many small ones in no order.
fn abusive() -> Vec<Case> {
    let spec = |firsts: &mut dyn Iterator<Item = usize>| {
        let specs: Vec<_> = firsts.map(|first| format!("{first}-{first}")).collect();
        format!("bytes={}", specs.join(","))
    };
    vec![
        ignored("9110 14.2", DATA, "bytes=0-,0-,0-,0-"),
        ignored("9110 14.2", DATA, "bytes=0-99,1-99,2-99,3-99"),
        ignored(
            "9110 14.2",
            DATA,
            &spec(&mut (0..9).map(|at| (9 - at) * 1000)),
        ),
        ignored("9110 17.15", DATA, &spec(&mut (0..65).map(|at| at * 150))),
        // Caddy sends 28,956 bytes for 200 ranges of a file of 1,000, nginx 1.22 17,918.
        ignored("9110 17.15", DATA, &spec(&mut (0..200).map(|at| at * 2))),
        ignored("9110 17.15", BIG, &spec(&mut (0..200).map(|at| at * 1000))),
    ]
}
