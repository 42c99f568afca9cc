//! The console in a real browser: live figures, orders, refusals, keys, and pictures of every view.
//!
//! What is looked at stands in `crates/node/console/tests`, in the language of the page; here a real
//! fleet is put under it. It must never be shown figures that no node has reported.

mod crowd;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use overspill_wire::paths;
use serde_json::json;

use self::crowd::Crowd;
use crate::{
    browser::devtools::CHROMIUM,
    fleet::{Fleet, Node, Setup, TWO, say, serve},
    http::{Reply, Wire, get, request, split},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run, run_within},
};

/// More than the sockets on the way hold, so that a download that is not read stays in progress.
const BIG_BYTES: usize = 24 << 20;
/// The console's own folder.
const CONSOLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/console");
/// How long a browser may take for everything that is asked of it.
const PATIENCE: Duration = Duration::from_secs(240);

/// Whether there is all that the tests in the browser need.
fn can_look(test: &str) -> bool {
    let modules = Need::Path(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../node/console/node_modules/playwright-core"
    ));
    has(
        test,
        &[Need::Program(CHROMIUM), Need::Program("node"), modules],
    )
}

/// A script of the console's tests, about this fleet.
fn script(name: &str, fleet: &Fleet) -> Command {
    let chromium = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(CHROMIUM))
        .find(|path| path.is_file());
    let mut command = Command::new("node");
    command
        .arg(Path::new(CONSOLE).join("tests").join(name))
        .env("CHROMIUM", chromium.expect("looked for before"))
        .env("CONSOLE_URL", &fleet.server.url)
        .env("ADMIN_TOKEN_FILE", fleet.stage.path("state/admin-token"))
        // A proxy of whoever runs the tests has no business with the loopback.
        .env("no_proxy", "*");
    command
}

fn assert_success(output: &Output) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    say(format_args!("{out}"));
}

#[test]
fn the_console_shows_and_orders() {
    if !can_look("the_console_shows_and_orders") {
        return;
    }
    let stage = Stage::new();
    stage.write("big.bin", &content(1, BIG_BYTES));
    let hostile = "<img src=x onerror='window.broken=1'>.bin";
    stage.write(hostile, &content(2, 100_000));
    let setup = Setup {
        mirrors: TWO,
        ..Setup::default()
    };
    let fleet = Fleet::ready(stage, setup);
    let mut command = script("console.mjs", &fleet);
    command.env("MIRROR_URL", &fleet.mirrors[0].url);
    assert_success(&run_within(PATIENCE, &mut command));
    let token = fs::read_to_string(fleet.stage.path("state/admin-token")).unwrap();
    for node in fleet.nodes() {
        assert!(!node.log().contains(token.trim()), "it is in a log");
    }
}

