//! Work is shared as the capacities are.

use std::{sync::Barrier, thread};

use crate::{
    fleet::{Fleet, Setup, TWO, say},
    http::{Reply, Wire, request, split},
    stage::{Stage, content},
};

/// Far more than the sockets on the way hold, so no flow ends before all have begun.
const SIZE_BYTES: usize = 24 << 20;
const DOWNLOADS: usize = 20;
/// Server and mirrors.
const RATES: [&str; 3] = ["400MiB/s", "200MiB/s", "100MiB/s"];
const PARTS: [f64; 3] = [4.0, 2.0, 1.0];
/// How far a share may be from what the capacities say: a quarter of it.
const TOLERANCE: f64 = 0.25;

/// A download that has begun: the connection, its head, and which node sends it.
struct Begun {
    wire: Wire,
    head: Reply,
    node: usize,
}

fn begin(fleet: &Fleet) -> Begun {
    let mut address = fleet.server.address;
    let mut target = "/file".to_owned();
    loop {
        let mut wire = Wire::open(address).unwrap();
        wire.send(request("GET", address, &target, ""));
        let head = wire.head().unwrap();
        if let Some(location) = head.field("location") {
            (address, target) = split(location);
            continue;
        }
        assert_eq!(head.status, 200, "{}", head.head);
        let node = fleet.nodes().position(|node| node.address == address);
        let node = node.expect("a node of the fleet");
        return Begun { wire, head, node };
    }
}

#[test]
fn parallel_downloads_follow_the_capacities() {
    let stage = Stage::alone();
    let bytes = content(6, SIZE_BYTES);
    stage.write("file", &bytes);
    let setup = Setup {
        server: &["--capacity", RATES[0]],
        mirrors: &[&["--capacity", RATES[1]], &["--capacity", RATES[2]]],
    };
    let fleet = Fleet::ready(stage, setup);
    let all_begun = Barrier::new(DOWNLOADS);
    let nodes: Vec<usize> = thread::scope(|scope| {
        let download = || {
            let begun = begin(&fleet);
            all_begun.wait();
            finish(begun, &bytes)
        };
        let downloads: Vec<_> = (0..DOWNLOADS).map(|_| scope.spawn(download)).collect();
        downloads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let shares = [0, 1, 2].map(|at| nodes.iter().filter(|node| **node == at).count());
    say(format_args!(
        "{DOWNLOADS} downloads at 4:2:1 went {shares:?}"
    ));
    for (share, part) in shares.into_iter().zip(PARTS) {
        let ideal = DOWNLOADS as f64 * part / PARTS.iter().sum::<f64>();
        // A flow cannot be split: what is nearest to the ideal is always right.
        let tolerance = (ideal * TOLERANCE).max(0.5);
        assert!(
            (share as f64 - ideal).abs() <= tolerance,
            "{shares:?}, ideal {ideal:.1}"
        );
    }
}

/// Reads the rest; the node that sent it.
fn finish(mut begun: Begun, bytes: &[u8]) -> usize {
    let body = begun.wire.body(begun.head.length());
    assert!(
        body == bytes,
        "{} bytes from node {}",
        body.len(),
        begun.node
    );
    begun.node
}

/// The rules that look at nothing are exact: who gets request after request, 0 being the server.
#[test]
fn simple_policies_take_turns() {
    for (policy, turns) in [
        ("round-robin", [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]),
        ("alternate", [0, 0, 0, 0, 1, 2, 1, 2, 0, 1, 0, 2]),
    ] {
        let stage = Stage::new();
        stage.write("file", &content(7, 100_000));
        stage.write("small", &content(8, 10_000));
        let server: &[&str] = &["--policy", policy];
        let fleet = Fleet::ready(
            stage,
            Setup {
                server,
                mirrors: TWO,
            },
        );
        let members = fleet.server.status().members;
        let slot = |at: usize| {
            1 + members
                .iter()
                .position(|m| m.url == fleet.mirrors[at].url)
                .unwrap()
        };
        let slots = [0, slot(0), slot(1)];
        let took: Vec<_> = turns.iter().map(|_| slots[begin(&fleet).node]).collect();
        assert_eq!(took, turns, "{policy}");
        // What is not worth a redirect takes no turn.
        assert_eq!(fleet.server.get("/small").status, 200);
        let decisions = fleet.server.status().decisions.unwrap();
        assert_eq!(
            decisions.serve + decisions.redirect,
            turns.len() as u64,
            "{policy}"
        );
    }
}
