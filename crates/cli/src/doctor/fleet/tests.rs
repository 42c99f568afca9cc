//! Each verdict over a made-up fleet.

use overspill_wire::status::{CatalogStatus, NodeStatus};

use super::{
    super::finding::{
        Verdict::{self, Fail, Warn},
        json, lines,
    },
    *,
};

const NOW_S: u64 = 1_780_000_000;

fn member(name: &str) -> MemberStatus {
    MemberStatus {
        name: name.to_owned(),
        url: "http://192.0.2.2:8080".to_owned(),
        state: "ready".to_owned(),
        version: "0.1.0".to_owned(),
        capacity_bytes_per_s: 1,
        ..MemberStatus::default()
    }
}

fn fleet() -> FleetStatus {
    FleetStatus {
        node: NodeStatus {
            role: "server".to_owned(),
            name: "server".to_owned(),
            version: "0.1.0".to_owned(),
            uptime_s: 1,
            flows: 0,
            egress_bytes_per_s: 0,
            capacity_bytes_per_s: 1,
            flows_served: 0,
            bytes_served: 0,
            server: None,
            zone: None,
        },
        instance: "1".to_owned(),
        catalog: CatalogStatus::default(),
        policy: None,
        decisions: None,
        members: vec![member("oslo")],
        told: Vec::new(),
        problems: Vec::new(),
    }
}

fn shown(days: i64) -> Option<Result<ShownCertificate, String>> {
    Some(Ok(ShownCertificate {
        names: vec!["h".to_owned()],
        not_after_unix_s: NOW_S as i64 + days * DAY_S,
    }))
}

/// A fleet that nothing is wrong with.
fn healthy() -> Heard {
    let took = Duration::from_millis(2);
    Heard {
        url: "http://h:80".to_owned(),
        host: "h".to_owned(),
        addresses: Ok(vec![[192, 0, 2, 1].into()]),
        connections: vec![([192, 0, 2, 1].into(), Ok(took))],
        certificate: shown(90),
        now: UNIX_EPOCH + Duration::from_secs(NOW_S),
        ahead_s: Some(0.0),
        health: Ok(200),
        ready: Ok(200),
        fleet: Ok(fleet()),
        sample: Some(Sample {
            path: "/a.iso".to_owned(),
            root: "ab".repeat(32),
            bytes: 4 << 20,
        }),
        answers: vec![Some(Ok(took))],
        download: Some(Ok(Download {
            bytes: 4 << 20,
            took: Duration::from_secs(2),
            member: Some("oslo".to_owned()),
        })),
    }
}

/// The verdict and the whole line of one check.
fn judged(heard: &Heard, check: &str) -> (Verdict, String) {
    let found = judge(heard).into_iter().find(|one| one.check == check);
    let found = found.unwrap_or_else(|| panic!("no finding of {check}"));
    let remedy = found.remedy.unwrap_or_default();
    (found.verdict, format!("{}; {remedy}", found.text))
}

#[test]
fn of_a_healthy_fleet_each_line_says_ok() {
    let expected = "\
ok    name              h is 192.0.2.1
ok    connect-ipv4      192.0.2.1 answers in 2.0 ms
ok    certificate       that of h is good for 90 days
ok    health            it says yes
ok    ready             it says yes
ok    clock             the node's clock agrees with this one
ok    versions          all run 0.1.0
ok    problems          the node knows of none
ok    download          4.0 MiB of /a.iso came from oslo, 2.0 MiB/s
ok    member            oslo is ready
ok    lag               oslo has everything
ok    reach             oslo sends the right bytes, in 2.0 ms
";
    assert_eq!(lines(&judge(&healthy())), expected);
}

/// What is changed on a healthy fleet, which check finds it, how grave it is, and what is said.
type Row = (fn(&mut Heard), &'static str, Verdict, &'static str);

