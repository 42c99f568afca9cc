//! Every message and every exit code, once.

use overspill_net::client::CertificateFault;

use super::*;

fn url() -> HttpUrl {
    HttpUrl::parse("http://h/a.iso").unwrap()
}

fn local(kind: io::ErrorKind) -> DownloadError {
    DownloadError::Local {
        path: "a.iso.part".into(),
        doing: "write",
        source: kind.into(),
    }
}

fn unreachable(last: Fault) -> DownloadError {
    DownloadError::Unreachable {
        url: url(),
        tries: 3,
        last,
    }
}

#[test]
fn local_errors() {
    let (path, url) = (PathBuf::from("a.iso"), url());
    for (error, message, exit) in [
        (
            DownloadError::Exists { path, url },
            "a.iso exists and is not the file at http://h/a.iso",
            Exit::LocalFile,
        ),
        (
            DownloadError::Locked {
                path: "a.iso.part".into(),
            },
            "a.iso.part is locked: another process is downloading it",
            Exit::LocalFile,
        ),
        (
            local(io::ErrorKind::PermissionDenied),
            "a.iso.part: cannot write: permission denied",
            Exit::LocalFile,
        ),
        (
            local(io::ErrorKind::StorageFull),
            "a.iso.part: cannot write: no storage space",
            Exit::DiskFull,
        ),
        (
            local(io::ErrorKind::QuotaExceeded),
            "a.iso.part: cannot write: quota exceeded",
            Exit::DiskFull,
        ),
    ] {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.exit(), exit, "{message}");
    }
}

#[test]
fn a_certificate_that_proves_nothing_is_told_as_it_is() {
    let expired = DownloadError::Lasting(ClientError::Certificate {
        authority: "h:443".to_owned(),
        fault: CertificateFault::Expired,
    });
    assert_eq!(
        expired.to_string(),
        "the certificate of h:443 expired; its operator has to renew it, unless the clock of this \
         machine is wrong"
    );
    assert_eq!(expired.exit(), Exit::Network);
}

#[test]
fn errors_of_the_server_or_the_url() {
    let status = |code| StatusCode::from_u16(code).unwrap();
    for (error, message, exit) in [
        (
            DownloadError::Changed { url: url() },
            "http://h/a.iso changed on the server during the download".to_owned(),
            Exit::Changed,
        ),
        (
            DownloadError::Mismatch {
                url: url(),
                root: Root([0xab; 32]),
                tries: 3,
            },
            format!(
                "http://h/a.iso failed verification 3 times: expected BLAKE3 root {}",
                "ab".repeat(32)
            ),
            Exit::VerificationFailed,
        ),
        (
            DownloadError::Name(NameError::Folder(url())),
            "http://h/a.iso names a folder, not a file".to_owned(),
            Exit::Usage,
        ),
        (
            DownloadError::NotFound {
                url: url(),
                status: status(410),
            },
            "http://h/a.iso was not found on the server (410 Gone)".to_owned(),
            Exit::NotFound,
        ),
        (
            DownloadError::Refused {
                url: url(),
                status: status(401),
            },
            "http://h/a.iso is refused by the server (401 Unauthorized)".to_owned(),
            Exit::Refused,
        ),
        (
            DownloadError::Rejected {
                url: url(),
                status: status(400),
            },
            "http://h/a.iso cannot be downloaded: the server answered 400 Bad Request".to_owned(),
            Exit::Network,
        ),
        (
            DownloadError::TooManyRedirects { url: url() },
            "http://h/a.iso redirects more than 10 times".to_owned(),
            Exit::Network,
        ),
        (
            DownloadError::Url(UrlError::Malformed("x".to_owned())),
            "\"x\" is not an http:// or https:// URL; write for example http://host:8080/file"
                .to_owned(),
            Exit::Usage,
        ),
    ] {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.exit(), exit, "{message}");
    }
}

#[test]
fn faults_end_as_network_errors_that_tell_the_last_one() {
    for (fault, message) in faults() {
        assert_eq!(fault.to_string(), message);
        let error = unreachable(fault);
        assert_eq!(
            error.to_string(),
            format!("http://h/a.iso: gave up after 3 tries without progress: {message}")
        );
        assert_eq!(error.exit(), Exit::Network);
    }
}

/// Each fault and its message.
fn faults() -> impl Iterator<Item = (Fault, &'static str)> {
    let authority = || "h:80".to_owned();
    [
        (
            Fault::Client(ClientError::Connect {
                authority: authority(),
                reason: "refused".to_owned(),
            }),
            "cannot connect to h:80: refused",
        ),
        (
            Fault::Length {
                authority: authority(),
                expected_bytes: 10,
                actual_bytes: 9,
            },
            "h:80 announced 9 bytes, after 10 before",
        ),
        (
            Fault::Location {
                authority: authority(),
            },
            "h:80 redirected without a usable location",
        ),
        (
            Fault::Mismatch {
                authority: authority(),
            },
            "the bytes from h:80 do not match their BLAKE3 root",
        ),
        (
            Fault::PastEnd {
                authority: authority(),
                offset: 5,
            },
            "h:80 says the file ends before byte 5",
        ),
        (
            Fault::Range {
                authority: authority(),
                offset: 5,
                reason: "another entity tag",
            },
            "h:80 did not continue at byte 5: another entity tag",
        ),
        (
            Fault::Short {
                authority: authority(),
                expected_bytes: 10,
                actual_bytes: 9,
            },
            "h:80 ended at byte 9 of 10",
        ),
        (
            Fault::Status {
                authority: authority(),
                status: StatusCode::BAD_GATEWAY,
                retry_after: None,
            },
            "h:80 answered 502 Bad Gateway",
        ),
    ]
    .into_iter()
}
