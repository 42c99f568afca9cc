//! `overspill doctor`: what is well is called so, and what is wrong is found.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;

use crate::{
    fleet::{Fleet, OVERSPILL, Setup, TWO, overspill},
    stage::{LONG, Stage, content, wait_for},
    tools::run_within,
};

/// Most connections a made-up server takes.
const CONNECTIONS_MAX: usize = 16;

/// Runs it; the exit code, and the findings.
fn doctor(command: &mut Command) -> (i32, Vec<Value>) {
    let output = run_within(LONG, command.arg("--json"));
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings = report["findings"].as_array().expect("findings");
    (output.status.code().expect("an exit"), findings.clone())
}

/// The findings of one check with this verdict.
fn found<'a>(findings: &'a [Value], check: &str, verdict: &str) -> Vec<&'a str> {
    let of_check = findings
        .iter()
        .filter(|one| one["check"] == check && one["verdict"] == verdict);
    of_check.filter_map(|one| one["text"].as_str()).collect()
}

/// A server that says yes to everything, at the time it believes it is.
fn stub(date: SystemTime, tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let date = httpdate(date);
    thread::spawn(move || {
        for stream in listener.incoming().take(CONNECTIONS_MAX).flatten() {
            let (date, tls) = (date.clone(), tls.clone());
            // Whoever looks may leave at any moment.
            thread::spawn(move || answer(stream, &date, tls));
        }
    });
    address
}

fn answer(stream: TcpStream, date: &str, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_read_timeout(Some(LONG))?;
    match tls {
        None => say_yes(stream, date),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            say_yes(StreamOwned::new(connection, stream), date)
        }
    }
}

fn say_yes(mut stream: impl Read + Write, date: &str) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.extend(byte);
    }
    let fields = format!("Date: {date}\r\nContent-Length: 0\r\nConnection: close");
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes())?;
    stream.flush()
}

/// A moment as HTTP writes it.
fn httpdate(at: SystemTime) -> String {
    let seconds = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let mut command = Command::new("date");
    command.args(["-u", "-d", &format!("@{}", seconds.as_secs())]);
    command.arg("+%a, %d %b %Y %H:%M:%S GMT").env("LC_ALL", "C");
    let output = run_within(LONG, &mut command);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A certificate that was good in January of 2024.
fn expired() -> Arc<ServerConfig> {
    let names = ["127.0.0.1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("a name");
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2024, 2, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.expect("a pair"))
}

#[test]
fn a_healthy_fleet_has_nothing_wrong_and_a_dead_member_is_found() {
    let stage = Stage::new();
    stage.write("deep/er/big.bin", &content(1, 3_000_000));
    let setup = Setup {
        server: &[],
        mirrors: TWO,
    };
    let mut fleet = Fleet::ready(stage, setup);
    let command = || overspill(["doctor", &fleet.server.url]);
    let (code, findings) = doctor(&mut command());
    let wrong: Vec<_> = findings
        .iter()
        .filter(|one| one["verdict"] != "ok")
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(code, 0);
    assert_eq!(found(&findings, "reach", "ok").len(), 2, "{findings:#?}");
    assert_eq!(found(&findings, "download", "ok").len(), 1);

    let dead = fleet.mirrors[0].status().node.name;
    fleet.mirrors[0].kill();
    wait_for("a member that is down", LONG, || {
        let status = fleet.server.status();
        status.members.iter().any(|member| member.state == "down")
    });
    let (code, findings) = doctor(&mut overspill(["doctor", &fleet.server.url]));
    assert_eq!(code, 1, "{findings:#?}");
    assert_eq!(
        found(&findings, "member", "fail"),
        [format!("{dead} is down")]
    );
    assert_eq!(found(&findings, "reach", "fail").len(), 1);
    assert_eq!(
        found(&findings, "reach", "ok").len(),
        1,
        "the other is well"
    );
    assert_eq!(found(&findings, "download", "ok").len(), 1, "{findings:#?}");
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    let hour = Duration::from_secs(3600);
    let address = stub(SystemTime::now() - hour, None);
    let (code, findings) = doctor(&mut overspill(["doctor", &format!("http://{address}")]));
    assert_eq!(code, 1);
    let clock = found(&findings, "clock", "fail");
    assert_eq!(clock.len(), 1, "{findings:#?}");
    assert!(clock[0].contains("s behind of this one"), "{clock:?}");
    assert_eq!(found(&findings, "health", "ok").len(), 1);
    assert_eq!(found(&findings, "fleet", "fail").len(), 1, "it is none");
}

#[test]
fn a_certificate_that_has_expired_is_found() {
    let address = stub(SystemTime::now(), Some(expired()));
    let (code, findings) = doctor(&mut overspill(["doctor", &format!("https://{address}")]));
    assert_eq!(code, 1);
    let certificate = found(&findings, "certificate", "fail");
    assert_eq!(certificate.len(), 1, "{findings:#?}");
    assert!(certificate[0].contains("has expired"), "{certificate:?}");
    assert_eq!(found(&findings, "connect-ipv4", "ok").len(), 1);
}

#[test]
fn a_node_that_is_not_there_is_told_as_such() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let (code, findings) = doctor(&mut overspill(["doctor", &format!("http://{address}")]));
    assert_eq!(code, 1);
    assert_eq!(
        found(&findings, "connect-ipv4", "fail").len(),
        1,
        "{findings:#?}"
    );
    let wrong = Command::new(OVERSPILL)
        .args(["doctor", "nonsense"])
        .output();
    assert_eq!(wrong.expect("a command").status.code(), Some(1));
}

#[test]
fn a_low_limit_and_a_readable_token_are_found() {
    let stage = Stage::new();
    stage.write("a/b/file", b"x");
    let fleet = Fleet::ready(stage, Setup::default());
    let (state, tree) = (fleet.stage.path("state"), fleet.stage.tree());
    let mut limited = Command::new("sh");
    let script = "ulimit -n 256; exec \"$0\" doctor --folder \"$1\" --state \"$2\" --json";
    limited
        .args(["-c", script, OVERSPILL])
        .args([&tree, &state]);
    let output = run_within(LONG, &mut limited);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let findings = report["findings"].as_array().expect("findings").clone();
    assert_eq!(output.status.code(), Some(1), "{findings:#?}");
    assert_eq!(
        found(&findings, "open-files", "fail"),
        ["256 open files for a process"]
    );
    for check in ["inotify", "token", "index", "state-writable", "openat2"] {
        assert_eq!(
            found(&findings, check, "ok").len(),
            1,
            "{check}: {findings:#?}"
        );
    }
    run_within(
        LONG,
        Command::new("chmod").arg("644").arg(state.join("token")),
    );
    let (code, findings) = doctor(overspill(["doctor", "--state"]).arg(&state));
    assert_eq!((code, found(&findings, "token", "fail").len()), (1, 1));
}
