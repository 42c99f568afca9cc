//! `overspill shell`: scripts on standard input, and a person at a terminal.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use crate::{
    fleet::{Fleet, Setup, overspill},
    keyboard::Terminal,
    stage::Stage,
};

fn fleet() -> Fleet {
    let stage = Stage::new();
    stage.write("a.txt", b"hello\n");
    stage.write("iso dir/big one.iso", &[7; 100]);
    stage.write("iso dir/deep/x#y?z.txt", b"deep\n");
    Fleet::ready(stage, Setup::default())
}

/// Runs a script.
fn run(fleet: &Fleet, script: &str) -> Output {
    let mut command = overspill(["shell", &format!("{}/", fleet.server.url)]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_script_walks_about() {
    let fleet = fleet();
    let script = "# comments are nothing\n\
                  cat a.txt\n\
                  cd 'iso dir'\n\
                  pwd\n\
                  cat deep/x#y?z.txt\n\
                  cat /a.txt\n\
                  find --ext iso --paths\n\
                  cd\n\
                  cat ../a.txt\n\
                  quit\n\
                  cat nothing/is/read/any/more\n";
    let output = run(&fleet, script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let expected = format!(
        "hello\n{}/iso%20dir/\ndeep\nhello\niso dir/big one.iso\nhello\n",
        fleet.server.url
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn a_script_downloads() {
    let fleet = fleet();
    let to = fleet.stage.path("got");
    std::fs::create_dir_all(&to).unwrap();
    let to = to.display();
    let script = format!(
        "cd 'iso dir'\nget -q -o {to} 'big one.iso' /a.txt\nget -q -r -o {to}/tree .\nget -q -o {to} no\n"
    );
    let output = run(&fleet, &script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let got = |path: &str| std::fs::read(fleet.stage.path("got").join(path)).unwrap();
    assert_eq!(got("big one.iso"), [7; 100]);
    assert_eq!(got("a.txt"), b"hello\n");
    assert_eq!(got("tree/deep/x#y?z.txt"), b"deep\n");
}

#[test]
fn a_script_ends_at_its_first_error() {
    let fleet = fleet();
    for (script, code, printed) in [
        ("cat nope\ncat a.txt\n", 2, ""),
        ("-cat nope\n-bogus\n-cat 'a\ncat a.txt\n", 0, "hello\n"),
        ("bogus\ncat a.txt\n", 1, ""),
        ("cat 'a\ncat a.txt\n", 1, ""),
        ("cd a.txt\ncat a.txt\n", 2, ""),
        ("find --min-size big\n", 1, ""),
    ] {
        let output = run(&fleet, script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{script}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{script}");
        assert!(!said.is_empty(), "{script}");
    }
}

#[test]
fn a_person_completes_paths_and_finds_lines_again() {
    let fleet = fleet();
    let mut command = overspill(["shell", &format!("{}/", fleet.server.url)]);
    command.env("XDG_STATE_HOME", fleet.stage.path("xdg"));
    let mut terminal = Terminal::run(command);
    terminal.type_until("", "/> ");
    terminal.type_until("cd is\t", "cd iso\\ dir/");
    terminal.type_until("\r", "/iso%20dir/> ");
    terminal.type_until("stat b\t", "stat big\\ one.iso ");
    terminal.type_until("\r", "size   100");
    terminal.type_until("cat deep/\t\r", "deep\r\n");
    // An error is no reason to end here.
    terminal.type_until("cat nope\r", "was not found");
    terminal.type_until("half a line\x03", "/iso%20dir/> ");
    // The line before the one that failed.
    terminal.type_until("\x1b[A\x1b[A", "cat deep/x\\#y?z.txt");
    terminal.type_until("\x03", "/iso%20dir/> ");
    terminal.keyboard.write_all(b"\x04").unwrap();
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let history = fleet.stage.path("xdg/overspill/history");
    let history = std::fs::read_to_string(history).unwrap();
    assert!(history.contains("cat nope"), "{history}");
}
