//! Pairs of files, good and bad, and handshakes over memory.

use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use base64::Engine;
use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_RSA_SHA256, SigningKey};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore,
    ServerConnection,
    pki_types::{CertificateDer, pem::PemObject},
};
use tempfile::TempDir;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A folder with `cert.pem` and `key.pem`.
pub(super) struct Pair {
    folder: TempDir,
}

impl Pair {
    pub(super) fn new() -> Self {
        let pair = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        pair.write(&["h.example"]);
        pair
    }

    /// Writes a new certificate and key, valid now.
    pub(super) fn write(&self, names: &[&str]) {
        self.write_valid(names, SystemTime::now() - HOUR, SystemTime::now() + HOUR);
    }

    fn write_valid(&self, names: &[&str], from: SystemTime, until: SystemTime) {
        let key = KeyPair::generate().unwrap();
        fs::write(self.files().cert, certificate(names, &key, from, until)).unwrap();
        fs::write(self.files().key, key.serialize_pem()).unwrap();
    }

    pub(super) fn files(&self) -> PemFiles {
        PemFiles {
            cert: self.folder.path().join("cert.pem"),
            key: self.folder.path().join("key.pem"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The error of this pair, with the folder taken out of it.
    fn error(&self) -> String {
        let error = ServerTls::from_files(self.files()).unwrap_err().to_string();
        error.replace(&format!("{}/", self.path().display()), "")
    }
}

fn certificate(
    names: &[&str],
    key: &impl SigningKey,
    from: SystemTime,
    until: SystemTime,
) -> String {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    (parameters.not_before, parameters.not_after) = (from.into(), until.into());
    parameters.self_signed(key).unwrap().pem()
}

/// What a handshake came to, as the client sees it.
struct Shaken {
    version: ProtocolVersion,
    protocol: Option<Vec<u8>>,
    kind: HandshakeKind,
    tickets: u32,
}

/// A client that trusts the certificate in `file`.
fn client(file: &Path, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(file).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_protocol_versions(versions).unwrap();
    config.with_root_certificates(roots).with_no_client_auth()
}

fn shake(tls: &ServerTls, client: &Arc<ClientConfig>, name: &str) -> Result<Shaken, rustls::Error> {
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(tls.current())?;
    // Two flights each way, and one for the tickets.
    for _ in 0..3 {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        server.read_tls(&mut &flight[..]).unwrap();
        server.process_new_packets()?;
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).unwrap();
        }
        let mut flight = &flight[..];
        while !flight.is_empty() {
            client.read_tls(&mut flight).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(Shaken {
        version: client.protocol_version().unwrap(),
        protocol: client.alpn_protocol().map(<[u8]>::to_vec),
        kind: client.handshake_kind().unwrap(),
        tickets: client.tls13_tickets_received(),
    })
}

#[test]
fn both_versions_are_spoken_and_http_2_is_preferred() {
    let pair = Pair::new();
    let tls = ServerTls::from_files(pair.files()).unwrap();
    for (offered, version, tickets) in [
        (&TLS13, ProtocolVersion::TLSv1_3, 2),
        (&TLS12, ProtocolVersion::TLSv1_2, 0),
    ] {
        for (protocols, chosen) in [
            (&["http/1.1", "h2"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let mut client = client(&pair.files().cert, &[offered]);
            client.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
            let shaken = shake(&tls, &Arc::new(client), "h.example").unwrap();
            assert_eq!(shaken.version, version);
            assert_eq!(shaken.protocol.as_deref(), chosen.map(str::as_bytes));
            assert_ne!(shaken.kind, HandshakeKind::Resumed);
            assert_eq!(shaken.tickets, tickets, "{version:?}");
        }
    }
}

#[test]
fn a_session_is_resumed_and_survives_a_reload() {
    let pair = Pair::new();
    let tls = ServerTls::from_files(pair.files()).unwrap();
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(client(&pair.files().cert, &[version]));
        let kind = || shake(&tls, &client, "h.example").unwrap().kind;
        assert_ne!(kind(), HandshakeKind::Resumed);
        assert_eq!(kind(), HandshakeKind::Resumed);
        tls.reload().unwrap();
        assert_eq!(kind(), HandshakeKind::Resumed);
    }
}

#[test]
fn a_reload_changes_what_clients_see_and_a_bad_one_does_not() {
    let pair = Pair::new();
    let tls = ServerTls::from_files(pair.files()).unwrap();
    let first = tls.describe();
    pair.write(&["other.example"]);
    tls.reload().unwrap();
    assert_ne!(tls.describe().fingerprint, first.fingerprint);
    assert_eq!(tls.describe().names, ["other.example"]);
    assert!(tls.problem().is_none());
    let client = Arc::new(client(&pair.files().cert, &[&TLS13]));
    shake(&tls, &client, "other.example").unwrap();

    let second = tls.describe();
    fs::write(pair.files().key, "nothing").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NoKey(_))));
    assert_eq!(tls.describe(), second);
    let problem = tls.problem().unwrap();
    assert!(problem.contains("holds no private key"), "{problem}");
    shake(&tls, &client, "other.example").unwrap();
}

#[test]
fn the_certificate_is_described() {
    let pair = Pair::new();
    let (from, until) = (SystemTime::now() - HOUR, SystemTime::now() + HOUR);
    pair.write_valid(
        &["a.example", "*.b.example", "10.0.0.7", "::1"],
        from,
        until,
    );
    let described = ServerTls::from_files(pair.files()).unwrap().describe();
    assert_eq!(
        described.names,
        ["a.example", "*.b.example", "10.0.0.7", "::1"]
    );
    assert_eq!(described.not_after_unix_s, unix_s(until));
    assert_eq!(described.fingerprint.len(), 32 * 3 - 1);
    assert_eq!(described.file, pair.files().cert);
}

#[test]
fn keys_of_all_three_forms_are_read() {
    for key in [
        KeyPair::generate().unwrap(),
        KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
    ] {
        let pair = Pair::new();
        let (from, until) = (SystemTime::now() - HOUR, SystemTime::now() + HOUR);
        fs::write(
            pair.files().cert,
            certificate(&["h.example"], &key, from, until),
        )
        .unwrap();
        let label = match key.is_compatible(&PKCS_RSA_SHA256) {
            true => "RSA PRIVATE KEY",
            false => "EC PRIVATE KEY",
        };
        for text in [key.serialize_pem(), traditional(&key, label)] {
            // openssl writes the curve before the key.
            let text = format!("-----BEGIN X-----\nAAAA\n-----END X-----\n{text}");
            fs::write(pair.files().key, text).unwrap();
            ServerTls::from_files(pair.files()).unwrap();
        }
    }
}

/// The key in the form it had before PKCS#8, which wraps it: `SEQUENCE { version, algorithm, OCTET
/// STRING { the older form } }`.
fn traditional(key: &KeyPair, label: &str) -> String {
    use x509_parser::asn1_rs::{Any, FromDer, OctetString, Sequence};
    let whole = key.serialize_der();
    let (_, sequence) = Sequence::from_der(&whole).unwrap();
    let (rest, _version) = Any::from_der(&sequence.content).unwrap();
    let (rest, _algorithm) = Any::from_der(rest).unwrap();
    let (_, inner) = OctetString::from_der(rest).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(inner.as_ref());
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn each_error_names_the_file_and_the_remedy() {
    let pair = Pair::new();
    let (cert, key) = (pair.files().cert, pair.files().key);
    let good_cert = fs::read_to_string(&cert).unwrap();
    let good_key = fs::read_to_string(&key).unwrap();
    let other = KeyPair::generate().unwrap().serialize_pem();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let long = "x".repeat(300 << 10);
    let broken = good_key.replace("-----END", "");
    for (cert_text, key_text, message) in [
        (
            "",
            &*good_key,
            "cert.pem holds no certificate; it should have a line -----BEGIN CERTIFICATE-----",
        ),
        (
            &*good_cert,
            "",
            "key.pem holds no private key; it should have a line -----BEGIN PRIVATE KEY-----",
        ),
        (
            &good_cert,
            &other,
            "the key in key.pem is not the one of the certificate in cert.pem; give a pair",
        ),
        (
            &good_cert,
            encrypted,
            "key.pem: the key is encrypted; write a plain copy, readable by its owner alone, with: \
             openssl pkey -in key.pem -out KEY",
        ),
        (
            &good_cert,
            &broken,
            "key.pem: the key cannot be used: its PEM frame is broken; give an RSA, ECDSA or \
             Ed25519 key",
        ),
        (
            &long,
            &good_key,
            "cert.pem has more than 262144 bytes; give the certificate chain or key alone",
        ),
    ] {
        fs::write(&cert, cert_text).unwrap();
        fs::write(&key, key_text).unwrap();
        assert_eq!(pair.error(), message);
    }
    fs::write(&key, &good_key).unwrap();
    fs::write(&cert, format!("{good_cert}{damaged}")).unwrap();
    let error = pair.error();
    assert!(
        error.starts_with("cert.pem: certificate 2 is damaged: "),
        "{error}"
    );
    fs::remove_file(&cert).unwrap();
    assert_eq!(
        pair.error(),
        "cannot read cert.pem: No such file or directory (os error 2)"
    );
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let pair = Pair::new();
    let day = |days| SystemTime::UNIX_EPOCH + HOUR * 24 * days;
    pair.write_valid(&["h.example"], day(1), day(31));
    assert_eq!(
        pair.error(),
        "cert.pem: the certificate expired on 1970-02-01; renew it"
    );
    let source = || Source::Files(pair.files());
    ServerTls::start(source(), day(2)).unwrap();
    let error = ServerTls::start(source(), day(0)).unwrap_err().to_string();
    assert!(
        error.ends_with("the certificate is valid only from 1970-01-02; check the clock"),
        "{error}"
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_told_from_a_foreign_key() {
    let pair = Pair::new();
    let authority_key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(parameters, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["h.example".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    fs::write(pair.files().key, key.serialize_pem()).unwrap();
    let write = |text: String| fs::write(pair.files().cert, text).unwrap();
    write(own.pem() + &authority.pem());
    ServerTls::from_files(pair.files()).unwrap();
    write(authority.pem() + &own.pem());
    assert_eq!(
        pair.error(),
        "cert.pem: the certificate of the key is number 2; it must come first, before those that \
         vouch for it"
    );
}

fn place(folder: &TempDir) -> SelfSignedPlace {
    SelfSignedPlace {
        folder: folder.path().join("tls"),
        listen: "127.0.0.1:0".parse().unwrap(),
    }
}

#[test]
fn a_self_signed_certificate_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = ServerTls::self_signed(place(&folder)).unwrap();
    let second = ServerTls::self_signed(place(&folder)).unwrap();
    assert_eq!(first.describe(), second.describe());
    let key = fs::metadata(folder.path().join("tls/self-signed.key")).unwrap();
    assert_eq!(key.mode() & 0o777, 0o600);
    // Who is given the certificate trusts the node by each of its names.
    let client = Arc::new(client(&first.describe().file, &[&TLS13]));
    for name in ["localhost", "127.0.0.1", "::1"] {
        shake(&second, &client, name).unwrap();
    }
    assert!(shake(&second, &client, "other.example").is_err());
}

#[test]
fn a_self_signed_certificate_is_made_anew_before_its_end_or_for_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let source = |place| Source::SelfSigned(SelfSigned::new(place));
    let now = SystemTime::now();
    let tls = ServerTls::start(source(place(&folder)), now).unwrap();
    let first = tls.describe();
    let days = |days: u32| now + HOUR * 24 * days;
    assert!(!tls.is_due(days(366)));
    tls.reload_at(days(366)).unwrap();
    assert_eq!(tls.describe(), first);
    assert!(tls.is_due(days(368)));
    tls.reload_at(days(368)).unwrap();
    assert_ne!(tls.describe().fingerprint, first.fingerprint);
    assert!(!tls.is_due(days(368)));

    let elsewhere = SelfSignedPlace {
        listen: "10.0.0.7:0".parse().unwrap(),
        ..place(&folder)
    };
    let moved = ServerTls::start(source(elsewhere), days(368)).unwrap();
    assert_ne!(moved.describe().fingerprint, tls.describe().fingerprint);
    assert!(moved.describe().names.contains(&"10.0.0.7".to_owned()));
}

#[test]
fn a_damaged_self_signed_certificate_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let first = ServerTls::self_signed(place(&folder)).unwrap().describe();
    fs::write(&first.file, "").unwrap();
    let second = ServerTls::self_signed(place(&folder)).unwrap().describe();
    assert_ne!(second.fingerprint, first.fingerprint);
}

#[test]
fn other_files_are_shown_at_once_and_bad_ones_never() {
    let (first, second) = (Pair::new(), Pair::new());
    let tls = ServerTls::from_files(first.files()).unwrap();
    let print = |tls: &ServerTls| tls.describe().fingerprint.clone();
    let before = print(&tls);
    tls.use_files(second.files()).unwrap();
    let after = print(&tls);
    assert_ne!(before, after);
    assert!(tls.reads(&second.files()) && !tls.reads(&first.files()));
    let mixed = PemFiles {
        cert: first.files().cert,
        key: second.files().key,
    };
    assert!(tls.use_files(mixed).is_err());
    assert_eq!(print(&tls), after);
    tls.reload().unwrap();
    assert_eq!(print(&tls), after, "the second pair is read from now on");
}
