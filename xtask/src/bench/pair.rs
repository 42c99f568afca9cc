//! The certificate that all contenders show.
//!
//! A key on the curve P-256, as certificates are issued today: signing is most of what a handshake
//! costs a server, so everyone signs with the same kind of key.

use std::{fs, path::Path};

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::contender::Pair;

/// Writes a pair into `folder`.
pub(super) fn write(folder: &Path) -> Result<Pair> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    let pair = Pair {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    fs::write(&pair.cert, certificate.pem())?;
    fs::write(&pair.key, key.serialize_pem())?;
    Ok(pair)
}
