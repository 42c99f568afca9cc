//! Requests over TLS to a server in this process, with an authority of its own.

use std::{
    convert::Infallible,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use http::StatusCode;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::tls::{PemFiles, SelfSignedPlace, ServerTls, TlsError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority, and a folder for what it signs.
pub(super) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("one")
    }

    fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        fs::write(folder.path().join("authority.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::new(parameters, key);
        Self { folder, issuer }
    }

    /// Its own certificate.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    fn client(&self) -> HttpClient {
        HttpClient::with_trust(patience(), Trust::ca_file(&self.file()).unwrap())
    }

    /// A server with a certificate for `name`.
    pub(super) async fn greeter(&self, name: &str) -> Greeter {
        Greeter::with(self.sign(name, -1, 1)).await
    }

    /// A pair for `name`, whose validity began and ends so many days from now.
    fn sign(&self, name: &str, from_days: i32, until_days: i32) -> PemFiles {
        let at = |days: i32| {
            let (now, span) = (SystemTime::now(), DAY * days.unsigned_abs());
            if days < 0 { now - span } else { now + span }
        };
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = at(from_days).into();
        parameters.not_after = at(until_days).into();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let files = PemFiles {
            cert: self.folder.path().join("cert.pem"),
            key: self.folder.path().join("key.pem"),
        };
        fs::write(&files.cert, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

/// A server that says hello over TLS until it is dropped.
pub(super) struct Greeter {
    pub(super) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Greeter {
    async fn start(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            // One at a time will do; a client that turns away is no reason to end.
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let connection = http1::Builder::new();
                    let hello = service_fn(|_| async {
                        let body = Full::new(Bytes::from_static(b"hello"));
                        Ok::<_, Infallible>(Response::new(body))
                    });
                    tokio::spawn(connection.serve_connection(TokioIo::new(stream), hello));
                }
            }
        });
        Self {
            address,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    async fn with(files: PemFiles) -> Self {
        let tls = ServerTls::from_files(files).unwrap();
        Self::start(tls.current().into()).await
    }
}

fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(10),
    }
}

async fn ask(client: &HttpClient, url: &str) -> Result<Vec<u8>, ClientError> {
    let request = Request::get(url).body(Full::default()).unwrap();
    let reply = client.send(request).await?;
    assert_eq!(reply.status(), StatusCode::OK);
    reply.collect(100).await
}

/// What a client that trusts the authority is told about a certificate of it.
async fn fault_of(authority: &Authority, files: PemFiles) -> String {
    let greeter = Greeter::with(files).await;
    let url = format!("https://{}/", greeter.address);
    let error = ask(&authority.client(), &url).await.unwrap_err();
    assert!(error.is_lasting(), "{error}");
    error.to_string().replace(&greeter.address.to_string(), "H")
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_asked() {
    let authority = Authority::new();
    let greeter = Greeter::with(authority.sign("127.0.0.1", -1, 1)).await;
    let (client, address) = (authority.client(), greeter.address);
    for _ in 0..2 {
        let answer = ask(&client, &format!("https://{address}/")).await;
        assert_eq!(answer.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::self_signed(SelfSignedPlace {
        folder: folder.path().to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    });
    let tls = tls.unwrap();
    let greeter = Greeter::start(tls.current().into()).await;
    let trust = Trust::ca_file(&tls.describe().file).unwrap();
    let client = HttpClient::with_trust(patience(), trust);
    let url = format!("https://localhost:{}/", greeter.address.port());
    assert_eq!(ask(&client, &url).await.unwrap(), b"hello");
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_told_apart() {
    let authority = Authority::new();
    // The second has the name of the trusted one, as a self-signed certificate made anew would.
    for other in [Authority::named("two"), Authority::new()] {
        assert_eq!(
            fault_of(&authority, other.sign("127.0.0.1", -1, 1)).await,
            "the certificate of H is not signed by anyone trusted here; if it should be, give its \
             authority, or the certificate itself if it is self-signed, with --ca-file"
        );
    }
    assert_eq!(
        fault_of(&authority, authority.sign("h.example", -1, 1)).await,
        "the certificate of H is for another name; ask by a name it is for: h.example"
    );
}

/// Our own server refuses to start with one of these, so rustls is handed it directly.
async fn greeter_out_of_time(files: &PemFiles) -> Greeter {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_file(&files.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    Greeter::start(Arc::new(config.unwrap()).into()).await
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    let authority = Authority::new();
    for (from_days, until_days, expected) in [
        (-3, -1, CertificateFault::Expired),
        (1, 3, CertificateFault::NotYetValid),
    ] {
        let files = authority.sign("127.0.0.1", from_days, until_days);
        let greeter = greeter_out_of_time(&files).await;
        let url = format!("https://{}/", greeter.address);
        let error = ask(&authority.client(), &url).await.unwrap_err();
        let ClientError::Certificate { fault, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(fault, expected);
    }
}

#[tokio::test]
async fn an_authority_is_no_server() {
    let authority = Authority::new();
    let files = PemFiles {
        cert: authority.file(),
        key: authority.folder.path().join("key.pem"),
    };
    fs::write(&files.key, authority.issuer.key().serialize_pem()).unwrap();
    let error = fault_of(&authority, files).await;
    assert_eq!(
        error,
        "the certificate of H is one of an authority, not of a server; its operator has to make \
         another, with openssl by adding: -addext basicConstraints=critical,CA:FALSE"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(refusal).unwrap();
        // Reading to the client's end keeps the kernel from taking the answer back.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let client = Authority::new().client();
    let error = ask(&client, &format!("https://{address}/"))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NotTls { .. }), "{error:?}");
    plain.await.unwrap();
}

#[tokio::test]
async fn plain_http_works_whoever_is_trusted() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let hello = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        });
        let connection = http1::Builder::new();
        connection
            .serve_connection(TokioIo::new(stream), hello)
            .await
    });
    let client = Authority::new().client();
    assert_eq!(
        ask(&client, &format!("http://{address}/")).await.unwrap(),
        b"hello"
    );
    drop(client);
    server.await.unwrap().unwrap();
}

#[test]
fn a_file_without_an_authority_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    fs::write(&path, "nothing").unwrap();
    assert!(matches!(
        Trust::ca_file(&path),
        Err(TlsError::NoCertificate(_))
    ));
    assert!(matches!(
        Trust::ca_file(&folder.path().join("none")),
        Err(TlsError::Unreadable { .. })
    ));
}
