//! TLS as a client speaks it, with nothing mended.
//!
//! It must never take the end of a connection for the end of what was sent: without the alert that
//! says so (RFC 8446 section 6.1), reading fails.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::http::{self, Carrier, Wire};

/// A connection over TLS.
pub(crate) type Session = StreamOwned<ClientConnection, TcpStream>;

/// The terms on which a client talks; keeps the tickets of earlier sessions.
#[derive(Clone, Debug)]
pub(crate) struct Terms(pub(crate) Arc<ClientConfig>);

impl Terms {
    /// Trusts the certificate in this file alone, and offers these protocols.
    pub(crate) fn trusting(certificate: &Path, protocols: &[&str]) -> Self {
        Self::of(certificate, protocols, rustls::ALL_VERSIONS)
    }

    /// The same with these versions of TLS alone.
    pub(crate) fn of(
        certificate: &Path,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let pem = fs::read(certificate).expect("a certificate");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions that are built in")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().into())
            .collect();
        Self(Arc::new(config))
    }

    /// Shakes hands.
    pub(crate) fn shake(&self, address: SocketAddr) -> io::Result<Session> {
        let connection = ClientConnection::new(Arc::clone(&self.0), name(address));
        let connection = connection.map_err(io::Error::other)?;
        let mut session = StreamOwned::new(connection, http::tcp(address)?);
        while session.conn.is_handshaking() {
            session.conn.complete_io(&mut session.sock)?;
        }
        Ok(session)
    }

    /// Shakes hands, for bytes of HTTP/1.1.
    pub(crate) fn open(&self, address: SocketAddr) -> io::Result<Wire> {
        self.shake(address).map(Wire::over)
    }
}

/// What the certificate of the node at `address` has to be for.
pub(crate) fn name(address: SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(address.ip().into())
}

impl Carrier for Session {
    fn end(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock)?;
        }
        Ok(())
    }
}
