//! A page as a script, and the run of it.
//!
//! Only what a reader does without thinking is done for him: a node is started in a terminal of its
//! own, Ctrl-C ends it before the next one on that host, `…` stands for the token, and the sample name
//! of a member for a real one. It must never make a command succeed that would fail in his hands.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::page::{Page, checkout};

/// Commands that a page shows and that are not run here, and who runs them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo test", "this is it"),
    (
        "cargo xtask",
        "measures for minutes; its parts have tests of their own",
    ),
    (
        "cargo run -p overspill-sim",
        "simulates for minutes; `cargo test -p overspill-sim` runs all of it smaller",
    ),
    (
        "npm",
        "needs the registry; a test holds what is built against its source",
    ),
    (
        "systemctl",
        "there is no systemd in a namespace; a test has systemd verify the units",
    ),
];
/// What the documentation says, and what stands for it on the stage.
const STAND_INS: &[(&str, &str)] = &[
    ("cargo run --release -- demo", "overspill demo --seconds 6"),
    ("OVERSPILL_TOKEN=…", "OVERSPILL_TOKEN=$(stage_token)"),
    ("m-1f2e3d4c", "$(stage_member)"),
];
/// Seconds after which a page is given up; a command has less.
const PAGE_S: u32 = 240;

/// Runs every command of a page, in order.
///
/// # Panics
/// When one fails; and under `CI=true` when there can be no namespaces.
pub(crate) fn play(path: &str) {
    let page = Page::read(path);
    assert!(
        page.hidden.is_empty(),
        "{path}: these commands are in blocks without a mark, write ```sh: {:?}",
        page.hidden
    );
    let script = script(&page);
    if script.is_empty() || !has_namespaces(path) {
        return;
    }
    let folder = TempDir::with_prefix("overspill-docs-").unwrap();
    fs::write(folder.path().join("page.sh"), script).unwrap();
    let output = in_namespaces()
        .args(["timeout", &PAGE_S.to_string(), "bash"])
        .arg(checkout("crates/cli/tests/docs/stage.sh"))
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_overspill"))
        .arg(checkout(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(
        output.status.success(),
        "a command of {path} fails:\n{}{}",
        said[0],
        said[1]
    );
}

/// A program in namespaces that end with it, as root of them whoever we are.
fn in_namespaces() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    command
}

fn has_namespaces(path: &str) -> bool {
    let tried = in_namespaces().args(["ip", "link"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "{path} cannot be played: no namespaces with `ip` in them: {why}"
    );
    // Past the capture of the test harness: a test that is skipped must not look like one that passes.
    let _ = writeln!(
        io::stderr(),
        "skipped {path}: no namespaces with `ip` in them: {why}"
    );
    false
}

/// The page for bash; empty if it has nothing to run.
fn script(page: &Page) -> String {
    let mut script = String::new();
    for (at, block) in page.blocks.iter().enumerate() {
        let mut body = String::new();
        for command in &block.commands {
            body.extend(staged(command).map(|line| line + "\n"));
        }
        if !body.is_empty() {
            let _ = write!(
                script,
                "on {} <<'BLOCK_{at}'\n{body}BLOCK_{at}\n",
                block.host
            );
        }
    }
    script
}

/// A line of a block as it is run; `None` if others run it.
fn staged(line: &str) -> Option<String> {
    if ELSEWHERE.iter().any(|(start, _)| line.starts_with(start)) {
        return None;
    }
    let mut line = line.to_owned();
    for (said, meant) in STAND_INS {
        line = line.replace(said, meant);
    }
    let command = line.split_whitespace().find(|word| !word.contains('='));
    let mut rest = line
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let subcommand = rest.nth(1).unwrap_or_default();
    let is_help = line.contains("--help");
    let verb = match (command, subcommand) {
        (Some("overspill"), "serve" | "mirror") if !is_help => "stage_node",
        (Some("overspill"), "top" | "shell")
            if !is_help && !line.contains(['|', '<']) && !line.contains("--once") =>
        {
            "stage_terminal"
        }
        _ => return Some(line),
    };
    let bare = line.split(" # ").next().unwrap_or_default();
    Some(format!("{verb} {}", quoted(bare.trim())))
}

/// In double quotes, so that the shell still puts in what the line names.
fn quoted(line: &str) -> String {
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn nodes_are_started_beside_and_the_rest_is_left_as_it_is() {
    assert_eq!(
        staged("OVERSPILL_TOKEN=… overspill mirror http://a:8080 # there").unwrap(),
        "stage_node \"OVERSPILL_TOKEN=$(stage_token) overspill mirror http://a:8080\""
    );
    assert_eq!(
        staged("overspill serve --help").unwrap(),
        "overspill serve --help"
    );
    assert_eq!(staged("curl -f 'a b'").unwrap(), "curl -f 'a b'");
    assert_eq!(staged("cargo test --workspace"), None);
}
