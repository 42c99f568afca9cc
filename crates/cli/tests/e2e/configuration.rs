//! The configuration file: begun, checked, shown, and enough to start a service.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    bad_input::refused,
    fleet::{Node, overspill},
    stage::Stage,
    tools::{Need, has, run},
};

fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

#[test]
fn a_file_that_was_begun_is_good_and_is_not_written_over() {
    let stage = Stage::new();
    let file = stage.path("overspill.toml");
    let init = || {
        let mut command = overspill(["config", "init"]);
        command.arg(&file);
        command
    };
    assert!(text(&mut init()).contains("overspill.toml written"));
    let mut check = overspill(["config", "check"]);
    assert!(text(check.arg(&file)).ends_with("good for serve and mirror\n"));
    let mut by_name = overspill(["config", "check"]);
    assert!(text(by_name.env("OVERSPILL_CONFIG", &file)).contains("good"));
    fs::write(&file, "mine").unwrap();
    refused(
        "a file that is there",
        &mut init(),
        &["overspill.toml is there already"],
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert!(text(&mut overspill(["config", "init", "-"])).contains("# max_egress = "));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let stage = Stage::new();
    let file = stage.path("bad.toml");
    let bad = "[limits]\nmax_conections = 1\nidle_timeout = 60\n\n[serve]\npolicy = \"fair\"\n";
    fs::write(&file, bad).unwrap();
    let mut check = overspill(["config", "check"]);
    let mut start = overspill(["serve", "--config"]);
    let mut show = overspill(["config", "show", "serve", "--config"]);
    for command in [check.arg(&file), start.arg(&file).arg("."), show.arg(&file)] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        for (line, place) in lines.iter().zip([":2:1: ", ":3:16: ", ":6:10: "]) {
            let start = format!("overspill: {}{place}", file.display());
            assert!(line.starts_with(&start), "{line}");
        }
    }
}

