//! Whatever is wrong at the start is told in one line that names the thing and the remedy.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    thread,
    time::Duration,
};

use crate::{
    fleet::{Fleet, Node, Setup, mirror, overspill, serve},
    stage::{Stage, wait_for},
    tools::run_within,
};

/// Something that is wrong is found at once, or after one try of the network.
const SOON: Duration = Duration::from_secs(15);
const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Runs a command that cannot start; its one line must hold each of `words`.
pub(crate) fn refused(what: &str, command: &mut Command, words: &[&str]) {
    // One that does start would run for ever: this is the latest it has to say so.
    let output = run_within(SOON, command);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{what}: {stderr}");
    let said: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("overspill: "))
        .collect();
    assert_eq!(said.len(), 1, "{what}: one line expected, got: {stderr}");
    for word in words {
        assert!(
            said[0].contains(word),
            "{what}: {word:?} is not in: {}",
            said[0]
        );
    }
    assert_quiet(what, &output, said[0]);
}

/// No log line, no greeting, no panic around the error.
fn assert_quiet(what: &str, output: &Output, said: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.trim_end(), said, "{what}: more than one line");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(!stdout.contains("OVERSPILL_TOKEN"), "{what}: {stdout}");
}

fn serve_folder(stage: &Stage, folder: &str) -> Command {
    let mut command = overspill(["serve", "--die-with-parent", "--listen", "127.0.0.1:0"]);
    command
        .arg("--state")
        .arg(stage.path("state"))
        .arg(stage.path(folder));
    command
}

/// The state folder holds the tokens.
#[test]
fn a_state_folder_is_never_published() {
    let stage = Stage::new();
    stage.write("file", b"x");
    let listen = "127.0.0.1:0";
    let in_tree = |state: &str| {
        let mut command = overspill(["serve", "--die-with-parent", "--listen", listen, "--state"]);
        command.arg(stage.tree().join(state)).arg(stage.tree());
        command
    };
    let words = ["lies in the published folder", "--state"];
    refused(
        "a state folder in the tree",
        &mut in_tree("a/state"),
        &words,
    );
    refused("the tree itself", &mut in_tree(""), &words);
    let mut shown = in_tree(".state");
    refused("a dotfolder that is shown", shown.arg("--hidden"), &words);
    assert!(!stage.tree().join("a").exists(), "nothing is made");
    // What is not shown may be there.
    let server = Node::start(&stage, "server", in_tree(".state"));
    assert_eq!(server.get("/.state/token").status, 404);
}

