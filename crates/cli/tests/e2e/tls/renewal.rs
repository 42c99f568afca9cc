//! A certificate is renewed on disk while its node serves.

use std::{fs, path::PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::{
    fleet::{Fleet, Setup},
    secure::Terms,
    stage::{LONG, Stage, wait_for},
};

/// A certificate and its key, in the stage's folder.
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    /// One for the loopback that signs for itself.
    pub(crate) fn make(stage: &Stage, name: &str) -> Self {
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.unwrap();
        let pair = Self {
            cert: stage.path(format!("{name}.pem")),
            key: stage.path(format!("{name}.key")),
        };
        fs::write(&pair.cert, cert.pem()).unwrap();
        fs::write(&pair.key, signing_key.serialize_pem()).unwrap();
        pair
    }

    /// What a node is told to use it.
    pub(crate) fn args(&self) -> [&str; 6] {
        let [cert, key] = [&self.cert, &self.key].map(|path| path.to_str().unwrap());
        [
            "--tls-cert",
            cert,
            "--tls-key",
            key,
            "--tls-listen",
            "127.0.0.1:0",
        ]
    }
}

/// Puts copies in the place of `served`.
fn replace(served: &Pair, cert: &Pair, key: &Pair) {
    fs::copy(&cert.cert, &served.cert).unwrap();
    fs::copy(&key.key, &served.key).unwrap();
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_alone() {
    let stage = Stage::new();
    stage.write("hello.txt", b"hello world");
    let [served, old, new, bad] = ["served", "old", "new", "bad"].map(|at| Pair::make(&stage, at));
    replace(&served, &old, &old);
    let setup = Setup {
        server: &served.args(),
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    let address = fleet.server.secure.unwrap();
    let [by_old, by_new] = [&old, &new].map(|pair| Terms::trusting(&pair.cert, &["http/1.1"]));
    let ask = "GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n";

    let mut earlier = by_old.open(address).unwrap();
    earlier.send(ask);
    assert_eq!(earlier.reply().status, 200);
    replace(&served, &new, &new);
    wait_for("the new certificate", LONG, || {
        by_new.shake(address).is_ok()
    });
    assert!(Terms::trusting(&old.cert, &[]).shake(address).is_err());
    earlier.send(ask);
    assert_eq!(earlier.reply().status, 200);

    // A key that is not the certificate's: what works stays.
    replace(&served, &new, &bad);
    wait_for("a complaint about the pair", LONG, || {
        fleet.server.log().contains("WARN")
    });
    let mut later = Terms::trusting(&new.cert, &[]).open(address).unwrap();
    later.send(ask);
    assert_eq!(later.reply().status, 200);
    // And once it is mended, it is taken.
    replace(&served, &bad, &bad);
    let by_bad = Terms::trusting(&bad.cert, &[]);
    wait_for("the mended pair", LONG, || by_bad.shake(address).is_ok());
}