#[test]
fn the_console_outlives_its_server() {
    if !can_look("the_console_outlives_its_server") {
        return;
    }
    let mut fleet = Fleet::ready(Stage::new(), Setup::default());
    let mut command = script("away.mjs", &fleet);
    let mut lines = Lines::of(&mut command);
    lines.expect("live");
    let address = fleet.server.address.to_string();
    fleet.server.kill();
    lines.expect("away");
    let command = serve(&fleet.stage, &address, &[]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    lines.expect("back");
    assert!(lines.child.wait().unwrap().success());
}

/// Asks the server with these fields and this body; each line of `fields` has its end.
fn post(fleet: &Fleet, path: &str, fields: &str, body: &str) -> Reply {
    let fields = format!("{fields}Content-Length: {}\r\n", body.len());
    let mut wire = Wire::open(fleet.server.address).unwrap();
    wire.send(request("POST", fleet.server.address, path, &fields) + body);
    wire.reply()
}

#[test]
fn only_an_admin_gives_orders_and_only_from_the_consoles_page() {
    let fleet = Fleet::ready(Stage::new(), Setup::default());
    let token = fs::read_to_string(fleet.stage.path("state/admin-token")).unwrap();
    let token = token.trim();
    let own = format!("Origin: {}\r\nOverspill-Console: 1\r\n", fleet.server.url);
    let login = json!({ "token": token }).to_string();
    assert_eq!(post(&fleet, paths::LOGIN, "", &login).status, 403);
    let reply = post(&fleet, paths::LOGIN, &own, &login);
    assert_eq!(reply.status, 200, "{}", reply.head);
    let cookie = reply.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/-/; Max-Age=43200; HttpOnly; SameSite=Strict"));
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let foreign = "Origin: http://evil.example\r\nOverspill-Console: 1\r\n";
    for (fields, status) in [
        ("", 401),
        (&own, 401),
        ("Cookie: overspill-admin=x\r\n", 401),
        ("Authorization: Bearer x\r\n", 401),
        (&cookie, 403),
        (&format!("{cookie}{foreign}"), 403),
        (&format!("{cookie}{own}"), 200),
        (&bearer, 200),
    ] {
        let order = r#"{"order":"policy","policy":"random"}"#;
        let reply = post(&fleet, paths::ADMIN_ORDER, fields, order);
        assert_eq!(reply.status, status, "{fields}");
    }
    assert_eq!(fleet.server.status().policy.as_deref(), Some("random"));
    for (order, status) in [
        (r#"{"order":"drain","member":"m-0"}"#, 404),
        (r#"{"order":"halt","member":"m-0"}"#, 400),
        ("{}", 400),
    ] {
        let reply = post(&fleet, paths::ADMIN_ORDER, &bearer, order);
        assert_eq!(reply.status, status, "{order}");
    }
    let fields = format!("{own}{cookie}");
    assert_eq!(post(&fleet, paths::LOGOUT, &fields, "").status, 200);
    let order = r#"{"order":"policy","policy":"random"}"#;
    assert_eq!(post(&fleet, paths::ADMIN_ORDER, &fields, order).status, 401);
}

#[test]
fn who_guesses_has_to_wait() {
    let fleet = Fleet::ready(Stage::new(), Setup::default());
    let own = format!("Origin: {}\r\nOverspill-Console: 1\r\n", fleet.server.url);
    let guess = || post(&fleet, paths::LOGIN, &own, r#"{"token":"x"}"#);
    let mut refused = None;
    wait_for("a guess that has to wait", LONG, || {
        let reply = guess();
        assert!(matches!(reply.status, 401 | 429), "{}", reply.head);
        refused = (reply.status == 429).then_some(reply);
        refused.is_some()
    });
    let wait_s: u64 = refused
        .unwrap()
        .field("retry-after")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&wait_s), "{wait_s}");
}

#[test]
fn streams_are_limited_and_the_server_ends_in_spite_of_them() {
    let mut fleet = Fleet::ready(Stage::new(), Setup::default());
    let listen = || {
        let mut wire = Wire::open(fleet.server.address).unwrap();
        wire.send(request("GET", fleet.server.address, paths::LIVE, ""));
        let status = wire.head().unwrap().status;
        (wire, status)
    };
    let (open, statuses): (Vec<Wire>, Vec<u16>) = (0..16).map(|_| listen()).unzip();
    assert_eq!(statuses, [200; 16]);
    let (mut refused, status) = listen();
    assert_eq!(status, 503);
    let text = String::from_utf8(refused.rest().unwrap()).unwrap();
    assert!(text.contains("or 16 in your network"), "{text}");
    drop(open);
    wait_for("a place", LONG, || listen().1 == 200);
    let _last = listen();
    assert!(fleet.server.stop().success());
}

/// A script that says line by line how far it is; it ends with its test.
struct Lines {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Lines {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("node");
        let out = child.stdout.take().expect("a pipe");
        Self {
            lines: BufReader::new(out).lines(),
            child,
        }
    }

    /// Waits for this line; the script itself gives up when it waits too long.
    fn expect(&mut self, line: &str) {
        let said = self.lines.next().map(|line| line.expect("text"));
        assert_eq!(said.as_deref(), Some(line), "the script has ended");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where pictures go.
fn screens() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../console-screens");
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

/// Looks at these views of a fleet, and leaves pictures of them.
fn look(fleet: &Fleet, name: &str, views: &str) {
    let mut command = script("screens.mjs", fleet);
    command
        .env("SCREENS", screens())
        .env("SCREEN_NAME", name)
        .env("SCREEN_VIEWS", views)
        .env("EXPLAIN_PATH", "/iso/distro-13.1.iso");
    assert_success(&run_within(PATIENCE, &mut command));
    say(format_args!(
        "pictures of the console: {}",
        screens().display()
    ));
}

/// A tree as a small distribution has it.
fn distribution(stage: Stage) -> Stage {
    for minor in 1..=3 {
        let name = format!("iso/distro-13.{minor}.iso");
        stage.write(name, &content(minor, 12 << 20));
    }
    for number in 0..12 {
        let name = format!("pool/package-{number}_1.0-1_amd64.deb");
        stage.write(name, &content(100 + number, 300_000));
    }
    stage
}

/// Asks for files until told to stop, following redirects.
fn load(fleet: &Fleet, seed: u64, done: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !done.load(Relaxed) {
        let target = match random.u32(0..4) {
            0 => format!("/iso/distro-13.{}.iso", random.u32(1..=3)),
            _ => format!("/pool/package-{}_1.0-1_amd64.deb", random.u32(0..12)),
        };
        let reply = fleet.server.get(&target);
        if let Some(location) = reply.field("location") {
            let (address, target) = split(location);
            get(address, &target, "");
        }
    }
}

#[test]
fn a_fleet_of_three_looks_right_on_every_screen() {
    if !can_look("a_fleet_of_three_looks_right_on_every_screen") {
        return;
    }
    let limits = |zone| {
        [
            "--max-egress",
            "6MiB/s",
            "--capacity",
            "6MiB/s",
            "--zone",
            zone,
        ]
    };
    let (server, near, far) = (limits("de"), limits("fr"), limits("us"));
    let setup = Setup {
        server: &server,
        mirrors: &[&near, &far],
    };
    let fleet = Fleet::ready(distribution(Stage::alone()), setup);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (fleet, done) = (&fleet, &done);
        for seed in 0..6 {
            scope.spawn(move || load(fleet, seed, done));
        }
        let looked = std::panic::catch_unwind(|| {
            wait_for("some traffic everywhere", LONG, || {
                let status = fleet.server.status();
                let mut members = status.members.iter();
                members.all(|member| member.egress_bytes_per_s > 1 << 20)
            });
            look(fleet, "fleet-3", "fleet,traffic,explain,member");
        });
        done.store(true, Relaxed);
        looked.unwrap();
    });
    if env::var_os("OVERSPILL_BLESS").is_some() {
        let images = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images");
        fs::create_dir_all(images).unwrap();
        let taken = screens().join("fleet-3-desktop-dark.png");
        fs::copy(taken, Path::new(images).join("console.png")).unwrap();
    }
}

#[test]
fn progress_of_syncing_looks_right_on_every_screen() {
    if !can_look("progress_of_syncing_looks_right_on_every_screen") {
        return;
    }
    let setup = Setup {
        // Slow enough for both mirrors to be at it while they are looked at.
        server: &["--max-egress", "1MiB/s", "--capacity", "1MiB/s"],
        mirrors: TWO,
    };
    let fleet = Fleet::start(distribution(Stage::new()), setup);
    wait_for("members that are behind", LONG, || {
        let status = fleet.server.status();
        let mut members = status.members.iter();
        status.catalog.unhashed == 0
            && status.members.len() == 2
            && members.all(|member| member.missing_bytes > 0)
    });
    look(&fleet, "fleet-3", "sync");
}

#[test]
fn a_fleet_of_two_hundred_stays_readable() {
    if !can_look("a_fleet_of_two_hundred_stays_readable") {
        return;
    }
    let fleet = Fleet::ready(distribution(Stage::alone()), Setup::default());
    let _crowd = Crowd::join(&fleet.server, 200);
    wait_for("some that are down", LONG, || {
        let members = fleet.server.status().members;
        members.iter().any(|member| member.state == "down")
    });
    wait_for("a fleet of two hundred", LONG, || {
        let members = fleet.server.status().members;
        let ready = members.iter().filter(|member| member.state == "ready");
        members.len() == 200 && ready.count() > 185
    });
    look(&fleet, "fleet-200", "fleet,sync");
}

#[test]
fn what_is_committed_is_what_the_source_gives() {
    let test = "what_is_committed_is_what_the_source_gives";
    let modules = Need::Path(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../node/console/node_modules/esbuild"
    ));
    if !has(test, &[Need::Program("node"), modules]) {
        return;
    }
    run(Command::new("node")
        .args(["node_modules/typescript/bin/tsc", "--noEmit"])
        .current_dir(CONSOLE));
    run(Command::new("node")
        .args(["build.mjs", "--check"])
        .current_dir(CONSOLE));
}
