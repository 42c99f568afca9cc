//! A certificate that nobody vouches for, kept in the state folder.
//!
//! It is the same after a restart, so that a client that was given it once goes on trusting it; a
//! new one is made when the old one is about to end, or when the machine got other names. It must
//! never write the key where anyone but its owner can read it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;

use super::{
    certificates::{Description, Identity, PemFiles},
    error::TlsError,
    unix_s,
};

/// Where a self-signed certificate is kept, and whom it is for.
#[derive(Clone, Debug)]
pub struct SelfSignedPlace {
    /// The folder for it, made if need be; within the node's state folder.
    pub folder: PathBuf,
    /// Where the node listens; an address of this kind becomes one of its names.
    pub listen: SocketAddr,
}

/// The certificate in its place.
#[derive(Debug)]
pub(super) struct SelfSigned {
    folder: PathBuf,
    files: PemFiles,
    /// Sorted.
    names: Vec<String>,
}

/// How long one is valid: browsers refuse longer ones (825 days at the most, 398 by now).
const LIFETIME: Duration = Duration::from_secs(397 * DAY_S);
/// How long before its end a new one is made.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * DAY_S);
/// Clocks of clients may be behind ours.
const BACKDATED: Duration = Duration::from_secs(3600);
const DAY_S: u64 = 24 * 60 * 60;

/// Whether the end is so near that a new one is needed.
pub(super) fn is_due(description: &Description, now: SystemTime) -> bool {
    unix_s(now + RENEWED_BEFORE) > description.not_after_unix_s
}

impl SelfSigned {
    pub(super) fn new(place: SelfSignedPlace) -> Self {
        let SelfSignedPlace { folder, listen } = place;
        let files = PemFiles {
            cert: folder.join("self-signed.pem"),
            key: folder.join("self-signed.key"),
        };
        let node = rustix::system::uname();
        let host = node.nodename().to_string_lossy();
        Self {
            folder,
            files,
            names: names(&host, listen),
        }
    }

    /// The one there is, if it is good for a while and for our names; else a new one.
    pub(super) fn read_or_make(
        &self,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Identity, TlsError> {
        let kept = Identity::read(&self.files, provider, now);
        match kept {
            Ok(kept) if self.fits(&kept.description, now) => return Ok(kept),
            // Somebody else's, perhaps; nothing to write over.
            Err(error @ TlsError::NotPermitted(_)) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        self.make(now)?;
        let made = Identity::read(&self.files, provider, now)?;
        let Description {
            fingerprint, file, ..
        } = &made.description;
        tracing::info!(
            event = "certificate-made", %fingerprint, file = %file.display(),
            "made a self-signed certificate; clients need --ca-file with it"
        );
        Ok(made)
    }

    fn fits(&self, kept: &Description, now: SystemTime) -> bool {
        let mut names = kept.names.clone();
        names.sort();
        names == self.names && !is_due(kept, now)
    }

    fn make(&self, now: SystemTime) -> Result<(), TlsError> {
        let failed = |error: rcgen::Error| TlsError::Make(error.to_string());
        // A new key each time: browsers refuse two certificates of one issuer and serial number,
        // and the serial number is made from the key.
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = self.parameters(now).map_err(failed)?;
        let certificate = certificate.self_signed(&key).map_err(failed)?;
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| TlsError::Unwritable {
            path: self.folder.clone(),
            source,
        })?;
        // Ending in between leaves a pair that does not match, for which a new one is made.
        write_atomically(&self.files.key, &key.serialize_pem(), 0o600)?;
        write_atomically(&self.files.cert, &certificate.pem(), 0o644)
    }

    fn parameters(&self, now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
        let mut parameters = CertificateParams::new(self.names.clone())?;
        parameters.not_before = (now - BACKDATED).into();
        parameters.not_after = (now + LIFETIME).into();
        parameters.distinguished_name = DistinguishedName::new();
        let subject = "Overspill self-signed";
        parameters
            .distinguished_name
            .push(DnType::CommonName, subject);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(parameters)
    }
}

/// What clients may call this node: by name, on the machine itself, and where it listens.
fn names(host: &str, listen: SocketAddr) -> Vec<String> {
    let loopback = [
        "localhost".to_owned(),
        IpAddr::from(Ipv4Addr::LOCALHOST).to_string(),
        IpAddr::from(Ipv6Addr::LOCALHOST).to_string(),
    ];
    let mut names = Vec::from(loopback);
    if is_host_name(host) {
        names.push(host.to_owned());
    }
    let address = listen.ip().to_canonical();
    if !address.is_unspecified() {
        names.push(address.to_string());
    }
    names.sort();
    names.dedup();
    names
}

/// Letters, digits, dots and hyphens (RFC 952): what a certificate can hold.
fn is_host_name(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    !host.is_empty() && host.bytes().all(is_plain) && host.parse::<IpAddr>().is_err()
}

/// Writes beside the file and renames, so that no reader sees a half of it.
fn write_atomically(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let write = || -> io::Result<()> {
        let draft = path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        // Made anew, so that the mode is ours and not that of a file left behind.
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|source| TlsError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_the_machine_and_where_it_listens() {
        for (host, listen, expected) in [
            ("box", "0.0.0.0:1", "127.0.0.1 ::1 box localhost"),
            ("box", "[::]:1", "127.0.0.1 ::1 box localhost"),
            (
                "box.lan",
                "10.0.0.7:1",
                "10.0.0.7 127.0.0.1 ::1 box.lan localhost",
            ),
            ("localhost", "127.0.0.1:1", "127.0.0.1 ::1 localhost"),
            (
                "no name",
                "[::ffff:10.0.0.7]:1",
                "10.0.0.7 127.0.0.1 ::1 localhost",
            ),
            ("", "[fe80::1]:1", "127.0.0.1 ::1 fe80::1 localhost"),
        ] {
            let names = names(host, listen.parse().unwrap());
            assert_eq!(names.join(" "), expected, "{host} {listen}");
        }
    }
}
