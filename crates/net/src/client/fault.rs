//! What went wrong on the way to an answer, told from the layers that wrap it.
//!
//! hyper, hyper-rustls and the standard library each put their own error around the cause; callers
//! get the one thing they can act on. It must never guess: what is not recognised keeps the words
//! of its innermost cause.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError, Error as RustlsError};

use super::{ClientError, proxy::ProxyError, trust::TrustError};

/// Why a server's certificate is not accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It is made to sign others, not for a server; openssl makes self-signed ones so by default.
    Authority,
    /// Its validity is over.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Anything else, in rustls' words.
    Other(String),
    /// No authority we trust vouches for it.
    UnknownIssuer,
    /// It is for other names than the one asked; these, if they could be read.
    WrongName(Vec<String>),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority => f.write_str(
                "is one of an authority, not of a server; its operator has to make another, with \
                 openssl by adding: -addext basicConstraints=critical,CA:FALSE",
            ),
            Self::Expired => f.write_str(
                "expired; its operator has to renew it, unless the clock of this machine is wrong",
            ),
            Self::NotYetValid => f.write_str("is not valid yet; check the clock of this machine"),
            Self::Other(reason) => write!(f, "is not accepted: {reason}"),
            Self::UnknownIssuer => f.write_str(
                "is not signed by anyone trusted here; if it should be, give its authority, or the \
                 certificate itself if it is self-signed, with --ca-file",
            ),
            Self::WrongName(names) => {
                f.write_str("is for another name; ask by a name it is for")?;
                let mut separator = ": ";
                for name in names {
                    write!(f, "{separator}{name}")?;
                    separator = ", ";
                }
                Ok(())
            }
        }
    }
}

impl CertificateFault {
    fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName => Self::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().take(NAMES_SHOWN_MAX);
                Self::WrongName(names.map(|name| plain_name(name)).collect())
            }
            // Also an authority of the same name but another key, perhaps of another kind: a
            // self-signed certificate made anew.
            CertificateError::BadSignature
            | CertificateError::UnknownIssuer
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::UnknownIssuer
            }
            // rustls has no name for it, and wraps the error of a crate that it does not show.
            CertificateError::Other(other) if format!("{other:?}").contains(USED_AS_SERVER) => {
                Self::Authority
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// `DnsName("h.example")` and `IpAddress(10.0.0.7)` as rustls presents them, without the wrapping.
fn plain_name(presented: &str) -> String {
    let inner = presented
        .split_once('(')
        .map_or(presented, |(_, name)| name);
    inner.trim_matches(['"', '(', ')']).to_owned()
}

/// What an error of the pool means for a request to `authority`.
pub(super) fn classify(
    error: &hyper_util::client::legacy::Error,
    authority: String,
) -> ClientError {
    let reason = || innermost(error);
    if let Some(trust) = find::<TrustError>(error) {
        return ClientError::Trust(trust.clone());
    }
    if let Some(proxy) = find::<ProxyError>(error) {
        return ClientError::Proxy(proxy.clone());
    }
    match find::<RustlsError>(error) {
        Some(RustlsError::InvalidCertificate(refused)) => ClientError::Certificate {
            authority,
            fault: CertificateFault::of(refused),
        },
        Some(RustlsError::InvalidMessage(_)) if error.is_connect() => {
            ClientError::NotTls { authority }
        }
        Some(RustlsError::AlertReceived(alert)) => ClientError::Connect {
            authority,
            reason: alert_reason(*alert),
        },
        _ if error.is_connect() => ClientError::Connect {
            authority,
            reason: reason(),
        },
        _ if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) => {
            ClientError::NotHttp { authority }
        }
        _ => ClientError::Exchange {
            authority,
            reason: reason(),
        },
    }
}

fn alert_reason(alert: AlertDescription) -> String {
    format!("it refused the TLS handshake ({alert:?})")
}

/// The outermost error of type `E` in the chain.
fn find<'error, E: StdError + 'static>(
    error: &'error (dyn StdError + 'static),
) -> Option<&'error E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = below(error);
    }
    None
}

/// The cause of an error. An `io::Error` names the cause of what it holds, and skips that itself.
fn below<'error>(
    error: &'error (dyn StdError + 'static),
) -> Option<&'error (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(held) => Some(held),
        None => error.source(),
    }
}

/// The last error in the chain: what the operating system said, without the layers around it.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = below(last) {
        last = source;
    }
    last.to_string()
}

/// What webpki calls the certificate of an authority that is shown by a server.
const USED_AS_SERVER: &str = "CaUsedAsEndEntity";
/// Most names of a certificate in one message: those of large sites have a hundred.
const NAMES_SHOWN_MAX: usize = 5;
