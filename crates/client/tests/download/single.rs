//! One server, no resume: the plain cases, errors, and what is on the disk already.

use std::{fs, net::SocketAddr};

use overspill_client::{Completion, Exit, Fault, OnExisting, Verification};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::AbortHandle,
};

use super::{
    origin::{Origin, Reply, dead_address},
    *,
};

#[tokio::test]
async fn a_file_arrives_verified_under_its_name() {
    let content = content();
    let origin = Origin::start(vec![Reply::file(&tag(&content), &content)]).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&origin.url("/d/a%20b.iso")).to(folder.path())).await;
    let outcome = result.unwrap();
    assert_eq!(fs::read(path(&folder, "a b.iso")).unwrap(), content);
    assert_eq!(names(&folder), ["a b.iso"]);
    assert_eq!(outcome.path, Some(path(&folder, "a b.iso")));
    assert_eq!(outcome.verification, Verification::Root(root(&content)));
    assert_eq!(outcome.received_bytes, content.len() as u64);
    assert_eq!(outcome.served[0].source, origin.address.to_string());
    let root = root(&content);
    let started = Progress::Started {
        resumed_from_bytes: 0,
        root: Some(root),
        size_bytes: Some(content.len() as u64),
    };
    assert_eq!(events.first(), Some(&started));
    let end = [Progress::Verified { root }, Progress::Finished];
    assert_eq!(events[events.len() - 2..], end);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let origin = Origin::start(vec![Reply::file(&tag(b""), b"")]).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(path(&folder, "b"))).await;
    assert_eq!(result.unwrap().bytes, 0);
    assert_eq!(names(&folder), ["b"]);
}

#[tokio::test]
async fn a_foreign_file_is_checked_by_length_only() {
    for reply in [
        Reply::file("\"abc\"", b"hello"),
        Reply::file("W/\"abc\"", b"hello"),
        Reply::new("200 OK", &["Content-Length: 5"]).body(b"hello"),
        Reply::new("200 OK", &["Transfer-Encoding: chunked"]).body(b"5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let origin = Origin::start(vec![reply]).await;
        let folder = TempDir::new().unwrap();
        let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
        assert_eq!(result.unwrap().verification, Verification::LengthOnly);
        assert_eq!(fs::read(path(&folder, "a")).unwrap(), b"hello");
        assert_eq!(names(&folder), ["a"]);
    }
}

#[tokio::test]
async fn final_statuses_are_not_tried_again() {
    for (status, exit) in [
        ("404 Not Found", Exit::NotFound),
        ("410 Gone", Exit::NotFound),
        ("401 Unauthorized", Exit::Refused),
        ("403 Forbidden", Exit::Refused),
        ("400 Bad Request", Exit::Network),
    ] {
        let origin = Origin::start(vec![Reply::new(status, &["Content-Length: 0"])]).await;
        let folder = TempDir::new().unwrap();
        let (result, events) = run(download(&origin.url("/a")).to(folder.path())).await;
        let error = result.unwrap_err();
        assert_eq!(error.exit(), exit, "{error}");
        assert!(error.to_string().contains(status), "{error}");
        assert_eq!(events, []);
        assert_eq!(origin.requests().len(), 1);
        assert_eq!(names(&folder), [""; 0]);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let busy = Reply::new(
        "503 Service Unavailable",
        &["Retry-After: 1", "Content-Length: 0"],
    );
    let origin = Origin::start(vec![busy, Reply::file(&tag(b"x"), b"x")]).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&origin.url("/a")).to(folder.path())).await;
    result.unwrap();
    let retrying = Progress::Retrying {
        avoided: None,
        pause: Duration::from_secs(1),
        reason: format!("{} answered 503 Service Unavailable", origin.address),
    };
    assert_eq!(events[0], retrying);
}

#[tokio::test]
async fn nobody_there_is_a_network_error_after_a_few_tries() {
    let dead = dead_address().await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&format!("http://{dead}/a")).to(folder.path())).await;
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::Network);
    let expected = format!(
        "http://{dead}/a: gave up after 4 tries without progress: cannot connect to {dead}"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn wrong_bytes_are_tried_again_and_never_kept() {
    let content = content();
    let bad = Reply::file(&tag(&content), &content).flipped();
    let good = Reply::file(&tag(&content), &content);
    let folder = TempDir::new().unwrap();
    let origin = Origin::start(vec![bad.clone(), bad.clone(), good]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap().received_bytes, 3 * content.len() as u64);
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);

    let folder = TempDir::new().unwrap();
    let origin = Origin::start(vec![bad.clone(), bad.clone(), bad]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DownloadError::Mismatch { tries: 3, .. }));
    assert_eq!(names(&folder), [""; 0]);
}

