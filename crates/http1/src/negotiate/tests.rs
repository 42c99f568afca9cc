//! `Accept` of real clients, and the corners of quality values.

use super::Listing::{self, Html, Json};
use super::thousandths;

#[test]
fn listing_form_by_accept() {
    let cases: &[(&[&str], Listing)] = &[
        (&[], Html),
        (&[""], Html),
        (&["*/*"], Html),
        (&["application/json"], Json),
        (&["Application/JSON"], Json),
        (&["application/*"], Json),
        (&["application/json, */*;q=0.5"], Json),
        (&["*/*;q=0.5, application/json"], Json),
        (&["application/json; charset=utf-8"], Json),
        (&["application/json, text/html"], Html),
        (&["application/json;q=0.9, text/html"], Html),
        (&["text/html;q=0.2, application/json;q=0.201"], Json),
        (&["text/html;q=0.2", "application/json;q=0.3"], Json),
        (&["application/json;q=0"], Html),
        (&["text/html;q=0, */*"], Json),
        (&["text/*;q=0.1, */*;q=0.5"], Json),
        (&["text/html, text/*;q=0.1, application/json;q=0.5"], Html),
        (&["application/json;q=1.5"], Html),
        (&["application/json;q=high"], Html),
        (
            &[r#"application/json;profile="a,b;q=0", text/html;q=0.4"#],
            Json,
        ),
        (&["json"], Html),
        (
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            Html,
        ),
        (&["application/json, text/plain, */*"], Html),
    ];
    for &(lines, expected) in cases {
        let accept = lines.iter().map(|line| line.as_bytes());
        assert_eq!(Listing::negotiate(accept), expected, "{lines:?}");
    }
}

#[test]
fn qvalues_have_at_most_three_decimals() {
    let cases: &[(&str, Option<u16>)] = &[
        ("0", Some(0)),
        ("1", Some(1000)),
        ("1.", Some(1000)),
        ("0.5", Some(500)),
        ("0.05", Some(50)),
        ("0.005", Some(5)),
        ("1.000", Some(1000)),
        ("1.001", None),
        ("0.0005", None),
        ("2", None),
        (".5", None),
        ("0,5", None),
        ("", None),
        ("-1", None),
    ];
    for &(text, expected) in cases {
        assert_eq!(thousandths(text.as_bytes()), expected, "{text:?}");
    }
}
