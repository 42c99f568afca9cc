//! `overspill get` of a large file: from all nodes at once, whoever dies, lies or is killed.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    disk::Disk,
    fleet::{Fleet, Setup, TWO, overspill},
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run_within},
};

const MIB: usize = 1 << 20;
const SIZE_BYTES: usize = 160 * MIB;
/// What a client may have to fetch again after it was killed.
const WINDOW_BYTES: u64 = 64 << 20;

fn fleet() -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(60, SIZE_BYTES);
    stage.write("big", &bytes);
    let fleet = Fleet::ready(
        stage,
        Setup {
            mirrors: TWO,
            ..Setup::default()
        },
    );
    (fleet, bytes)
}

/// A client that tells its events in JSON.
struct Client {
    child: Child,
    events: std::path::PathBuf,
}

impl Client {
    fn start(fleet: &Fleet, to: &Path, args: &[&str]) -> Self {
        let events = to.with_extension("events");
        let mut command = overspill(["get", "--json", "-o"]);
        command
            .arg(to)
            .args(args)
            .arg(format!("{}/big", fleet.server.url));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&events).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, events }
    }

    /// What it told so far; a line that is not yet whole does not count.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.events).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn received_bytes(&self) -> u64 {
        let events = self.events();
        let received = events
            .iter()
            .filter_map(|event| event["received_bytes"].as_u64());
        received.max().unwrap_or(0)
    }

    fn wait(&mut self) -> i32 {
        wait_for("the client to end", LONG, || {
            self.child.try_wait().unwrap().is_some()
        });
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill_process(pid.unwrap(), signal).unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last(events: &[Value], name: &str) -> Value {
    let mut named = events.iter().filter(|event| event["event"] == name);
    named.next_back().cloned().unwrap_or(Value::Null)
}

fn assert_same(path: &Path, bytes: &[u8]) {
    let got = fs::read(path).unwrap();
    assert_eq!(
        sha256(&got),
        sha256(bytes),
        "{}: {} bytes",
        path.display(),
        got.len()
    );
}

#[test]
fn a_node_that_dies_costs_nothing_but_its_share() {
    let (mut fleet, bytes) = fleet();
    let to = fleet.stage.path("got");
    let mut client = Client::start(&fleet, &to, &[]);
    wait_for("bytes", LONG, || client.received_bytes() > 0);
    fleet.mirrors[0].kill();
    assert_eq!(client.wait(), 0, "{:?}", client.events());
    assert_same(&to, &bytes);
    let finished = last(&client.events(), "finished");
    assert!(
        finished["served"].as_array().unwrap().len() >= 2,
        "{finished}"
    );
    assert!(
        finished["received_bytes"].as_u64().unwrap() <= (SIZE_BYTES + 24 * MIB) as u64,
        "{finished}"
    );
}

/// The object of the file on a mirror's disk.
fn object_of(fleet: &Fleet, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let root = blake3::hash(bytes).to_hex().to_string();
    fleet
        .stage
        .path(name)
        .join("objects")
        .join(&root[..2])
        .join(root)
}

#[test]
fn a_node_with_a_bad_disk_is_found_out() {
    let (fleet, bytes) = fleet();
    let object = object_of(&fleet, "mirror-1", &bytes);
    // One byte of each MiB, in place: whatever piece it is asked for first is wrong.
    let mut bad = bytes.clone();
    bad.iter_mut().step_by(MIB).for_each(|byte| *byte ^= 1);
    let permissions = fs::metadata(&object).unwrap().permissions();
    fs::write(&object, &bad).unwrap();
    fs::set_permissions(&object, permissions).unwrap();
    let to = fleet.stage.path("got");
    let mut client = Client::start(&fleet, &to, &[]);
    assert_eq!(client.wait(), 0, "{:?}", client.events());
    assert_same(&to, &bytes);
    let name = fleet.mirrors[0].status().node.name;
    let banned = last(&client.events(), "source_banned");
    assert_eq!(banned["source"], Value::from(name), "{:?}", client.events());
}

#[test]
fn a_killed_client_goes_on_where_it_was() {
    let (fleet, bytes) = fleet();
    let to = fleet.stage.path("got");
    let state = fleet.stage.path("got.part.json");
    let mut random = fastrand::Rng::with_seed(61);
    let mut before = 0;
    for round in 0..4u64 {
        let mut client = Client::start(&fleet, &to, &[]);
        let goal = random.u64(1..=(SIZE_BYTES as u64 - before) / 2 + 1);
        wait_for("some bytes", LONG, || {
            client.received_bytes() >= goal || client.child.try_wait().unwrap().is_some()
        });
        client.signal(Signal::KILL);
        client.child.wait().unwrap();
        let events = client.events();
        let resumed = last(&events, "started")["resumed_from_bytes"]
            .as_u64()
            .unwrap();
        assert!(resumed + WINDOW_BYTES >= before, "{resumed} of {before}");
        before = (resumed + client.received_bytes()).min(SIZE_BYTES as u64);
        match round % 3 {
            0 => fs::write(&state, [0; 512]).unwrap(),
            1 => drop(fs::remove_file(&state)),
            _ => {}
        }
        if to.exists() {
            break; // It was faster than the kill.
        }
    }
    let mut client = Client::start(&fleet, &to, &[]);
    assert_eq!(client.wait(), 0, "{:?}", client.events());
    assert_same(&to, &bytes);
    let events = client.events();
    if let Some(resumed) = last(&events, "started")["resumed_from_bytes"].as_u64() {
        assert!(resumed + WINDOW_BYTES >= before, "{resumed} of {before}");
    }
    // And once more: nothing to do.
    let mut again = Client::start(&fleet, &to, &[]);
    assert_eq!(again.wait(), 0);
    assert_eq!(
        last(&again.events(), "finished")["up_to_date"],
        Value::from(true)
    );
}

#[test]
fn an_interrupted_client_says_so_and_keeps_its_state() {
    for signal in [Signal::INT, Signal::TERM] {
        let (fleet, bytes) = fleet();
        let to = fleet.stage.path("got");
        let mut client = Client::start(&fleet, &to, &["--connections", "1"]);
        wait_for("bytes", LONG, || client.received_bytes() > 0);
        client.signal(signal);
        let code = client.wait();
        if code == 0 {
            assert_same(&to, &bytes); // It was faster than the signal.
            continue;
        }
        assert_eq!(code, 130);
        assert_eq!(last(&client.events(), "failed")["exit"], Value::from(130));
        let state = fs::read_to_string(fleet.stage.path("got.part.json")).unwrap();
        assert!(state.contains("\"bitmap\""), "{state}");
        let mut again = Client::start(&fleet, &to, &[]);
        assert_eq!(again.wait(), 0);
        assert_same(&to, &bytes);
        let resumed = last(&again.events(), "started")["resumed_from_bytes"].as_u64();
        assert!(resumed > Some(0), "{resumed:?}");
    }
}

#[test]
fn a_stream_is_in_order_and_exact() {
    let (fleet, bytes) = fleet();
    let url = format!("{}/big", fleet.server.url);
    let output = run_within(LONG, &mut overspill(["get", "-q", "-o", "-", &url]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(sha256(&output.stdout), sha256(&bytes));
}

#[test]
fn two_at_the_same_file_do_not_meet() {
    let (fleet, _) = fleet();
    let part = File::create(fleet.stage.path("got.part")).unwrap();
    part.lock().unwrap();
    let mut client = Client::start(&fleet, &fleet.stage.path("got"), &[]);
    assert_eq!(client.wait(), 6);
    assert_eq!(last(&client.events(), "failed")["exit"], Value::from(6));
}

#[test]
fn a_full_disk_is_told_before_the_first_byte() {
    let needs = [Need::Root, Need::Program("mount")];
    if !has("a_full_disk_is_told_before_the_first_byte", &needs) {
        return;
    }
    let (fleet, _) = fleet();
    let disk = Disk::mount("8m");
    let url = format!("{}/big", fleet.server.url);
    let mut get: Command = overspill(["get", "-o"]);
    let output = run_within(LONG, get.arg(disk.path().join("got")).arg(url));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    assert!(stderr.contains("make room"), "{stderr}");
}