#[test]
fn what_the_disk_does_not_have_is_told_before_a_start() {
    let stage = Stage::new();
    let file = stage.path("overspill.toml");
    let [cert, key] = ["absent.pem", "absent.key"].map(|name| stage.path(name));
    let config = format!(
        "[serve]\nfolder = {:?}\nstate = {:?}\n[tls]\ntls_cert = {cert:?}\ntls_key = {key:?}\n\
         [access_log]\naccess_log = {:?}\n",
        stage.path("absent"),
        file.join("below-a-file"),
        stage.path("absent/access.log"),
    );
    fs::write(&file, config).unwrap();
    let output = overspill(["config", "check"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 4, "{told}");
    for part in [
        ":2:1: ",
        "absent does not exist",
        ":3:1: cannot use the state folder: ",
        "is not a folder",
        "absent.pem: No such file",
        ":8:1: cannot write the access log ",
    ] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

#[test]
fn what_is_in_force_is_shown_with_its_sources_and_means_the_same_again() {
    let stage = Stage::new();
    let file = stage.path("overspill.toml");
    let config = "[serve]\nfolder = \".\"\nhidden = true\n[limits]\nmax_egress = \"1Gbit/s\"\n\
                  min_rate = \"1KiB/s\"\n[zones]\nnorth = [\"10.0.0.0/8\"]\n\
                  [[rule]]\nmatch = [\"*.iso\"]\nheaders = { X-A = \"a\\\"b\" }\n";
    fs::write(&file, config).unwrap();
    let show = |options: &[&str]| {
        let mut command = overspill(["config", "show"]);
        command
            .args(options)
            .args(["serve", "--threads", "2", "--config"])
            .arg(&file);
        command.env("OVERSPILL_MIN_RATE", "2KiB/s");
        text(&mut command)
    };
    let shown = show(&[]);
    for line in [
        "threads = 2  # command line".to_owned(),
        "min_rate = \"2KiB/s\"  # OVERSPILL_MIN_RATE".to_owned(),
        format!("max_egress = \"1Gbit/s\"  # {}:5:1", file.display()),
        format!("hidden = true  # {}:3:1", file.display()),
        "# policy = \"marginal-cost\"  # default".to_owned(),
        "# capacity: none  # default".to_owned(),
    ] {
        assert!(
            shown.lines().any(|found| found == line),
            "{line} is not in: {shown}"
        );
    }
    let again = stage.path("again.toml");
    fs::write(&again, &shown).unwrap();
    let mut second = overspill(["config", "show", "--json", "serve", "--config"]);
    let second: Value = serde_json::from_str(&text(second.arg(&again))).unwrap();
    let first: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    let values = |shown: &Value| {
        let settings = shown["settings"].as_array().unwrap().iter();
        settings.map(|one| one["value"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&first), values(&second));
    assert_eq!(
        (&first["rules"], &first["zones"]),
        (&second["rules"], &second["zones"])
    );
    assert_eq!(first["rules"][0]["headers"]["X-A"], "a\"b");
}

#[test]
fn the_token_is_never_shown() {
    let stage = Stage::new();
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for options in [&[][..], &["--json"]] {
        let mut command = overspill(["config", "show"]);
        command.args(options).args(["mirror", "http://h:8080"]);
        let output = run(command.env("OVERSPILL_TOKEN", secret));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("OVERSPILL_TOKEN"), "{shown}");
        assert!(!shown.contains(secret), "{shown}");
    }
    let file = stage.path("overspill.toml");
    fs::write(&file, format!("[mirror]\ntoken = {secret:?}\n")).unwrap();
    let output = overspill(["config", "check"]).arg(&file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("token is a secret") && !told.contains(secret),
        "{told}"
    );
}

#[test]
fn a_file_alone_starts_a_server_and_a_mirror() {
    let stage = Stage::new();
    stage.write("hello.txt", b"hello world");
    let file = stage.path("overspill.toml");
    let serve = format!(
        "[serve]\nfolder = {:?}\nstate = {:?}\nlisten = \"127.0.0.1:0\"\n",
        stage.tree(),
        stage.path("state")
    );
    fs::write(&file, &serve).unwrap();
    let mut command = overspill(["serve", "--die-with-parent", "--config"]);
    command.arg(&file);
    let server = Node::start(&stage, "server", command);
    let mirror = format!(
        "{serve}\n[mirror]\nserver = {:?}\nstore = {:?}\nlisten = \"127.0.0.1:0\"\n\
         token_file = {:?}\n",
        server.url,
        stage.path("store"),
        stage.path("state/token"),
    );
    fs::write(&file, mirror).unwrap();
    let mut command = overspill(["mirror", "--die-with-parent"]);
    command.env("OVERSPILL_CONFIG", &file);
    let mirror = Node::start(&stage, "mirror", command);
    crate::stage::wait_for("the file on the mirror", crate::stage::LONG, || {
        mirror.get("/hello.txt").body == b"hello world"
    });
}

#[test]
fn a_file_in_the_working_folder_is_not_read() {
    let stage = Stage::new();
    fs::write(stage.path("overspill.toml"), "[serve]\nfolder = \".\"\n").unwrap();
    let mut command = overspill(["serve"]);
    command.current_dir(stage.path("."));
    refused("no folder", &mut command, &["<DIR> is missing", "[serve]"]);
}

#[test]
fn units_for_systemd_are_ones() {
    if !has(
        "units_for_systemd_are_ones",
        &[Need::Program("systemd-analyze")],
    ) {
        return;
    }
    let stage = Stage::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd");
    for name in ["overspill-server.service", "overspill-mirror.service"] {
        let unit = fs::read_to_string(folder.join(name)).unwrap();
        // The program has to be there to be verified.
        let here = unit.replace("/usr/bin/overspill", env!("CARGO_BIN_EXE_overspill"));
        let file = stage.path(name);
        fs::write(&file, here).unwrap();
        let output = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&file)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = told
            .lines()
            .filter(|line| line.contains("overspill"))
            .collect();
        assert!(output.status.success() && ours.is_empty(), "{name}: {told}");
        assert!(
            unit.contains("ExecReload=/bin/kill -HUP $MAINPID"),
            "{name}"
        );
    }
}
