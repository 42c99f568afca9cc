//! What certificate a server shows, whether or not anybody would accept it.
//!
//! For looking only: the connection is closed after the handshake, and nothing may ever be sent or
//! read over it, for nobody has been believed to be who they say.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::certificates::names_of;

/// A certificate as a client sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShownCertificate {
    /// Host names and addresses it is good for.
    pub names: Vec<String>,
    /// The last second of its validity, since 1970; negative if it is older than that.
    pub not_after_unix_s: i64,
}

/// The certificate that the server at `address` shows to who asks for `host`.
///
/// # Errors
/// When there is no connection, no TLS or no certificate within `patience`.
pub async fn shown_certificate(
    address: SocketAddr,
    host: &str,
    patience: Duration,
) -> io::Result<ShownCertificate> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config()?));
    let shake = async {
        let stream = TcpStream::connect(address).await?;
        connector.connect(name, stream).await
    };
    let session = timeout(patience, shake).await??;
    let (_, connection) = session.get_ref();
    let chain = connection.peer_certificates().unwrap_or_default(); // lexicon-ok: rustls names it so
    let own = chain.first().ok_or(io::ErrorKind::NotFound)?;
    let (_, parsed) = X509Certificate::from_der(own).map_err(io::Error::other)?;
    Ok(ShownCertificate {
        names: names_of(&parsed),
        not_after_unix_s: parsed.validity().not_after.timestamp(),
    })
}

fn config() -> io::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let looking = Arc::new(Looking(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config
        .dangerous()
        .with_custom_certificate_verifier(looking)
        .with_no_client_auth())
}

/// Looks at whatever is shown.
#[derive(Debug)]
struct Looking(Arc<CryptoProvider>);

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
