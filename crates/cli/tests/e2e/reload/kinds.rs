//! Each kind of thing that changes: certificates, the access log, rules on mirrors, a mirror's own.

use super::*;
use crate::secure::Terms;

#[test]
fn another_certificate_is_shown_and_a_bad_one_is_not() {
    let stage = Stage::new();
    stage.write("hello.txt", b"hello world");
    let [first, second] = ["first", "second"].map(|name| Pair::make(&stage, name));
    let config = |pair: &Pair| {
        format!(
            "[tls]\ntls_listen = \"127.0.0.1:0\"\ntls_cert = {:?}\ntls_key = {:?}\n",
            pair.cert, pair.key
        )
    };
    let file = File::new(&stage, &config(&first));
    let setup = Setup {
        server: &file.args(),
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    let address = fleet.server.secure.unwrap();
    let [by_first, by_second] =
        [&first, &second].map(|pair| Terms::trusting(&pair.cert, &["http/1.1"]));
    assert!(by_first.shake(address).is_ok());
    file.replace(&config(&second));
    wait_for("the second certificate", LONG, || {
        by_second.shake(address).is_ok()
    });
    let mixed = Pair {
        cert: first.cert.clone(),
        key: second.key.clone(),
    };
    file.replace(&config(&mixed));
    said_again(&fleet.server, NOT_TAKEN, 0);
    assert!(by_second.shake(address).is_ok());
    file.replace("");
    said_again(
        &fleet.server,
        "needs a restart: tls_cert, tls_key, tls_listen",
        0,
    );
    assert!(by_second.shake(address).is_ok());
    // Taken back and changed at once, before any restart.
    file.replace(&config(&first));
    wait_for("the first certificate", LONG, || {
        by_first.shake(address).is_ok()
    });
}

#[test]
fn the_access_log_begins_moves_changes_its_form_and_ends() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let [first, second] = ["first.log", "second.log"].map(|name| stage.path(name));
    let file = File::new(&stage, "");
    let setup = Setup {
        server: &file.args(),
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    let asked = |target: &str, log: &PathBuf| {
        wait_for("a line in the log", LONG, || {
            assert_eq!(fleet.server.get(target).status, 200);
            fs::read_to_string(log).is_ok_and(|text| text.contains(target))
        });
    };
    file.replace(&format!("[access_log]\naccess_log = {first:?}\n"));
    asked("/small.txt?n=1", &first);
    file.replace(&format!(
        "[access_log]\naccess_log = {second:?}\naccess_log_format = \"combined\"\n"
    ));
    asked("/small.txt?n=2", &second);
    let lines = fs::read_to_string(&second).unwrap();
    assert!(
        lines.contains("] \"GET /small.txt?n=2 HTTP/1.1\" 200"),
        "{lines}"
    );
    file.replace(&format!(
        "[access_log]\naccess_log = {:?}\n",
        first.join("x")
    ));
    said_again(&fleet.server, NOT_TAKEN, 0);
    asked("/small.txt?n=3", &second);
    file.replace("");
    said_again(&fleet.server, "to=none", 0);
    let open_files = format!("/proc/{}/fd", fleet.server.pid());
    wait_for("a log that is closed", LONG, || {
        let open = fs::read_dir(&open_files).unwrap().flatten();
        open.filter_map(|file| fs::read_link(file.path()).ok())
            .all(|path| path != first && path != second)
    });
}

#[test]
fn rules_reach_files_that_are_hot_and_mirrors_too() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let rule =
        |value: &str| format!("[[rule]]\nmatch = [\"*.txt\"]\nheaders = {{ X-A = \"{value}\" }}\n");
    let file = File::new(&stage, &rule("one"));
    let setup = Setup {
        server: &file.args(),
        mirrors: &[&[]],
    };
    let fleet = Fleet::ready(stage, setup);
    for value in ["one", "two"] {
        file.replace(&rule(value));
        for node in fleet.nodes() {
            wait_for("the rule", LONG, || {
                node.get("/small.txt").field("x-a") == Some(value)
            });
        }
    }
}

#[test]
fn a_mirror_takes_over_what_it_can() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let file = File::new(&stage, "[dispatch]\nzone = \"north\"\n");
    let setup = Setup {
        mirrors: &[&file.args()],
        ..Setup::default()
    };
    let fleet = Fleet::ready(stage, setup);
    let mirror = &fleet.mirrors[0];
    file.replace(
        "[dispatch]\nzone = \"south\"\nstripe = 3\n[mirror]\nscrub_rate = \"1MiB/s\"\n\
         capacity = \"3MiB/s\"\n",
    );
    mirror.signal(Signal::HUP);
    said_again(mirror, "needs a restart: zone", 0);
    let log = mirror.log();
    for change in [
        "key=mirror.scrub_rate from=8MiB/s to=1MiB/s",
        "key=dispatch.stripe from=\"from one\" to=3",
        "key=mirror.capacity from=none to=3MiB/s",
    ] {
        assert!(log.contains(change), "{change} is not in: {log}");
    }
    assert_eq!(mirror.status().node.capacity_bytes_per_s, 3 << 20);
    file.replace("[mirror]\nserver = \"ftp:\"\nstore = 5\n");
    said_again(mirror, NOT_TAKEN, 0);
    wait_for("the problem among those of the mirror", LONG, || {
        let problems = mirror.status().problems;
        problems
            .iter()
            .any(|problem| problem.contains("store takes a string"))
    });
}