#[test]
fn options_of_both_services_that_cannot_be_meant() {
    let stage = Stage::new();
    for (what, options, words) in [
        (
            "a part above its whole",
            &["--rate-per-client", "2MiB/s", "--max-egress", "1MiB/s"][..],
            &["--rate-per-client 2.0 MiB/s", "--max-egress 1.0 MiB/s"][..],
        ),
        (
            "a log in no folder",
            &["--access-log", "absent/access.log"],
            &["absent/access.log", "--access-log", "No such file"],
        ),
    ] {
        refused(what, &mut serve(&stage, "127.0.0.1:0", options), words);
        let arguments = ["mirror", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"];
        let mut command = overspill(arguments.iter().chain(options));
        command.env("OVERSPILL_TOKEN", TOKEN);
        refused(what, command.arg("--store").arg(stage.path("store")), words);
    }
}

#[test]
fn folders_that_cannot_be_served() {
    let stage = Stage::new();
    fs::write(stage.path("file"), b"x").unwrap();
    stage.write("-/inside", b"x");
    refused(
        "no folder",
        &mut serve_folder(&stage, "absent"),
        &["absent", "does not exist"],
    );
    refused(
        "a file",
        &mut serve_folder(&stage, "file"),
        &["file", "is not a folder"],
    );
    refused(
        "a reserved name",
        &mut serve_folder(&stage, "tree"),
        &["/-/", "rename it"],
    );
    fs::remove_dir_all(stage.tree().join("-")).unwrap();
    fs::write(stage.path("state"), b"in the way").unwrap();
    refused(
        "no state",
        &mut serve_folder(&stage, "tree"),
        &["state", "--state"],
    );
    fs::remove_file(stage.path("state")).unwrap();
    fs::create_dir(stage.path("state")).unwrap();
    fs::write(stage.path("state/token"), b"not a token\n").unwrap();
    // Or there would be a warning about that, too.
    fs::set_permissions(stage.path("state/token"), Permissions::from_mode(0o600)).unwrap();
    refused(
        "no token",
        &mut serve_folder(&stage, "tree"),
        &["state/token", "remove the file"],
    );
}

#[test]
fn what_another_process_has() {
    let stage = Stage::new();
    stage.write("file", b"x");
    let fleet = Fleet::ready(
        stage,
        Setup {
            mirrors: &[&[]],
            ..Setup::default()
        },
    );
    let address = fleet.server.address.to_string();
    let mut same_port = overspill([
        "serve",
        "--die-with-parent",
        "--listen",
        &address,
        "--state",
    ]);
    same_port
        .arg(fleet.stage.path("other-state"))
        .arg(fleet.stage.tree());
    refused(
        "the port",
        &mut same_port,
        &[&address, "in use", "--listen"],
    );
    let mut same_state = serve(&fleet.stage, "127.0.0.1:0", &[]);
    refused("the state", &mut same_state, &["in use", "state"]);
    let mut same_store = mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    refused("the store", &mut same_store, &["mirror-1", "--store"]);
    // Nothing happened to those who were first.
    assert_eq!(fleet.server.get("/file").body, b"x");
    assert_eq!(fleet.mirrors[0].get("/file").body, b"x");
    assert_eq!(fleet.server.status().members.len(), 1);
}

#[test]
fn tokens_that_open_nothing() {
    let stage = Stage::new();
    let fleet = Fleet::start(stage, Setup::default());
    let start = || mirror(&fleet.stage, "mirror", &fleet.server, &[]);
    refused(
        "none",
        start().env_remove("OVERSPILL_TOKEN"),
        &["token", "overspill serve"],
    );
    refused(
        "no form",
        start().env("OVERSPILL_TOKEN", "abc"),
        &["token", "43 characters"],
    );
    let url = &fleet.server.url;
    refused(
        "another",
        start().env("OVERSPILL_TOKEN", TOKEN),
        &["token", url, "join command"],
    );
    let file = fleet.stage.path("no-such-token");
    let mut missing = start();
    missing
        .env_remove("OVERSPILL_TOKEN")
        .arg("--token-file")
        .arg(&file);
    refused("no file", &mut missing, &["no-such-token"]);
    assert!(fleet.server.status().members.is_empty());
}

/// Answers every connection with the same bytes, for as long as the test runs.
fn stranger(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            // Whatever was asked, the answer is the same.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn servers_that_are_none() {
    let stage = Stage::new();
    for (what, answer) in [
        (
            "a web server",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "a page for everything",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p>\n",
        ),
        (
            "no posts",
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n",
        ),
        ("no HTTP", "220 mail.example ESMTP\r\n"),
    ] {
        let url = format!("http://{}", stranger(answer));
        let words = [
            url.as_str(),
            "is not an Overspill server",
            "check the address",
        ];
        refused(what, &mut join(&stage, &url), &words);
    }
    for url in [
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
        "http://127.0.0.1:1/sub/folder",
        "http://",
    ] {
        refused(
            url,
            &mut join(&stage, url),
            &[url, "is not a server's URL", "http://"],
        );
    }
}

fn join(stage: &Stage, url: &str) -> Command {
    let mut command = overspill(["mirror", "--die-with-parent", "--listen", "127.0.0.1:0"]);
    command
        .arg("--store")
        .arg(stage.path("mirror"))
        .arg(url)
        .env("OVERSPILL_TOKEN", TOKEN);
    command
}

/// A server that is not there yet is no mistake: the mirror waits for it, and says so once.
#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let stage = Stage::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let command = join(&stage, &format!("http://{port}"));
    let mirror = Node::start(&stage, "mirror", command);
    wait_for("a warning", SOON, || {
        mirror.log().contains("the server is away")
    });
    assert_eq!(mirror.get(overspill_wire::paths::HEALTH).status, 200);
    assert_eq!(
        mirror.get("/file").status,
        503,
        "it cannot know what there is"
    );
}

#[test]
fn options_that_mean_nothing() {
    for (args, words) in [
        (
            &["serve", ".", "--policy", "luck"][..],
            &["luck", "marginal-cost"][..],
        ),
        (&["serve", ".", "--capacity", "fast"], &["fast", "100MiB/s"]),
        (&["serve", ".", "--capacity", "0"], &["100MiB/s"]),
        (
            &["serve", ".", "--listen", "here"],
            &["here", "127.0.0.1:8080"],
        ),
        (&["serve", ".", "--offload", "always"], &["always", "auto"]),
        (&["serve"], &["<DIR>"]),
        (&["mirror"], &["<SERVER_URL>"]),
        (&["get"], &["<URL>"]),
        (&["fetch"], &["fetch"]),
        (&["get", "ftp://h/x"], &["ftp://h/x", "http://"]),
        (
            &["find", "http://127.0.0.1:1/", "--min-size", "big"],
            &["big", "10MiB"],
        ),
        (
            &["find", "http://127.0.0.1:1/", "--after", "soon"],
            &["soon", "2026-01-31"],
        ),
    ] {
        let output = run_within(SOON, &mut overspill(args));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        for word in words {
            assert!(
                stderr.contains(word),
                "{args:?}: {word:?} is not in: {stderr}"
            );
        }
    }
}
