//! Whom a client believes: the authorities whose certificates it accepts.
//!
//! The system's are read when the first `https://` URL is asked, not before: reading them takes
//! longer than a small download over plain HTTP, and a machine without any can do those all the
//! same. It must never accept a certificate unchecked; there is no switch for it.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use thiserror::Error;
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::tls::{TlsError, read_chain};

/// The authorities a client trusts. Cheap to clone; clones share what was read.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Roots>);

/// Why there is nobody to trust.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TrustError {
    /// The system has no authorities, or none that can be read.
    #[error(
        "this system has no certificate authorities to check an https:// server by; install the \
         package ca-certificates, or give --ca-file"
    )]
    NoSystemRoots,
    /// rustls refuses our own settings.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

#[derive(Debug)]
enum Roots {
    Given(Arc<ClientConfig>),
    System(OnceCell<Arc<ClientConfig>>),
}

impl Trust {
    /// Who the system trusts: its folder of authorities, or what `SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// name.
    pub fn system() -> Self {
        Self(Arc::new(Roots::System(OnceCell::new())))
    }

    /// The certificates in a PEM file *instead of* the system's: who names the authority of their own
    /// fleet does not want any other to be able to vouch for it. A self-signed certificate is an
    /// authority for itself alone.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn ca_file(path: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for (at, certificate) in read_chain(path)?.into_iter().enumerate() {
            roots
                .add(certificate)
                .map_err(|error| TlsError::BadCertificate {
                    path: path.to_owned(),
                    number: at + 1,
                    reason: error.to_string(),
                })?;
        }
        let config = config(roots).map_err(TlsError::Setup)?;
        Ok(Self(Arc::new(Roots::Given(config))))
    }

    /// What to shake hands with; reads the system's authorities the first time.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        match &*self.0 {
            Roots::Given(config) => Ok(Arc::clone(config)),
            Roots::System(cell) => cell.get_or_try_init(read_system).await.cloned(),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::system()
    }
}

async fn read_system() -> Result<Arc<ClientConfig>, TrustError> {
    // A hundred small files, perhaps on a cold disk.
    let read = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let read = read.map_err(|panic| TrustError::Setup(panic.to_string()))?;
    let mut roots = RootCertStore::empty();
    // Systems keep a few that no longer parse; the others are worth no less for it.
    let (added, ignored) = roots.add_parsable_certificates(read.certs);
    tracing::debug!(added, ignored, errors = ?read.errors, "read the system's authorities");
    if added == 0 {
        return Err(TrustError::NoSystemRoots);
    }
    config(roots).map_err(|error| TrustError::Setup(error.to_string()))
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
