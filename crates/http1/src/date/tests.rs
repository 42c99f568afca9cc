//! Dates against fixed points and round trips.

use proptest::prelude::*;

use super::{LAST_SECOND, UnixSeconds, parse, write_imf_fixdate};

fn format(at: u64) -> String {
    let mut out = [0; 29];
    write_imf_fixdate(UnixSeconds(at), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn reads_all_three_forms_and_nothing_else() {
    let cases: &[(&str, Option<u64>)] = &[
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
        ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
        ("", None),
        ("0", None),
        ("784111777", None),
        ("Mon, 06 Nov 1994 08:49:37 GMT", None),
        ("Wed, 29 Feb 2023 12:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
        (
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            None,
        ),
    ];
    for &(field, expected) in cases {
        assert_eq!(
            parse(field.as_bytes()),
            expected.map(UnixSeconds),
            "{field:?}"
        );
    }
    assert_eq!(parse(b"\xff"), None);
}

#[test]
fn writes_fixed_points() {
    assert_eq!(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(format(LAST_SECOND), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(format(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(at in 0..=LAST_SECOND) {
        prop_assert_eq!(parse(format(at).as_bytes()), Some(UnixSeconds(at)));
    }

    #[test]
    fn no_input_panics(field in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse(&field);
    }
}
