//! Both dialects, letter by letter, and who gets which.

use super::*;
use crate::metrics::Unit;

const SENT: Family = Family::counter("overspill_sent_bytes", Unit::Bytes, "Bytes that went out");
const FLOWS: Family = Family::gauge("overspill_flows", Unit::None, "Bodies being sent");
const BUILD: Family = Family::info("overspill_build", "The version");
const WAIT: Family = Family::histogram("overspill_wait_seconds", Unit::Seconds, "Waiting");

fn written(format: Format) -> String {
    let mut sheet = Sheet::new(format);
    sheet
        .family(SENT)
        .add(&[("outcome", "complete")], u64::MAX)
        .add(&[("outcome", "a\"b\\c\nd"), ("member", "m")], 0_u64);
    sheet.one(FLOWS, 0.25);
    sheet.family(BUILD).add(&[("version", "1")], true);
    sheet.family(WAIT).distribution(&Distribution {
        buckets: vec![(0.000_064, 1), (1.0, 2), (f64::INFINITY, 3)],
        sum: 2.5,
    });
    sheet.finish()
}

#[test]
fn open_metrics_names_families_without_suffix_and_says_units_and_the_end() {
    let expected = r#"# TYPE overspill_sent_bytes counter
# UNIT overspill_sent_bytes bytes
# HELP overspill_sent_bytes Bytes that went out
overspill_sent_bytes_total{outcome="complete"} 18446744073709551615
overspill_sent_bytes_total{outcome="a\"b\\c\nd",member="m"} 0
# TYPE overspill_flows gauge
# HELP overspill_flows Bodies being sent
overspill_flows 0.25
# TYPE overspill_build info
# HELP overspill_build The version
overspill_build_info{version="1"} 1
# TYPE overspill_wait_seconds histogram
# UNIT overspill_wait_seconds seconds
# HELP overspill_wait_seconds Waiting
overspill_wait_seconds_bucket{le="0.000064"} 1
overspill_wait_seconds_bucket{le="1.0"} 2
overspill_wait_seconds_bucket{le="+Inf"} 3
overspill_wait_seconds_sum 2.5
overspill_wait_seconds_count 3
# EOF
"#;
    assert_eq!(written(Format::OpenMetrics), expected);
}

#[test]
fn the_older_text_names_samples_and_knows_neither_units_nor_infos() {
    let text = written(Format::Prometheus);
    let mut comments = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(
        comments.next(),
        Some("# TYPE overspill_sent_bytes_total counter")
    );
    assert_eq!(comments.next(), Some("# TYPE overspill_flows gauge"));
    assert_eq!(comments.next(), Some("# TYPE overspill_build_info gauge"));
    assert!(
        !text.contains("# UNIT") && !text.contains("# EOF"),
        "{text}"
    );
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(&text), samples(&written(Format::OpenMetrics)));
}

#[test]
fn the_newer_form_goes_to_those_who_name_it() {
    for (accept, format) in [
        (&[][..], Format::Prometheus),
        (&["*/*"], Format::Prometheus),
        (&["text/plain;version=0.0.4"], Format::Prometheus),
        (&["application/openmetrics-text"], Format::OpenMetrics),
        (
            &[
                "text/html",
                "text/plain;q=0.5, Application/OpenMetrics-Text;version=1.0.0",
            ],
            Format::OpenMetrics,
        ),
    ] {
        let lines: Vec<_> = accept
            .iter()
            .map(|line| HeaderValue::from_static(line))
            .collect();
        assert_eq!(Format::accepted(&lines), format, "{accept:?}");
    }
}

#[test]
#[should_panic(expected = "overspill_flows stands on the sheet already")]
fn a_family_stands_there_once() {
    let mut sheet = Sheet::new(Format::OpenMetrics);
    sheet.one(FLOWS, 1_u64);
    sheet.one(FLOWS, 2_u64);
}