fn assert_found(rows: &[Row]) {
    for (change, check, verdict, words) in rows {
        let mut heard = healthy();
        change(&mut heard);
        let (found, text) = judged(&heard, check);
        assert_eq!(found, *verdict, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

fn broken<T>(error: &str) -> Result<T, String> {
    Err(error.to_owned())
}

fn is_unknown(heard: &mut Heard) {
    heard.addresses = broken("unknown");
    heard.health = broken("unknown");
}

fn refuses(heard: &mut Heard) {
    heard.connections[0].1 = broken("refused");
    heard.health = broken("refused");
}

fn fleet_of(heard: &mut Heard) -> &mut FleetStatus {
    heard.fleet.as_mut().expect("a healthy fleet")
}

fn member_of(heard: &mut Heard) -> &mut MemberStatus {
    &mut fleet_of(heard).members[0]
}

#[test]
fn what_is_wrong_on_the_way_there_has_its_verdict_and_its_remedy() {
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    assert_found(&[
        (is_unknown, "name", Fail, "getent ahosts h"),
        (
            |h| h.connections.push((V6, broken("no way"))),
            "connect-ipv6",
            Warn,
            "DNS",
        ),
        (refuses, "connect-ipv4", Fail, "listens"),
        (
            |h| h.certificate = shown(21),
            "certificate",
            Verdict::Ok,
            "21 days",
        ),
        (
            |h| h.certificate = shown(20),
            "certificate",
            Warn,
            "in 20 days; renew",
        ),
        (
            |h| h.certificate = shown(-3),
            "certificate",
            Fail,
            "expired 3 days ago; renew",
        ),
        (
            |h| h.certificate = Some(broken("closed")),
            "certificate",
            Fail,
            "https",
        ),
        (
            |h| h.ahead_s = Some(-3600.0),
            "clock",
            Fail,
            "3600 s behind of this one; have",
        ),
        (|h| h.ahead_s = Some(10.0), "clock", Warn, "10 s ahead"),
        (|h| h.ready = Ok(503), "ready", Warn, "wait"),
        (|h| h.health = Ok(404), "health", Fail, "Overspill node"),
        (
            |h| h.health = broken("silent"),
            "health",
            Fail,
            "check that the node runs",
        ),
        (
            |h| h.fleet = broken("no JSON"),
            "fleet",
            Fail,
            "Overspill node",
        ),
    ]);
}

#[test]
fn what_only_a_proxy_reaches_is_not_wrong() {
    let mut heard = healthy();
    heard.addresses = broken("unknown");
    heard.connections[0].1 = broken("no way");
    for check in ["name", "connect-ipv4"] {
        let (found, text) = judged(&heard, check);
        assert_eq!(found, Verdict::Ok, "{text}");
        assert!(text.contains("proxy"), "{text}");
    }
}

#[test]
fn what_is_wrong_in_the_fleet_has_its_verdict_and_its_remedy() {
    assert_found(&[
        (
            |h| member_of(h).version = "0.2.0".into(),
            "versions",
            Warn,
            "oslo 0.2.0",
        ),
        (
            |h| fleet_of(h).problems.push("disk full".into()),
            "problems",
            Warn,
            "disk full",
        ),
        (
            |h| member_of(h).state = "down".into(),
            "member",
            Fail,
            "remove oslo --server http://h:80",
        ),
        (
            |h| member_of(h).state = "draining".into(),
            "member",
            Warn,
            "undrain oslo --server http://h:80",
        ),
        (
            |h| member_of(h).condition = Some("full".into()),
            "member",
            Warn,
            "ready, full",
        ),
        (
            |h| member_of(h).missing_bytes = 2048,
            "lag",
            Warn,
            "2.0 KiB to fetch",
        ),
        (
            |h| h.answers[0] = Some(broken("refused")),
            "reach",
            Fail,
            "--public-url",
        ),
        (
            |h| h.download = Some(broken("cut")),
            "download",
            Fail,
            "explain http://h:80/a.iso",
        ),
        (|h| h.sample = None, "download", Verdict::Ok, "no file"),
    ]);
}

#[test]
fn json_has_the_worst_verdict_and_every_finding() {
    let mut heard = healthy();
    member_of(&mut heard).state = "down".into();
    let text = json(&judge(&heard)).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["verdict"], "fail");
    let findings = parsed["findings"].as_array().unwrap();
    assert_eq!(findings.len(), judge(&heard).len());
    let member = findings
        .iter()
        .find(|one| one["check"] == "member")
        .unwrap();
    assert_eq!(member["verdict"], "fail");
    assert_eq!(member["text"], "oslo is down");
    assert!(findings[0].get("remedy").is_none());
}
