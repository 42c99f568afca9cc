//! Going on where it stopped: at the exact byte, of the exact version, or from zero.

use std::fs;

use overspill_client::{Exit, OnChange, Verification};

use super::{
    origin::{Asked, Origin, Reply},
    *,
};

const CUT: usize = 100_001;

fn asked_from(offset: usize, tag: &str) -> Asked {
    Asked {
        method: "GET".to_owned(),
        target: "/a".to_owned(),
        range: Some(format!("bytes={offset}-")),
        if_range: Some(tag.to_owned()),
    }
}

fn asked_whole() -> Asked {
    Asked {
        method: "GET".to_owned(),
        target: "/a".to_owned(),
        ..Asked::default()
    }
}

/// Leaves a part of `content` and its state, as an interrupted run does.
fn leave_part(folder: &TempDir, origin: &Origin, tag: &str, part: &[u8], size: usize) {
    fs::write(path(folder, "a.part"), part).unwrap();
    let tag = tag.replace('"', "\\\"");
    let url = origin.url("/a");
    let state = format!(r#"{{"v":1,"url":"{url}","etag":"{tag}","size":{size}}}"#);
    fs::write(path(folder, "a.part.json"), state).unwrap();
}

#[tokio::test]
async fn a_cut_or_a_stall_continues_at_the_exact_byte() {
    let content = content();
    let tag = tag(&content);
    let whole = Reply::file(&tag, &content);
    for broken in [whole.clone().cut(CUT), whole.clone().stall(CUT)] {
        let rest = Reply::rest(&tag, &content, CUT);
        let origin = Origin::start(vec![broken, rest]).await;
        let folder = TempDir::new().unwrap();
        let (result, events) = run(download(&origin.url("/a")).to(folder.path())).await;
        let outcome = result.unwrap();
        assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
        assert_eq!(outcome.verification, Verification::Root(root(&content)));
        assert_eq!(outcome.received_bytes, content.len() as u64);
        assert_eq!(origin.requests(), [asked_whole(), asked_from(CUT, &tag)]);
        let started = |event: &&Progress| matches!(event, Progress::Started { .. });
        assert_eq!(events.iter().filter(started).count(), 1);
    }
}

#[tokio::test]
async fn progress_through_many_cuts_never_gives_up() {
    let content = content();
    let tag = tag(&content);
    let step = content.len() / 20;
    let script = (0..=20)
        .map(|at| match at {
            0 => Reply::file(&tag, &content).cut(step),
            at => Reply::rest(&tag, &content, at * step).cut(step),
        })
        .collect();
    let origin = Origin::start(script).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    result.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    assert_eq!(origin.requests().len(), 20);
}

#[tokio::test]
async fn giving_up_keeps_the_part_for_a_later_run() {
    let content = content();
    let tag = tag(&content);
    let folder = TempDir::new().unwrap();
    let origin = Origin::start(vec![Reply::file(&tag, &content).cut(CUT)]).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap_err().exit(), Exit::Network);
    assert_eq!(names(&folder), ["a.part", "a.part.json"]);
    assert_eq!(fs::read(path(&folder, "a.part")).unwrap(), content[..CUT]);

    // The content's own tag holds anywhere: another server may finish it.
    let other = Origin::start(vec![Reply::rest(&tag, &content, CUT)]).await;
    let (result, events) = run(download(&other.url("/a")).to(folder.path())).await;
    result.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    assert_eq!(names(&folder), ["a"]);
    assert_eq!(other.requests(), [asked_from(CUT, &tag)]);
    let started = Progress::Started {
        resumed_from_bytes: CUT as u64,
        root: Some(root(&content)),
        size_bytes: Some(content.len() as u64),
    };
    assert_eq!(events[0], started);
}

