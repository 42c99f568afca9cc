//! Fleets by https: mirrors that join by it, clients that are never sent out of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::renewal::Pair;
use crate::{
    fleet::{Fleet, Node, overspill, serve},
    http,
    secure::Terms,
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run},
};

const SIZE_BYTES: usize = 3 << 20;
/// So many are asked that each mirror is seen.
const ASKED: usize = 20;

/// A server with hardly any capacity, a mirror in the clear and one that speaks https, both of which
/// joined by https.
fn fleet() -> (Fleet, PathBuf, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(4, SIZE_BYTES);
    stage.write("big.iso", &bytes);
    let pair = Pair::make(&stage, "pair");
    let slow = ["--capacity", "1KiB/s", "--policy", "round-robin"];
    let args = [&slow[..], &pair.args()].concat();
    let server = Node::start(&stage, "server", serve(&stage, "127.0.0.1:0", &args));
    let mirrors = [("plain", &[][..]), ("secure", &pair.args())].map(|(name, args)| {
        let mut mirror = overspill(["mirror", "--die-with-parent", "--listen", "127.0.0.1:0"]);
        mirror.arg("--store").arg(stage.path(name));
        mirror.arg("--ca-file").arg(&pair.cert).args(args);
        mirror.arg(format!("https://{}", server.secure.unwrap()));
        mirror.env("OVERSPILL_TOKEN", server.token());
        Node::start(&stage, name, mirror)
    });
    let fleet = Fleet {
        mirrors: mirrors.into(),
        server,
        stage,
    };
    fleet.converge();
    (fleet, pair.cert, bytes)
}

/// Where so many requests by TLS are sent, if anywhere.
fn sent_by_https(fleet: &Fleet, certificate: &Path) -> Vec<String> {
    let terms = Terms::trusting(certificate, &["http/1.1"]);
    let address = fleet.server.secure.unwrap();
    let location = |_| {
        let mut wire = terms.open(address).unwrap();
        wire.send(http::request("GET", address, "/big.iso", ""));
        wire.reply().field("location").map(ToOwned::to_owned)
    };
    (0..ASKED).filter_map(location).collect()
}

/// Where so many requests in the clear are sent, if anywhere.
fn sent_by_http(fleet: &Fleet) -> Vec<String> {
    let location = |_| {
        let reply = fleet.server.get("/big.iso");
        reply.field("location").map(ToOwned::to_owned)
    };
    (0..ASKED).filter_map(location).collect()
}

#[test]
fn nobody_is_sent_out_of_https() {
    let (fleet, certificate, _) = fleet();
    fleet.redirect("/big.iso");
    let secure = format!("https://{}/", fleet.mirrors[1].secure.unwrap());
    let plain = format!("{}/", fleet.mirrors[0].url);
    let sent = sent_by_https(&fleet, &certificate);
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|url| url.starts_with(&secure)), "{sent:?}");
    // Who asked in the clear goes to both.
    for start in [&secure, &plain] {
        wait_for(&format!("a redirect to {start}"), LONG, || {
            sent_by_http(&fleet)
                .iter()
                .any(|url| url.starts_with(start))
        });
    }
}

#[test]
fn downloads_by_https_go_through_redirects() {
    let (fleet, certificate, bytes) = fleet();
    fleet.redirect("/big.iso");
    let url = format!("https://{}/big.iso", fleet.server.secure.unwrap());
    let to = fleet.stage.path("got");
    let mut get = overspill(["get", "-q", "--ca-file"]);
    run(get.arg(&certificate).arg("-o").arg(&to).arg(&url));
    assert_eq!(sha256(&fs::read(&to).unwrap()), sha256(&bytes), "get");
    if !has(
        "downloads_by_https_go_through_redirects",
        &[Need::Program("curl")],
    ) {
        return;
    }
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new("curl");
        curl.args(["-q", "-sSfL", "--noproxy", "*", version, "--cacert"]);
        curl.arg(&certificate).arg("-o").arg(&to);
        run(curl.args(["-w", "%{url_effective}"]).arg(&url));
        assert_eq!(
            sha256(&fs::read(&to).unwrap()),
            sha256(&bytes),
            "curl {version}"
        );
    }
}
