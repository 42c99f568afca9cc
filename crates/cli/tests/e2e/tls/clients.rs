//! The clients that people use, by https: whole downloads and resumed ones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::secured_with;
use crate::{
    fleet::{Fleet, overspill},
    stage::{Stage, content, sha256},
    tools::{Need, has, run},
};

const SIZE_BYTES: usize = 3 << 20;
/// More than one window of HTTP/2, and less than curl asks leave for.
const SENT_BYTES: usize = 100_000;
const ACCESS_LOG: &str = "access.log";

/// A server, and how it is reached.
struct Scene {
    fleet: Fleet,
    bytes: Vec<u8>,
    plain: String,
    secure: String,
    certificate: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let bytes = content(2, SIZE_BYTES);
        stage.write("big.iso", &bytes);
        let log = stage.path(ACCESS_LOG);
        let logged = ["--access-log", log.to_str().unwrap()];
        let (fleet, secure, certificate) = secured_with(stage, &logged);
        Self {
            plain: format!("{}/big.iso", fleet.server.url),
            secure: format!("https://{secure}/big.iso"),
            fleet,
            bytes,
            certificate,
        }
    }

    /// A file with the first part of the download in it, or none.
    fn part(&self, name: &str, bytes: usize) -> PathBuf {
        let part = self.fleet.stage.path(name);
        let _ = fs::remove_file(&part);
        if bytes > 0 {
            fs::write(&part, &self.bytes[..bytes]).unwrap();
        }
        part
    }

    fn sent_bytes(&self) -> u64 {
        self.fleet.server.status().node.bytes_served
    }

    /// Downloads whole, and then all but the first third.
    fn check(&self, name: &str, download: impl Fn(&Path)) {
        for had_bytes in [0, SIZE_BYTES / 3] {
            let to = self.part(name, had_bytes);
            let before = self.sent_bytes();
            download(&to);
            let got = fs::read(&to).unwrap();
            assert_eq!(
                sha256(&got),
                sha256(&self.bytes),
                "{name}: {} bytes",
                got.len()
            );
            let sent = self.sent_bytes() - before;
            assert_eq!(sent, (SIZE_BYTES - had_bytes) as u64, "{name} was sent");
        }
    }
}

#[test]
fn curl_downloads_and_resumes_over_every_version() {
    if !has(
        "curl_downloads_and_resumes_over_every_version",
        &[Need::Program("curl")],
    ) {
        return;
    }
    let scene = Scene::new();
    for (flag, url, version) in [
        ("--http1.1", &scene.secure, "1.1"),
        ("--http2", &scene.secure, "2"),
        ("--http2-prior-knowledge", &scene.plain, "2"),
        ("--tlsv1.3", &scene.secure, "2"),
    ] {
        scene.check(&format!("curl{flag}"), |to| {
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sSf", "--noproxy", "*", "-w", "%{http_version}"]);
            curl.args([flag, "-C", "-", "--cacert"])
                .arg(&scene.certificate);
            let output = run(curl.arg("-o").arg(to).arg(url));
            assert_eq!(output.stdout, version.as_bytes(), "{flag}");
        });
    }
}

#[test]
fn wget_downloads_and_resumes() {
    if !has("wget_downloads_and_resumes", &[Need::Program("wget")]) {
        return;
    }
    let scene = Scene::new();
    scene.check("wget", |to| {
        let mut wget = Command::new("wget");
        wget.args(["--no-config", "-q", "--no-proxy", "-c", "-O"])
            .arg(to);
        wget.arg("--ca-certificate").arg(&scene.certificate);
        run(wget.arg("--no-hsts").arg(&scene.secure));
    });
}

/// It asks for all at first, to see how long that is, so the bytes sent tell nothing; the log does.
#[test]
fn aria2_downloads_and_resumes() {
    if !has("aria2_downloads_and_resumes", &[Need::Program("aria2c")]) {
        return;
    }
    let mut scene = Scene::new();
    for had_bytes in [0, SIZE_BYTES / 3] {
        let to = scene.part("aria2", had_bytes);
        let mut aria2c = Command::new("aria2c");
        aria2c.args([
            "--no-conf",
            "-q",
            "-c",
            "-x",
            "1",
            "--no-proxy=*",
            "-o",
            "aria2",
            "-d",
        ]);
        aria2c.arg(to.parent().unwrap());
        aria2c.arg(format!("--ca-certificate={}", scene.certificate.display()));
        run(aria2c.arg(&scene.secure));
        assert!(
            fs::read(&to).unwrap() == scene.bytes,
            "after {had_bytes} bytes"
        );
    }
    scene.fleet.server.stop();
    let log = fs::read_to_string(scene.fleet.stage.path(ACCESS_LOG)).unwrap();
    let rest = format!("\"offset\":{}", SIZE_BYTES / 3);
    assert!(log.contains(&rest), "{log}");
}

/// A body with GET means nothing, in any version (RFC 9110 section 9.3.1).
#[test]
fn curl_may_send_a_body_with_get() {
    if !has("curl_may_send_a_body_with_get", &[Need::Program("curl")]) {
        return;
    }
    let scene = Scene::new();
    let body = scene.part("body", SENT_BYTES);
    let to = scene.part("got", 0);
    for (flag, url) in [
        ("--http1.1", &scene.secure),
        ("--http2", &scene.secure),
        ("--http2-prior-knowledge", &scene.plain),
    ] {
        let mut curl = Command::new("curl");
        curl.args([
            "-q",
            "-sSf",
            "--noproxy",
            "*",
            flag,
            "-X",
            "GET",
            "--cacert",
        ]);
        curl.arg(&scene.certificate).arg("--data-binary");
        curl.arg(format!("@{}", body.display())).arg("-o").arg(&to);
        run(curl.arg(url));
        assert!(fs::read(&to).unwrap() == scene.bytes, "{flag}");
    }
}

#[test]
fn get_downloads_and_resumes() {
    let scene = Scene::new();
    let root = blake3::hash(&scene.bytes).to_hex();
    let of_what = json!({
        "v": 1,
        "url": scene.secure,
        "etag": format!("\"b3-{root}\""),
        "size": SIZE_BYTES,
    });
    scene.check("got", |to| {
        // What an interrupted run leaves: a part, and what it is a part of.
        if fs::rename(to, to.with_extension("part")).is_ok() {
            fs::write(to.with_extension("part.json"), of_what.to_string()).unwrap();
        }
        let mut get = overspill(["get", "-q", "--ca-file"]);
        get.arg(&scene.certificate).arg("-o").arg(to);
        run(get.arg(&scene.secure));
    });
}

/// Nobody is believed who is not vouched for.
#[test]
fn without_the_certificate_nobody_downloads() {
    let scene = Scene::new();
    let to = scene.part("refused", 0);
    let mut get = overspill(["get", "-q", "-o"]);
    let output = get.arg(&to).arg(&scene.secure).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("--ca-file"), "{stderr}");
    assert!(!to.exists());
}
