//! Certificates and keys in PEM files: read, matched with each other, and described.
//!
//! What is refused here would be refused by every client; better at the start than at the first
//! request. It must never keep a key in any form but the one rustls signs with.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time,
};

use super::error::TlsError;

/// A certificate chain and its key, as files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PemFiles {
    /// The chain: the node's own certificate first, then those that vouch for it.
    pub cert: PathBuf,
    /// The private key, not encrypted: PKCS#8, SEC1 or PKCS#1. It may be the same file.
    pub key: PathBuf,
}

/// What is known of the certificate in force, for status and the terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// Host names and addresses it is good for.
    pub names: Vec<String>,
    /// The last second of its validity, since 1970.
    pub not_after_unix_s: u64,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint` writes it.
    pub fingerprint: String,
    /// Where it was read from. A self-signed one is its own `--ca-file` for clients.
    pub file: PathBuf,
}

/// A certificate that can be shown: with its key, today.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) description: Description,
}

/// Most bytes of a PEM file: a hundred certificates, or ten times what anyone sends.
const FILE_BYTES_MAX: u64 = 256 << 10;

impl Identity {
    /// Reads a pair and checks everything about it that a client would.
    pub(super) fn read(
        files: &PemFiles,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let chain = read_chain(&files.cert)?;
        let signer = read_key(&files.key, provider)?;
        let [own, ..] = &chain[..] else {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        };
        let parsed = parse(own, &files.cert, 1)?;
        ensure_match(&chain, &signer, files)?;
        ensure_valid(&parsed, &files.cert, now)?;
        let description = Description {
            names: names_of(&parsed),
            not_after_unix_s: u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0),
            fingerprint: fingerprint(own),
            file: files.cert.clone(),
        };
        let key = Arc::new(CertifiedKey::new(chain, signer));
        Ok(Self { key, description })
    }
}

/// All certificates of a file.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_capped(path)?;
    let mut chain = Vec::new();
    for (at, certificate) in CertificateDer::pem_slice_iter(&text).enumerate() {
        let certificate = certificate.map_err(|error| TlsError::BadCertificate {
            path: path.to_owned(),
            number: at + 1,
            reason: error.to_string(),
        })?;
        parse(&certificate, path, at + 1)?;
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

fn read_key(path: &Path, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, TlsError> {
    let text = read_capped(path)?;
    let bad = |reason: String| TlsError::BadKey {
        path: path.to_owned(),
        reason,
    };
    let key = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) if is_encrypted(&text) => {
            return Err(TlsError::EncryptedKey(path.to_owned()));
        }
        Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey(path.to_owned())),
        // The parser's own words, but for those that would quote a line of the key.
        Err(pem::Error::Base64Decode(_)) => return Err(bad("it is no base64".to_owned())),
        Err(_) if is_encrypted(&text) => return Err(TlsError::EncryptedKey(path.to_owned())),
        Err(_) => return Err(bad("its PEM frame is broken".to_owned())),
    };
    provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| match is_encrypted(&text) {
            true => TlsError::EncryptedKey(path.to_owned()),
            false => bad(error.to_string()),
        })
}

/// Encrypted keys have a frame of their own (PKCS#8) or a field in it (PKCS#1, SEC1).
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn read_capped(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| unreadable(path, source);
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let mut capped = file.take(FILE_BYTES_MAX + 1);
    capped.read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLong {
            path: path.to_owned(),
            most: FILE_BYTES_MAX,
        });
    }
    Ok(text)
}

fn unreadable(path: &Path, source: io::Error) -> TlsError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => TlsError::NotPermitted(path),
        _ => TlsError::Unreadable { path, source },
    }
}

fn parse<'der>(
    certificate: &'der CertificateDer<'_>,
    path: &Path,
    number: usize,
) -> Result<X509Certificate<'der>, TlsError> {
    match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) => Ok(parsed),
        Err(error) => Err(TlsError::BadCertificate {
            path: path.to_owned(),
            number,
            reason: error.to_string(),
        }),
    }
}

/// The key must be that of the first certificate; that of a later one tells what went wrong.
fn ensure_match(
    chain: &[CertificateDer<'static>],
    signer: &Arc<dyn SigningKey>,
    files: &PemFiles,
) -> Result<(), TlsError> {
    let is_of = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], Arc::clone(signer));
        pair.keys_match().is_ok()
    };
    match chain.iter().position(is_of) {
        Some(0) => Ok(()),
        Some(at) => Err(TlsError::Order {
            path: files.cert.clone(),
            number: at + 1,
        }),
        None => Err(TlsError::Mismatch {
            cert: files.cert.clone(),
            key: files.key.clone(),
        }),
    }
}

fn ensure_valid(
    certificate: &X509Certificate<'_>,
    path: &Path,
    now: SystemTime,
) -> Result<(), TlsError> {
    let (from, until) = (
        system_time(certificate.validity().not_before),
        system_time(certificate.validity().not_after),
    );
    let path = path.to_owned();
    if now > until {
        return Err(TlsError::Expired { path, since: until });
    }
    if now < from {
        return Err(TlsError::NotYetValid { path, from });
    }
    Ok(())
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Alternative names, which are what clients look at (RFC 9525); the common name of old certificates
/// without any.
pub(super) fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let general = alternatives.map(|names| names.value.general_names.iter());
    let mut names: Vec<_> = general.into_iter().flatten().filter_map(name_of).collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| Some(name.as_str().ok()?.to_owned())));
    }
    names
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            Some(address.ok()?.to_string())
        }
        _ => None,
    }
}

/// `AB:CD:…`: what browsers and openssl show.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let pairs = digest.as_ref().iter().map(|byte| format!("{byte:02X}"));
    pairs.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root may read everything, so what the kernel says to others is put in its place.
    #[test]
    fn a_file_that_may_not_be_read_is_told_from_one_that_cannot() {
        for (kind, expected) in [
            (
                io::ErrorKind::PermissionDenied,
                "not permitted to read /k; let the user that runs this read it, for example by \
                 group",
            ),
            (
                io::ErrorKind::IsADirectory,
                "cannot read /k: is a directory",
            ),
        ] {
            let error = unreadable(Path::new("/k"), kind.into());
            assert_eq!(error.to_string(), expected);
        }
    }
}
