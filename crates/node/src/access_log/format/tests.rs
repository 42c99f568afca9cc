//! Tests of the lines: byte for byte, with what decent and indecent clients send.

use serde_json::Value;

use overspill_net::{AskedVersion, Outcome};

use super::{super::record::LoggedDecision, *};

/// 2026-01-31T12:00:00.001234Z.
const AT_UNIX_US: u64 = 1_769_860_800_001_234;

fn usual() -> Record<'static> {
    Record {
        at_unix_us: AT_UNIX_US,
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target: b"/pub/big.iso",
        version: AskedVersion::Http11,
        status: 206,
        planned_bytes: 1_048_576,
        sent_bytes: 65_536,
        outcome: Outcome::CutByClient,
        duration_us: 1234,
        decision: LoggedDecision::Serve,
        offset: Some(3_145_728),
        host: b"files.example:8080",
        referer: b"",
        user_agent: b"curl/8.5.0",
        tls: Some("TLSv1.3"),
    }
}

/// Everything a client can say, said badly.
fn hostile() -> Record<'static> {
    Record {
        client: "2001:db8::1".parse().unwrap(),
        method: b"GE\"T",
        target: b"/\xff\"\\\r\n\x1b?ticket=c2VjcmV0&avoid=m-1",
        version: AskedVersion::Http10,
        status: 307,
        planned_bytes: 0,
        sent_bytes: 0,
        outcome: Outcome::Complete,
        decision: LoggedDecision::Redirect { member: "m-2" },
        offset: None,
        host: b"h\" tls=\"no",
        referer: "http://ü/?ticket=c2VjcmV0".as_bytes(),
        user_agent: b"\x00\"}{\n",
        tls: None,
        ..usual()
    }
}

/// A connection that sent nothing one could call a request.
fn empty() -> Record<'static> {
    Record {
        method: b"",
        target: b"",
        status: 400,
        decision: LoggedDecision::Reject,
        offset: None,
        host: b"",
        user_agent: b"",
        tls: None,
        ..usual()
    }
}

fn line(format: AccessLogFormat, record: &Record<'_>) -> String {
    let mut line = Vec::new();
    LineFormat::new(format, "m-1").append(record, &mut line);
    String::from_utf8(line).expect("lines are UTF-8")
}

#[test]
fn json_lines_are_as_documented() {
    for (record, expected) in [
        (
            usual(),
            r#"{"time":"2026-01-31T12:00:00.001234Z","client":"192.0.2.1","method":"GET","target":"/pub/big.iso","version":"1.1","status":206,"planned_bytes":1048576,"sent_bytes":65536,"outcome":"cut-by-client","duration_us":1234,"node":"m-1","decision":"serve","offset":3145728,"host":"files.example:8080","user_agent":"curl/8.5.0","tls":"TLSv1.3"}"#,
        ),
        (
            hostile(),
            r#"{"time":"2026-01-31T12:00:00.001234Z","client":"2001:db8::1","method":"GE\"T","target":"/\u00FF\"\\\u000D\u000A\u001B?ticket=***&avoid=m-1","version":"1.0","status":307,"planned_bytes":0,"sent_bytes":0,"outcome":"complete","duration_us":1234,"node":"m-1","decision":"redirect","member":"m-2","host":"h\" tls=\"no","referer":"http://ü/?ticket=***","user_agent":"\u0000\"}{\u000A"}"#,
        ),
        (
            empty(),
            r#"{"time":"2026-01-31T12:00:00.001234Z","client":"192.0.2.1","method":"","target":"","version":"1.1","status":400,"planned_bytes":1048576,"sent_bytes":65536,"outcome":"cut-by-client","duration_us":1234,"node":"m-1","decision":"reject"}"#,
        ),
    ] {
        let line = line(AccessLogFormat::Json, &record);
        assert_eq!(line, format!("{expected}\n"));
        let value: Value = serde_json::from_str(&line).expect("each line parses");
        assert_eq!(value["status"], record.status);
    }
}

