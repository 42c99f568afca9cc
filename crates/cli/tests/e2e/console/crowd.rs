//! Members that are not there: each joins, keeps its stream and reports, as a mirror does, and holds
//! nothing. One thread is all of them.
//!
//! Their URL is the server's own, so that whoever looks for what they hold finds it. Some of them are
//! behind, draining, or fall silent after a while, as in any large fleet.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::Revision,
    fleet::{Condition, Report},
    load::Pressure,
    secret::{FleetToken, Key},
    units::Rate,
};
use overspill_wire::{
    PROTOCOL,
    auth::{AUTH_FIELD, Proof, SessionId},
    fleet::{
        HelloReply, HelloRequest, JoinReply, JoinRequest, ReachName, ReportMessage, SchemeName,
        session_key,
    },
    paths,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    fleet::Node,
    http::{Wire, request},
};

/// The members; they leave with the test.
pub(super) struct Crowd {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One member.
struct Extra {
    number: u64,
    key: Key,
    session: SessionId,
    seq: u64,
    reports: u64,
    sent_bytes: u64,
    stream: Option<TcpStream>,
}

const ZONES: [&str; 8] = ["de", "fr", "nl", "us", "br", "jp", "in", "za"];
/// How often all of them report.
const EVERY: Duration = Duration::from_secs(1);
/// Reports after which some fall silent.
const LAST_REPORT: u64 = 3;
/// Reports that are on their way at once.
const PIPELINED: usize = 25;

impl Crowd {
    /// Lets so many members join.
    pub(super) fn join(server: &Node, size: u64) -> Self {
        let token: FleetToken = server.token().parse().expect("a token");
        let (address, revision) = (server.address, server.status().catalog.revision);
        let mut extras: Vec<Extra> = (0..size)
            .map(|number| Extra::join(address, &server.url, &token, number))
            .collect();
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let mut wire = Wire::open(address).expect("a server");
            while !is_done.load(Relaxed) {
                let due = Instant::now() + EVERY;
                report_all(&mut extras, &mut wire, address, Revision(revision));
                thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
        });
        Self {
            done,
            thread: Some(thread),
        }
    }
}

/// One report of each, all in one go: two hundred answers in a row would take longer than a second.
fn report_all(extras: &mut [Extra], wire: &mut Wire, address: SocketAddr, revision: Revision) {
    let reports = extras
        .iter_mut()
        .filter_map(|extra| extra.report(address, revision));
    let reports: Vec<Vec<u8>> = reports.collect();
    for some in reports.chunks(PIPELINED) {
        wire.send(some.concat());
        for _ in some {
            let reply = wire.reply();
            let said = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, 204, "{said}");
        }
    }
    extras.iter_mut().for_each(Extra::drain);
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only fails where the server was gone before it.
            let _ = thread.join();
        }
    }
}

impl Extra {
    fn join(address: SocketAddr, url: &str, token: &FleetToken, number: u64) -> Self {
        let member = format!("m-{:08x}", number.wrapping_mul(0x9e37_79b1) & 0xffff_ffff);
        let nonce = format!("{number:064x}");
        let hello: HelloReply = post(
            address,
            paths::HELLO,
            &HelloRequest {
                protocol: PROTOCOL,
                member: member.clone(),
                nonce: nonce.clone(),
            },
        );
        let mut join = JoinRequest {
            nonce: hello.nonce.clone(),
            member,
            url: url.to_owned(),
            port: address.port(),
            scheme: SchemeName::Http,
            epoch: 1,
            version: if number % 9 == 4 { "0.0.9" } else { "0.1.0" }.to_owned(),
            zone: ZONES[number as usize % ZONES.len()].to_owned(),
            reach: ReachName::Public,
            proof: String::new(),
        };
        join.proof = join.proof(token, &nonce).to_string();
        let joined: JoinReply = post(address, paths::JOIN, &join);
        let mut extra = Self {
            number,
            key: session_key(token, &nonce, &hello.nonce),
            session: joined.session.parse().expect("a session"),
            seq: 0,
            reports: 0,
            sent_bytes: 0,
            stream: None,
        };
        extra.stream = Some(extra.listen(address).expect("an event stream"));
        extra
    }

    /// A field that proves who asks.
    fn proof(&mut self, method: &str, path: &str, body: &[u8]) -> String {
        self.seq += 1;
        let proof = Proof::sign(&self.key, self.session, self.seq, method, path, body);
        format!("{AUTH_FIELD}: {proof}\r\n")
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let proof = self.proof("GET", paths::EVENTS, b"");
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(request("GET", address, paths::EVENTS, &proof).as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// Takes what the server has said, so that it need not wait.
    fn drain(&mut self) {
        let mut buffer = [0; 64 << 10];
        if let Some(stream) = &mut self.stream {
            while matches!(stream.read(&mut buffer), Ok(1..)) {}
        }
    }

    /// The request that reports; `None` of one that has fallen silent.
    fn report(&mut self, address: SocketAddr, revision: Revision) -> Option<Vec<u8>> {
        if self.number % 67 == 5 && self.reports >= LAST_REPORT {
            self.stream = None;
            return None;
        }
        self.reports += 1;
        let report = self.load(revision);
        let body = serde_json::to_vec(&ReportMessage::from(&report)).expect("a message");
        let proof = self.proof("POST", paths::REPORT, &body);
        let (path, bytes) = (paths::REPORT, body.len());
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {bytes}");
        let head = format!("{head}\r\n{proof}\r\n");
        Some([head.into_bytes(), body].concat())
    }

    /// What it says of itself: a load of its own, up and down within a minute.
    fn load(&mut self, revision: Revision) -> Report {
        let capacity = Rate::from_bytes_per_s([125e6, 60e6, 250e6][self.number as usize % 3]);
        let phase = (self.number * 37 % 100) as f64 / 16.0 + self.reports as f64 / 10.0;
        let used = (0.45 + 0.4 * phase.sin() + (self.number % 7) as f64 / 30.0).clamp(0.0, 1.0);
        let egress = capacity.bytes_per_s() * used;
        self.sent_bytes += egress as u64;
        let mut report = Report::idle(1, self.reports, capacity);
        report
            .load
            .extend((0..(used * 40.0) as u64).map(|flow| (flow + 1) << 20));
        report.egress_bytes_per_s = egress;
        report.pressure = Pressure::new(used, used * 0.7, used * 0.1);
        report.bytes_served = self.sent_bytes;
        report.flows_served = self.sent_bytes >> 22;
        report.complete = revision;
        report.catalog = revision;
        if self.number % 25 == 7 {
            report.complete = Revision(revision.0 / 2);
            report.missing_objects = 1 + self.number % 5;
            report.missing_bytes = (25 << 20) / (1 + self.reports / 4);
        }
        if self.number % 50 == 13 {
            report.condition = Condition::Draining;
        }
        report
    }
}

/// Asks the server for what every stranger may.
fn post<T: DeserializeOwned>(address: SocketAddr, path: &str, message: &impl Serialize) -> T {
    let body = serde_json::to_vec(message).expect("a message");
    let mut wire = Wire::open(address).expect("a server");
    let fields = format!("Content-Length: {}\r\n", body.len());
    wire.send(request("POST", address, path, &fields));
    wire.send(&body);
    let reply = wire.reply();
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    serde_json::from_slice(&reply.body).expect("an answer")
}