#[tokio::test]
async fn the_right_file_is_up_to_date_without_a_download() {
    let content = content();
    for on_existing in [OnExisting::Refuse, OnExisting::Replace] {
        let origin = Origin::start(vec![Reply::file(&tag(&content), &content)]).await;
        let folder = TempDir::new().unwrap();
        fs::write(path(&folder, "a"), &content).unwrap();
        let download = download(&origin.url("/a")).to(folder.path());
        let (result, events) = run(download.on_existing(on_existing)).await;
        let outcome = result.unwrap();
        assert_eq!(outcome.completion, Completion::UpToDate);
        assert_eq!(outcome.bytes, content.len() as u64);
        assert_eq!(events, []);
        assert_eq!(origin.requests().len(), 1);
        assert_eq!(origin.requests()[0].method, "HEAD");
        assert_eq!(names(&folder), ["a"]);
    }
}

#[tokio::test]
async fn another_file_is_replaced_only_when_told() {
    let content = content();
    let reply = Reply::file(&tag(&content), &content);
    // Of equal size, so that the content decides.
    let other = vec![0; content.len()];
    let folder = TempDir::new().unwrap();
    fs::write(path(&folder, "a"), &other).unwrap();
    let origin = Origin::start(vec![reply.clone(), reply.clone(), reply]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert!(matches!(result.unwrap_err(), DownloadError::Exists { .. }));
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), other);
    let replace = download(&origin.url("/a")).on_existing(OnExisting::Replace);
    run(replace.to(folder.path())).await.0.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
}

#[tokio::test]
async fn a_foreign_file_that_exists_is_refused_even_without_head() {
    for status in ["405 Method Not Allowed", "501 Not Implemented"] {
        let no_head = Reply::new(status, &["Content-Length: 0"]);
        let origin = Origin::start(vec![no_head]).await;
        let folder = TempDir::new().unwrap();
        fs::write(path(&folder, "a"), "x").unwrap();
        let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
        assert_eq!(result.unwrap_err().exit(), Exit::LocalFile);
    }
}

#[tokio::test]
async fn local_obstacles_are_local_errors() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(path(&folder, "dir.part")).unwrap();
    for (target, doing) in [
        ("no/such/a", "open"),
        ("dir", "open"),
        ("missing/", "use it as a folder"),
    ] {
        let origin = Origin::start(vec![Reply::file("\"1\"", b"x")]).await;
        let (result, _) = run(download(&origin.url("/a")).to(path(&folder, target))).await;
        let error = result.unwrap_err();
        assert_eq!(error.exit(), Exit::LocalFile);
        assert!(
            matches!(error, DownloadError::Local { doing: did, .. } if did == doing),
            "{target}"
        );
        assert_eq!(origin.requests(), []);
    }
}

#[tokio::test]
async fn a_full_disk_has_its_own_exit_code() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let origin = Origin::start(vec![Reply::file("\"1\"", b"x")]).await;
    let (result, _) = run(download(&origin.url("/a")).to_stream(Box::new(full))).await;
    assert_eq!(result.unwrap_err().exit(), Exit::DiskFull);
}

/// Speaks before it is spoken to, and not TLS: whoever asks it by https has nothing to wait for.
async fn plain_listener() -> (SocketAddr, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A client that has gone by then is one that is not waiting; reading to its end keeps
            // the kernel from taking the answer back.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    (address, serving.abort_handle())
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_final_unless_it_is_a_mirror() {
    let folder = TempDir::new().unwrap();
    let (address, serving) = plain_listener().await;
    let https = format!("https://{address}/a");
    let origin = Origin::start(vec![Reply::redirect(&https, None)]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DownloadError::Lasting(_)), "{error}");

    let script = vec![
        Reply::redirect(&https, Some("m-1")),
        Reply::file("\"1\"", b"x"),
    ];
    let origin = Origin::start(script).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap().bytes, 1);
    assert_eq!(origin.requests()[1].target, "/a?avoid=m-1");
    serving.abort();
}

#[tokio::test]
async fn circles_are_final() {
    let folder = TempDir::new().unwrap();
    let origin = Origin::start(vec![Reply::redirect("/a", None); 11]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DownloadError::TooManyRedirects { .. }));
    assert_eq!(origin.requests().len(), 11);
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_a_fault() {
    let folder = TempDir::new().unwrap();
    let nowhere = Reply::new("302 Found", &["Content-Length: 0"]);
    let origin = Origin::start(vec![nowhere; 4]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let last = match result.unwrap_err() {
        DownloadError::Unreachable { last, .. } => last,
        other => panic!("{other}"),
    };
    assert!(matches!(last, Fault::Location { .. }));
}