#[test]
fn combined_lines_are_as_documented() {
    for (record, expected) in [
        (
            usual(),
            r#"192.0.2.1 - - [31/Jan/2026:12:00:00 +0000] "GET /pub/big.iso HTTP/1.1" 206 65536 "-" "curl/8.5.0" planned_bytes=1048576 outcome=cut-by-client duration_us=1234 node=m-1 decision=serve offset=3145728 host="files.example:8080" tls="TLSv1.3""#,
        ),
        (
            hostile(),
            r#"2001:db8::1 - - [31/Jan/2026:12:00:00 +0000] "GE\x22T /\xFF\x22\x5C\x0D\x0A\x1B?ticket=***&avoid=m-1 HTTP/1.0" 307 0 "http://\xC3\xBC/?ticket=***" "\x00\x22}{\x0A" planned_bytes=0 outcome=complete duration_us=1234 node=m-1 decision=redirect member="m-2" host="h\x22 tls=\x22no""#,
        ),
        (
            empty(),
            r#"192.0.2.1 - - [31/Jan/2026:12:00:00 +0000] "-" 400 65536 "-" "-" planned_bytes=1048576 outcome=cut-by-client duration_us=1234 node=m-1 decision=reject"#,
        ),
    ] {
        assert_eq!(
            line(AccessLogFormat::Combined, &record),
            format!("{expected}\n")
        );
    }
}

#[test]
fn lost_lines_are_told_of_in_the_form_of_the_log() {
    for (format, expected) in [
        (
            AccessLogFormat::Json,
            r#"{"time":"2026-01-31T12:00:00.001234Z","dropped_lines":17,"node":"m-1"}"#,
        ),
        (
            AccessLogFormat::Combined,
            r#"- - - [31/Jan/2026:12:00:00 +0000] "-" 000 0 "-" "-" dropped_lines=17 node=m-1"#,
        ),
    ] {
        let mut line = Vec::new();
        LineFormat::new(format, "m-1").append_dropped(AT_UNIX_US, 17, &mut line);
        assert_eq!(line, format!("{expected}\n").into_bytes());
    }
}

#[test]
fn time_goes_on_and_may_go_back() {
    let mut format = LineFormat::new(AccessLogFormat::Json, "m-1");
    for (at_unix_us, time) in [
        (AT_UNIX_US, "2026-01-31T12:00:00.001234Z"),
        (AT_UNIX_US + 999_999_999, "2026-01-31T12:16:40.001233Z"),
        (AT_UNIX_US - 1_235, "2026-01-31T11:59:59.999999Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
    ] {
        let mut line = Vec::new();
        let record = Record {
            at_unix_us,
            ..usual()
        };
        format.append(&record, &mut line);
        let value: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["time"], time);
    }
}

#[test]
fn words_of_outcomes_and_decisions_are_distinct() {
    let outcomes = [
        Outcome::Complete,
        Outcome::CutByClient,
        Outcome::CutFileChanged,
        Outcome::CutFileUnreadable,
        Outcome::CutIdle,
        Outcome::CutNobodyLeft,
        Outcome::CutTooSlow,
    ]
    .map(Outcome::word);
    let member = "m";
    let decisions = [
        LoggedDecision::Redirect { member },
        LoggedDecision::Relay { member },
        LoggedDecision::Reject,
        LoggedDecision::SendBack { member },
        LoggedDecision::Serve,
    ]
    .map(LoggedDecision::word);
    let mut words = [&outcomes[..], &decisions].concat();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 12);
}

#[test]
fn formats_are_named_on_the_command_line() {
    for format in [AccessLogFormat::Combined, AccessLogFormat::Json] {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert_eq!(
        "xml".parse::<AccessLogFormat>().unwrap_err().to_string(),
        "\"xml\" is not a format of the access log; write json or combined"
    );
}
