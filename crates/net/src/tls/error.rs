//! What can be wrong with a certificate, said so that an operator can mend it.
//!
//! A message names files and never holds a byte of a key.

use std::{io, path::PathBuf, time::SystemTime};

use thiserror::Error;

/// Why a certificate cannot be used. All the operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate that rustls or we cannot make sense of.
    #[error("{path}: certificate {number} is damaged: {reason}; export it again as PEM")]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which one in the file, from 1.
        number: usize,
        /// What was found wrong.
        reason: String,
    },
    /// A key of a kind or in a form that cannot be used.
    #[error("{path}: the key cannot be used: {reason}; give an RSA, ECDSA or Ed25519 key")]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What was found wrong.
        reason: String,
    },
    /// A key that needs a password.
    #[error(
        "{0}: the key is encrypted; write a plain copy, readable by its owner alone, with: openssl \
         pkey -in {0} -out KEY"
    )]
    EncryptedKey(PathBuf),
    /// The certificate is no longer valid.
    #[error("{path}: the certificate expired on {}; renew it", date(*since))]
    Expired {
        /// The file.
        path: PathBuf,
        /// The end of its validity.
        since: SystemTime,
    },
    /// A certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Make(String),
    /// The key belongs to another certificate.
    #[error("the key in {key} is not the one of the certificate in {cert}; give a pair")]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// No certificate in the file.
    #[error("{0} holds no certificate; it should have a line -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    /// No key in the file.
    #[error("{0} holds no private key; it should have a line -----BEGIN PRIVATE KEY-----")]
    NoKey(PathBuf),
    /// Not permitted.
    #[error("not permitted to read {0}; let the user that runs this read it, for example by group")]
    NotPermitted(PathBuf),
    /// The validity begins in the future.
    #[error("{path}: the certificate is valid only from {}; check the clock", date(*from))]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// The beginning of its validity.
        from: SystemTime,
    },
    /// The node's own certificate is not the first one.
    #[error(
        "{path}: the certificate of the key is number {number}; it must come first, before those \
         that vouch for it"
    )]
    Order {
        /// The file.
        path: PathBuf,
        /// Where it was found, from 1.
        number: usize,
    },
    /// rustls refuses our own settings.
    #[error("cannot set up TLS: {0}")]
    Setup(#[source] rustls::Error),
    /// More than a certificate chain can be.
    #[error("{path} has more than {most} bytes; give the certificate chain or key alone")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The cap in bytes.
        most: u64,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A self-signed certificate cannot be kept.
    #[error("cannot write {path}: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// `2026-11-23`, in UTC.
fn date(time: SystemTime) -> String {
    let text = calendar_date(time);
    text.unwrap_or_else(|| "a date out of range".to_owned())
}

fn calendar_date(time: SystemTime) -> Option<String> {
    let seconds = i64::try_from(super::unix_s(time)).ok()?;
    let date = x509_parser::time::ASN1Time::from_timestamp(seconds).ok()?;
    let date = date.to_datetime();
    Some(format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    ))
}
