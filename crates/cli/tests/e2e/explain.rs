//! What a node says about its decisions is what it decides.

use overspill_wire::{
    explain::{DecisionName, DecisionsReply, ExplainReply, GroundName, PartName},
    paths,
};

use crate::{
    fleet::{Fleet, Node, Setup, TWO, overspill},
    http::{self, Wire, request},
    stage::{LONG, Stage, content, wait_for},
    tools::run_within,
};

const SIZE_BYTES: usize = 256 << 10;

fn fleet(server: &[&str]) -> Fleet {
    let stage = Stage::new();
    stage.write("a b.bin", &content(1, SIZE_BYTES));
    stage.write("small", &content(2, 1000));
    stage.write("dir/file", b"x");
    let mirrors = TWO;
    Fleet::ready(stage, Setup { server, mirrors })
}

fn explain(node: &Node, target: &str) -> ExplainReply {
    let reply = node.get(&format!("{}{target}", paths::EXPLAIN));
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 200, "{target}: {text}");
    serde_json::from_str(&text).expect("an explanation")
}

fn decisions(node: &Node, query: &str) -> DecisionsReply {
    let reply = node.get(&format!("{}{query}", paths::DECISIONS));
    assert_eq!(reply.status, 200, "{}", reply.head);
    serde_json::from_slice(&reply.body).expect("decisions")
}

/// Round robin has a turn, marginal cost an opinion; neither is moved by being asked.
#[test]
fn an_explanation_agrees_with_the_next_decision() {
    for policy in ["marginal-cost", "round-robin"] {
        let fleet = fleet(&["--policy", policy, "--capacity", "100MiB/s"]);
        for _ in 0..8 {
            let foreseen = explain(&fleet.server, "/a%20b.bin");
            let counted = fleet.server.status().decisions.unwrap();
            assert_eq!(foreseen.candidates.len(), 3, "{foreseen:?}");
            assert_eq!(foreseen.policy, policy);
            explain(&fleet.server, "/a%20b.bin");
            assert_eq!(
                fleet.server.status().decisions.unwrap(),
                counted,
                "asking counts for nothing"
            );
            let reply = fleet.server.get("/a%20b.bin");
            let member = reply.field("overspill-member").unwrap_or("server");
            let last = &decisions(&fleet.server, "?limit=1").decisions[0];
            assert_eq!(last.choice.as_deref(), Some(member));
            assert_eq!(last.candidates, 3);
            if policy == "round-robin" {
                assert_eq!(foreseen.choice.as_deref(), Some(member));
            } else {
                // The figures go on between two requests, and near equals are left to chance.
                let cost = |name: &str| {
                    let mut all = foreseen.candidates.iter();
                    all.find(|one| one.node == name).unwrap().cost.total_s
                };
                let least = foreseen.candidates[0].cost.total_s;
                assert!(cost(member) <= least * 2.0, "{member}: {foreseen:?}");
            }
        }
    }
}

#[test]
fn costs_are_laid_open_and_add_up() {
    let fleet = fleet(&["--capacity", "1MiB/s"]);
    let told = explain(&fleet.server, "/a%20b.bin?from=198.51.100.7");
    assert_eq!(told.client.to_string(), "198.51.100.7");
    assert_eq!((told.path.as_str(), told.bytes), ("/a%20b.bin", 256 << 10));
    assert_eq!(told.ground, GroundName::Cost);
    let costs: Vec<f64> = told.candidates.iter().map(|c| c.cost.total_s).collect();
    assert!(costs.is_sorted(), "cheapest first: {costs:?}");
    for candidate in &told.candidates {
        let cost = candidate.cost;
        let work_s = (cost.send_s + cost.share_s).max(cost.client_s);
        let total_s = (cost.net_s + work_s * cost.penalty) * cost.bias;
        assert!((total_s - cost.total_s).abs() < 1e-9, "{candidate:?}");
    }
    let slow = told.candidates.last().unwrap();
    assert_eq!(slow.node, "server", "{told:?}");
    assert!((slow.cost.send_s - 0.25).abs() < 1e-3, "{slow:?}");
    let small = explain(&fleet.server, "/small");
    assert_eq!(small.ground, GroundName::TooSmall);
    assert_eq!(small.choice.as_deref(), Some("server"));
    // Whoever is not told is the one who asks.
    assert_eq!(small.client.to_string(), "127.0.0.1");
}