#[tokio::test]
async fn a_dropped_download_keeps_what_came() {
    let content = content();
    let tag = tag(&content);
    let folder = TempDir::new().unwrap();
    let origin = Origin::start(vec![Reply::file(&tag, &content).stall(CUT)]).await;
    let (seen, mut watch) = tokio::sync::watch::channel(0);
    let client = HttpClient::new(Patience::default());
    let mut observer = move |progress: &Progress| {
        if let Progress::Bytes { position_bytes, .. } = progress {
            seen.send_replace(*position_bytes);
        }
    };
    let download = download(&origin.url("/a")).to(folder.path());
    tokio::select! {
        result = download.run(&client, &mut observer) => panic!("{result:?}"),
        reached = watch.wait_for(|&position| position == CUT as u64) => drop(reached.unwrap()),
    }
    // The writer ends by itself; until then it holds the lock.
    let part = loop {
        let part = fs::File::open(path(&folder, "a.part")).unwrap();
        if part.try_lock().is_ok() {
            break fs::read(path(&folder, "a.part")).unwrap();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(part, content[..CUT]);
    assert_eq!(names(&folder), ["a.part", "a.part.json"]);
}

/// A part of an earlier run, what the server says to its continuation, and what must be asked.
struct Earlier<'a> {
    what: &'a str,
    tag: &'a str,
    part: &'a [u8],
    script: Vec<Reply>,
    requests: Vec<Asked>,
}

async fn check_earlier(content: &[u8], earlier: Earlier<'_>) {
    let what = earlier.what;
    let origin = Origin::start(earlier.script).await;
    let folder = TempDir::new().unwrap();
    leave_part(&folder, &origin, earlier.tag, earlier.part, content.len());
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    result.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content, "{what}");
    assert_eq!(names(&folder), ["a"], "{what}");
    assert_eq!(origin.requests(), earlier.requests, "{what}");
}

fn past_end(size: usize) -> Reply {
    let range = format!("Content-Range: bytes */{size}");
    Reply::new("416 Range Not Satisfiable", &[&range, "Content-Length: 0"])
}

#[tokio::test]
async fn a_part_from_before_is_used_only_as_far_as_it_can_be_trusted() {
    let content = content();
    let good = tag(&content);
    let whole = || Reply::file(&good, &content);
    let from = |offset| asked_from(offset, &good);
    let longer = [&content[..], b"tail"].concat();
    let mut damaged = content[..CUT].to_vec();
    damaged[0] ^= 1;
    let rows = [
        (
            "all of it is there",
            &content[..],
            vec![past_end(content.len())],
            vec![from(content.len())],
        ),
        (
            "it is longer than the file",
            &longer,
            vec![whole()],
            vec![asked_whole()],
        ),
        (
            "its bytes are damaged",
            &damaged,
            vec![Reply::rest(&good, &content, CUT), whole()],
            vec![from(CUT), asked_whole()],
        ),
        (
            "the server sends all of it",
            &content[..CUT],
            vec![whole()],
            vec![from(CUT)],
        ),
        (
            "the server does not know so many bytes",
            &content[..CUT],
            vec![past_end(7), whole()],
            vec![from(CUT), asked_whole()],
        ),
    ];
    for (what, part, script, requests) in rows {
        let tag = &good;
        let earlier = Earlier {
            what,
            tag,
            part,
            script,
            requests,
        };
        check_earlier(&content, earlier).await;
    }
}

#[tokio::test]
async fn a_part_of_an_old_version_is_replaced() {
    let content = content();
    let earlier = Earlier {
        what: "the version changed",
        tag: "\"old\"",
        part: &content[..CUT],
        script: vec![Reply::file(&tag(&content), &content)],
        requests: vec![asked_from(CUT, "\"old\"")],
    };
    check_earlier(&content, earlier).await;
}

#[tokio::test]
async fn bad_range_answers_of_the_origin_lead_back_to_zero() {
    let content = content();
    let good = tag(&content);
    let other = vec![1; content.len()];
    for bad in [
        Reply::rest(&good, &content, CUT - 1),
        Reply::rest(&good, &content, CUT + 1),
        Reply::rest(&good, &content[..content.len() - 1], CUT),
        Reply::rest(&tag(&other), &other, CUT),
        Reply::new("206 Partial Content", &["Content-Length: 0"]),
    ] {
        let broken = Reply::file(&good, &content).cut(CUT);
        let origin = Origin::start(vec![broken, bad, Reply::file(&good, &content)]).await;
        let folder = TempDir::new().unwrap();
        let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
        result.unwrap();
        assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
        let requests = [asked_whole(), asked_from(CUT, &good), asked_whole()];
        assert_eq!(origin.requests(), requests);
    }
}

#[tokio::test]
async fn without_a_strong_tag_every_try_begins_at_zero() {
    for tag in ["W/\"1\"", "unquoted"] {
        let whole = Reply::file(tag, b"hello world");
        let origin = Origin::start(vec![whole.clone().cut(5), whole]).await;
        let folder = TempDir::new().unwrap();
        let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
        result.unwrap();
        assert_eq!(fs::read(path(&folder, "a")).unwrap(), b"hello world");
        assert_eq!(origin.requests(), [asked_whole(), asked_whole()]);
    }
}

