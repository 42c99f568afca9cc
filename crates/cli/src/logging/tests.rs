//! Both forms of a line, and what a hostile name can do to them: nothing.

use clap::Parser;
use jiff::tz::{self, TimeZone};
use serde_json::json;
use tracing::Level;

use super::*;

/// A path made to forge a line, colour it, and turn it round.
const HOSTILE: &str = "a\n{\"level\":\"error\"}\r\x1b[31m\u{9b}31m\u{202e}\u{2028}\" x=1 \\";

fn event(text: &str, fields: Vec<(&'static str, serde_json::Value)>) -> Line {
    Line {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_780_000_000_123),
        level: Level::WARN,
        event: Some("member-state".to_owned()),
        target: "overspill_node",
        text: text.to_owned(),
        fields,
    }
}

fn plain(line: &Line) -> String {
    text::line_in(line, Look::Plain, &TimeZone::UTC)
}

#[test]
fn json_is_one_flat_object() {
    let line = event(
        "it is down",
        vec![("member", json!("m-1")), ("flows", json!(3))],
    );
    let expected = "{\"at\":\"2026-05-28T20:26:40.123Z\",\"level\":\"warn\",\"event\":\
                    \"member-state\",\"text\":\"it is down\",\"member\":\"m-1\",\"flows\":3}\n";
    assert_eq!(json::line(&line), expected);

    let foreign = Line {
        event: None,
        target: "hyper",
        ..event("odd", vec![("level", json!("error"))])
    };
    let parsed: serde_json::Value = serde_json::from_str(&json::line(&foreign)).unwrap();
    assert_eq!(parsed["level"], "warn");
    assert_eq!(
        (&parsed["target"], &parsed["field_level"]),
        (&json!("hyper"), &json!("error"))
    );
}

#[test]
fn text_has_the_time_of_the_place_and_its_fields_last() {
    let line = event(
        "it is down",
        vec![("member", json!("m-1")), ("reason", json!("no report"))],
    );
    let zone = TimeZone::fixed(tz::offset(2));
    assert_eq!(
        text::line_in(&line, Look::Plain, &zone),
        "2026-05-28 22:26:40.123 WARN  member-state       it is down member=m-1 \
         reason=\"no report\"\n"
    );
    let coloured = text::line_in(&line, Look::Coloured, &zone);
    assert!(
        coloured.contains("\x1b[1m\x1b[33mWARN \x1b[0m"),
        "{coloured:?}"
    );
    assert!(!plain(&line).contains('\x1b'));
}

#[test]
fn a_hostile_name_forges_no_line_in_either_form() {
    let line = event(HOSTILE, vec![("path", json!(HOSTILE))]);
    for written in [json::line(&line), plain(&line)] {
        let (body, end) = written.split_at(written.len() - 1);
        assert_eq!(end, "\n");
        assert!(body.chars().all(json::is_harmless), "{written:?}");
    }
    let parsed: serde_json::Value = serde_json::from_str(&json::line(&line)).unwrap();
    assert_eq!(parsed["text"], HOSTILE, "and nothing is lost");
    assert_eq!(parsed["path"], HOSTILE);
    assert_eq!(parsed["level"], "warn");
    let quoted = plain(&event("odd", vec![("path", json!("a\" x=1 \\"))]));
    assert!(quoted.ends_with(" path=\"a\\\" x=1 \\\\\"\n"), "{quoted}");
}

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    log: LogArgs,
}

#[test]
fn the_form_follows_the_terminal_unless_it_is_told() {
    for (args, terminal, elsewhere) in [
        (&["x"][..], true, false),
        (&["x", "--log-format", "text"], true, true),
        (&["x", "--log-format", "json"], false, false),
    ] {
        let log = Command::try_parse_from(args).unwrap().log;
        let is_text = |is_terminal| matches!(log.form(is_terminal), Form::Text(_));
        assert_eq!(
            (is_text(true), is_text(false)),
            (terminal, elsewhere),
            "{args:?}"
        );
    }
}

#[test]
fn a_filter_is_checked_at_once() {
    for (filter, is_good) in [
        ("warn", true),
        ("info,overspill_mirror=debug", true),
        ("info,=,", false),
        ("overspill=loud", false),
    ] {
        let parsed = Command::try_parse_from(["x", "--log", filter]);
        assert_eq!(parsed.is_ok(), is_good, "{filter}: {parsed:?}");
    }
}