#[test]
fn what_cannot_be_explained_is_said_clearly() {
    let fleet = fleet(&[]);
    for (target, status, text) in [
        ("/absent", 404, "there is no such file"),
        ("/small/", 404, "there is no such file"),
        ("/dir", 400, "this is a folder"),
        ("/", 400, "this is a folder"),
        ("/a%2", 400, "%"),
        ("/small?from=nowhere", 400, "\"nowhere\" is no IP address"),
    ] {
        let reply = fleet.server.get(&format!("{}{target}", paths::EXPLAIN));
        let said = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, status, "{target}: {said}");
        assert!(said.contains(text), "{target}: {said}");
    }
    let reply = fleet.server.get(&format!("{}?limit=x", paths::DECISIONS));
    assert_eq!(reply.status, 400);
}

/// A file that is written without a pause has no root.
#[test]
fn a_file_without_a_root_is_the_servers_alone() {
    let fleet = fleet(&[]);
    let mut written = 0;
    wait_for("a file that is there and not hashed", LONG, || {
        written += 1;
        fleet.stage.write("hot", &content(written, SIZE_BYTES));
        let reply = fleet.server.get(&format!("{}/hot", paths::EXPLAIN));
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        reply.status == 409 && said == "it is served by the server alone until it is hashed\n"
    });
}

#[test]
fn decisions_are_told_newest_first_and_of_clients_only_the_network() {
    let fleet = fleet(&[]);
    assert!(decisions(&fleet.server, "").decisions.is_empty());
    let source = "127.7.7.7".parse().unwrap();
    let mut wire = Wire::open_from(source, fleet.server.address).unwrap();
    wire.send(request("GET", fleet.server.address, "/a%20b.bin", ""));
    wire.reply();
    let range = "Range: bytes=100000-\r\n";
    http::get(fleet.server.address, "/a%20b.bin", range);
    let told = decisions(&fleet.server, "").decisions;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!([told[0].number, told[1].number], [2, 1]);
    assert_eq!(
        [told[0].part, told[1].part],
        [PartName::Rest, PartName::Whole]
    );
    assert_eq!(told[0].bytes, SIZE_BYTES as u64 - 100_000);
    assert_eq!(told[0].client, "127.0.0.0/24");
    assert_eq!(told[1].client, "127.7.7.0/24");
    assert!(told.iter().all(|one| one.decision != DecisionName::Reject));
    assert_eq!(decisions(&fleet.server, "?limit=1").decisions.len(), 1);
}

#[test]
fn the_commands_show_it() {
    let fleet = fleet(&["--capacity", "1MiB/s"]);
    let url = format!("{}/a b.bin", fleet.server.url);
    let run = |line: &[&str]| {
        let output = run_within(LONG, &mut overspill(line));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code(), text)
    };
    let name = fleet.mirrors[0].status().node.name;
    let (code, text) = run(&["explain", &url]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("policy marginal-cost"), "{text}");
    assert!(text.contains(&name) && text.contains("\n*  "), "{text}");
    let (_, text) = run(&["explain", "--json", "--from", "192.0.2.9", &url]);
    let told: ExplainReply = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told.client.to_string(), "192.0.2.9");
    fleet.server.get("/a%20b.bin");
    let (code, text) = run(&["decisions", &fleet.server.url]);
    assert_eq!((code, text.lines().count()), (Some(0), 2), "{text}");
    let (code, text) = run(&["explain", &format!("{}/absent", fleet.server.url)]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("there is no such file"), "{text}");
}