#[tokio::test]
async fn always_cut_at_the_same_byte_is_no_progress() {
    let whole = Reply::file("W/\"1\"", b"hello world");
    let origin = Origin::start(vec![whole.cut(5); 20]).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap_err().exit(), Exit::Network);
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test]
async fn a_length_that_lies_never_makes_a_file() {
    let content = content();
    let tag_line = format!("ETag: {}", tag(&content));
    let claiming = |length: usize| {
        let length = format!("Content-Length: {length}");
        Reply::new("200 OK", &[&tag_line, &length]).body(&content)
    };
    let good = || Reply::file(&tag(&content), &content);
    for script in [
        vec![claiming(content.len() - 10), good()],
        vec![
            claiming(content.len() + 10),
            past_end(content.len()),
            good(),
        ],
        vec![claiming(content.len() + 10), good(), good()],
    ] {
        let tries = script.len();
        let origin = Origin::start(script).await;
        let folder = TempDir::new().unwrap();
        let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
        result.unwrap();
        assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
        assert_eq!(origin.requests().len(), tries);
    }
}

#[tokio::test]
async fn a_new_version_replaces_the_part_or_ends_it() {
    let (old, new) = (vec![1; 5000], content());
    let script = || {
        vec![
            Reply::file(&tag(&old), &old).cut(2000),
            Reply::file(&tag(&new), &new),
        ]
    };
    let origin = Origin::start(script()).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&origin.url("/a")).to(folder.path())).await;
    result.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), new);
    let started = |event: &&Progress| matches!(event, Progress::Started { .. });
    assert_eq!(events.iter().filter(started).count(), 2);

    let origin = Origin::start(script()).await;
    let folder = TempDir::new().unwrap();
    let strict = download(&origin.url("/a")).on_change(OnChange::Fail);
    let (result, _) = run(strict.to(folder.path())).await;
    assert_eq!(result.unwrap_err().exit(), Exit::Changed);
    assert_eq!(fs::read(path(&folder, "a.part")).unwrap(), old[..2000]);
}

#[tokio::test]
async fn a_file_that_never_stops_changing_is_given_up() {
    let script = (0..10u8)
        .map(|at| Reply::file(&tag(&[at; 9]), &[at; 9]).cut(5))
        .collect();
    let origin = Origin::start(script).await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap_err().exit(), Exit::Changed);
    assert_eq!(origin.requests().len(), 7);
}

#[tokio::test]
async fn a_second_process_is_told_that_the_part_is_locked() {
    let folder = TempDir::new().unwrap();
    let part = fs::File::create(path(&folder, "a.part")).unwrap();
    part.lock().unwrap();
    let origin = Origin::start(Vec::new()).await;
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::LocalFile);
    let message = "a.part is locked: another process is downloading it";
    assert!(error.to_string().ends_with(message), "{error}");
}

#[tokio::test]
async fn a_stream_goes_on_at_the_exact_byte() {
    let content = content();
    let tag = tag(&content);
    let origin = Origin::start(vec![
        Reply::file(&tag, &content).cut(CUT),
        Reply::rest(&tag, &content, CUT),
    ])
    .await;
    let seen = Seen::default();
    let stream = download(&origin.url("/a")).to_stream(Box::new(seen.clone()));
    let outcome = run(stream).await.0.unwrap();
    assert_eq!(outcome.path, None);
    assert_eq!(*seen.0.lock().unwrap(), content);
}

#[tokio::test]
async fn a_stream_is_never_begun_again() {
    let content = content();
    let good = Reply::file(&tag(&content), &content);
    let new = Reply::file(&tag(b"new"), b"new");
    for (script, exit, bytes) in [
        (
            vec![good.clone().flipped()],
            Exit::VerificationFailed,
            content.len(),
        ),
        (vec![good.clone().cut(CUT), new], Exit::Changed, CUT),
        (
            vec![good.clone().cut(CUT), good.clone(), good.clone(), good],
            Exit::Network,
            CUT,
        ),
    ] {
        let origin = Origin::start(script).await;
        let seen = Seen::default();
        let stream = download(&origin.url("/a")).to_stream(Box::new(seen.clone()));
        let error = run(stream).await.0.unwrap_err();
        assert_eq!(error.exit(), exit, "{error}");
        assert_eq!(seen.0.lock().unwrap().len(), bytes);
    }
}
