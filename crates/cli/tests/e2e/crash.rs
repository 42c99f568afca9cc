//! `kill -9` of a mirror under load: nobody's download is lost, nobody is sent to the dead.

use std::{fs, path::Path, process::Command, thread};

use crate::{
    fleet::{Fleet, Setup, overspill, say},
    http,
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run_within},
};

const SIZE_BYTES: usize = 6 << 20;
const DOWNLOADS: usize = 8;

fn state_of(fleet: &Fleet, name: &str) -> String {
    let members = fleet.server.status().members;
    let member = members.into_iter().find(|member| member.name == name);
    member.map_or_else(String::new, |member| member.state)
}

/// A loop as people write it: curl again and again until it says that all is there.
fn curl_until_done(url: &str, to: &Path) {
    for _ in 0..10 {
        let mut curl = Command::new("curl");
        curl.args([
            "-q",
            "-sSfL",
            "--retry",
            "5",
            "--retry-all-errors",
            "--retry-delay",
            "1",
        ]);
        curl.args(["--limit-rate", "3M", "-C", "-", "-o"])
            .arg(to)
            .arg(url);
        if run_within(LONG, &mut curl).status.success() {
            return;
        }
    }
    panic!("curl never came to an end with {}", to.display());
}

fn get(url: &str, to: &Path) {
    let output = run_within(LONG, overspill(["get", "-o"]).arg(to).arg(url));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{url}: {stderr}");
}

#[test]
fn downloads_survive_the_death_of_their_mirror() {
    if !has(
        "downloads_survive_the_death_of_their_mirror",
        &[Need::Program("curl")],
    ) {
        return;
    }
    let stage = Stage::new();
    let bytes = content(4, SIZE_BYTES);
    stage.write("file", &bytes);
    let server: &[&str] = &["--policy", "round-robin"];
    let mut fleet = Fleet::ready(
        stage,
        Setup {
            server,
            mirrors: &[&[], &[]],
        },
    );
    let name = fleet.mirrors[0].status().node.name;
    let url = format!("{}/file", fleet.server.url);
    let to = |at: usize| fleet.stage.path(format!("got-{at}"));
    let paths: Vec<_> = (0..2 * DOWNLOADS).map(to).collect();
    thread::scope(|scope| {
        for (at, to) in paths.iter().enumerate() {
            let download = if at < DOWNLOADS { curl_until_done } else { get };
            let url = &url;
            scope.spawn(move || download(url, to));
        }
        wait_for("flows on the mirror that is to die", LONG, || {
            fleet.mirrors[0].status().node.flows >= 2
        });
        fleet.mirrors[0].kill();
        let noticed = wait_for("the server to notice", LONG, || {
            matches!(state_of(&fleet, &name).as_str(), "suspect" | "down")
        });
        say(format_args!(
            "a killed mirror is noticed after {} ms",
            noticed.as_millis()
        ));
        assert_nobody_is_sent_to(&fleet, 0);
    });
    for to in &paths {
        let got = fs::read(to).unwrap();
        assert_eq!(
            sha256(&got),
            sha256(&bytes),
            "{}: {} bytes",
            to.display(),
            got.len()
        );
    }
}

/// Fifty requests, of which some must be sent to the mirror that lives.
fn assert_nobody_is_sent_to(fleet: &Fleet, dead: usize) {
    let mut redirects = 0;
    for _ in 0..50 {
        // Whole: pieces of one file would all be answered as the first.
        let reply = http::get(fleet.server.address, "/file", "");
        if let Some(location) = reply.field("location") {
            assert!(
                !location.starts_with(&fleet.mirrors[dead].url),
                "{location}"
            );
            redirects += 1;
        }
    }
    assert!(
        redirects >= 10,
        "only {redirects} of 50 went to the mirror that lives"
    );
}

/// When it is back it takes part again, without anybody doing anything.
#[test]
fn a_mirror_that_returns_is_used_again() {
    let stage = Stage::new();
    stage.write("file", &content(5, 1 << 20));
    let server: &[&str] = &["--policy", "round-robin"];
    let mut fleet = Fleet::ready(
        stage,
        Setup {
            server,
            mirrors: &[&[]],
        },
    );
    let name = fleet.mirrors[0].status().node.name;
    fleet.mirrors[0].kill();
    wait_for("the server to notice", LONG, || {
        state_of(&fleet, &name) != "ready"
    });
    let command = crate::fleet::mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    fleet.mirrors[0] = crate::fleet::Node::start(&fleet.stage, "mirror-1", command);
    fleet.converge();
    let location = fleet.redirect("/file").field("location").map(str::to_owned);
    assert!(location.is_some_and(|location| location.starts_with(&fleet.mirrors[0].url)));
    assert_eq!(fleet.server.status().members.len(), 1, "it counts twice");
}
