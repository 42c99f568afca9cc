//! `overspill top`: a frame for scripts, and a person who watches.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    fleet::{Fleet, Setup, TWO, overspill},
    keyboard::Terminal,
    stage::{LONG, Stage, wait_for},
    tools::run_within,
};

/// What leaves the screen that programs draw on.
const LEFT: &str = "\x1b[?1049l";

fn fleet() -> Fleet {
    let stage = Stage::new();
    stage.write("a.txt", b"hello\n");
    let setup = Setup {
        server: &[],
        mirrors: TWO,
    };
    Fleet::ready(stage, setup)
}

fn top(fleet: &Fleet) -> Command {
    overspill(["top", &fleet.server.url])
}

#[test]
fn a_frame_is_printed_for_scripts() {
    let fleet = fleet();
    let output = run_within(LONG, top(&fleet).arg("--once"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for mirror in &fleet.mirrors {
        let line = format!("{:<16} ready", mirror.status().node.name);
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(
        text.contains("member-joined") || text.contains("a member has joined"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text:?}");

    // Without a terminal there is nothing to draw on.
    let output = run_within(LONG, &mut top(&fleet));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--once"), "{said}");
}

#[test]
fn a_person_watches_a_fleet_and_gets_the_terminal_back() {
    let mut fleet = fleet();
    let mut terminal = Terminal::run(top(&fleet));
    terminal.type_until("", &fleet.mirrors[0].status().node.name);
    assert!(!terminal.is_as_before(), "keys go to the command");
    terminal.type_until("?", "Ctrl-C");
    terminal.type_until("xs", "state");
    fleet.server.kill();
    terminal.type_until("", "AWAY");
    terminal.type_until("q", LEFT);
    wait_for("the end", LONG, || {
        terminal.child.try_wait().unwrap().is_some()
    });
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    assert!(terminal.is_as_before());
}

#[test]
fn a_signal_ends_it_as_q_does() {
    let fleet = fleet();
    for signal in [Signal::TERM, Signal::INT] {
        let mut terminal = Terminal::run(top(&fleet));
        terminal.type_until("", "ready");
        let pid = i32::try_from(terminal.child.id())
            .ok()
            .and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
        terminal.type_until("", LEFT);
        wait_for("the end", LONG, || {
            terminal.child.try_wait().unwrap().is_some()
        });
        assert_eq!(terminal.child.wait().unwrap().code(), Some(0), "{signal:?}");
        assert!(terminal.is_as_before(), "{signal:?}");
    }
}
