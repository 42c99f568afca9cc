//! Members of a fleet that fail: they are named in `avoid`, and what they sent is kept.

use std::fs;

use overspill_client::Exit;

use super::{
    origin::{Asked, Origin, Reply, dead_address},
    *,
};

fn targets(origin: &Origin) -> Vec<String> {
    let requests = origin.requests().into_iter();
    requests.map(|asked| asked.target).collect()
}

/// Who sent how much.
fn shares(result: Result<Outcome, DownloadError>) -> Vec<(String, usize)> {
    let served = result.unwrap().served.into_iter();
    served
        .map(|served| (served.source, served.bytes as usize))
        .collect()
}

#[tokio::test]
async fn a_redirect_leads_to_the_member_that_serves() {
    let content = content();
    let member = Origin::start(vec![Reply::file(&tag(&content), &content)]).await;
    let location = member.url("/a?ticket=secret");
    let origin = Origin::start(vec![Reply::redirect(&location, Some("m1"))]).await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(shares(result), [("m1".to_owned(), content.len())]);
    let member_name = "m1".to_owned();
    assert_eq!(
        events[0],
        Progress::Redirected {
            member: member_name
        }
    );
    assert_eq!(targets(&member), ["/a?ticket=secret"]);
}

#[tokio::test]
async fn members_that_fail_before_the_body_are_avoided_one_by_one() {
    let content = content();
    let dead = dead_address().await;
    let answers = |status| Reply::new(status, &["Content-Length: 0", "Retry-After: 20"]);
    let gone = Origin::start(vec![answers("404 Not Found")]).await;
    let busy = Origin::start(vec![answers("503 Service Unavailable")]).await;
    let origin = Origin::start(vec![
        Reply::redirect(&format!("http://{dead}/a"), Some("m1")),
        Reply::redirect(&gone.url("/a"), Some("m2")),
        Reply::redirect(&busy.url("/a"), Some("m3")),
        Reply::file(&tag(&content), &content),
    ])
    .await;
    let folder = TempDir::new().unwrap();
    let (result, events) = run(download(&origin.url("/a?x=1")).to(folder.path())).await;
    result.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    assert_eq!(
        targets(&origin),
        [
            "/a?x=1",
            "/a?x=1&avoid=m1",
            "/a?x=1&avoid=m1%2Cm2",
            "/a?x=1&avoid=m1%2Cm2%2Cm3",
        ]
    );
    // A member's Retry-After must not make us wait: others are there.
    let longest = events.iter().filter_map(|event| match event {
        Progress::Retrying { pause, .. } => Some(*pause),
        _ => None,
    });
    assert!(longest.max().unwrap() <= Duration::from_millis(5));
}

#[tokio::test]
async fn a_member_that_cuts_is_left_and_its_bytes_are_kept() {
    let content = content();
    let tag = tag(&content);
    let cut = 70_000;
    let first = Origin::start(vec![Reply::file(&tag, &content).cut(cut)]).await;
    let second = Origin::start(vec![Reply::rest(&tag, &content, cut)]).await;
    let origin = Origin::start(vec![
        Reply::redirect(&first.url("/a"), Some("m1")),
        Reply::redirect(&second.url("/a"), Some("m2")),
    ])
    .await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    let shares_expected = [("m1", cut), ("m2", content.len() - cut)];
    let shares_expected = shares_expected.map(|(source, bytes)| (source.to_owned(), bytes));
    assert_eq!(shares(result), shares_expected);
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    let asked = Asked {
        method: "GET".to_owned(),
        target: "/a".to_owned(),
        range: Some(format!("bytes={cut}-")),
        if_range: Some(tag),
    };
    assert_eq!(second.requests(), [asked]);
}

#[tokio::test]
async fn a_bad_range_answer_of_a_member_costs_only_that_member() {
    let content = content();
    let tag = tag(&content);
    let cut = 70_000;
    let first = Origin::start(vec![Reply::file(&tag, &content).cut(cut)]).await;
    let second = Origin::start(vec![Reply::rest(&tag, &content, cut + 1)]).await;
    let origin = Origin::start(vec![
        Reply::redirect(&first.url("/a"), Some("m1")),
        Reply::redirect(&second.url("/a"), Some("m2")),
        Reply::rest(&tag, &content, cut),
    ])
    .await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap().received_bytes, content.len() as u64);
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    assert_eq!(targets(&origin)[2], "/a?avoid=m1%2Cm2");
}

#[tokio::test]
async fn everyone_who_sent_any_of_the_wrong_bytes_is_avoided() {
    let content = content();
    let tag = tag(&content);
    let cut = 70_000;
    let first = Origin::start(vec![Reply::file(&tag, &content).cut(cut)]).await;
    let second = Origin::start(vec![Reply::rest(&tag, &content, cut).flipped()]).await;
    let third = Origin::start(vec![Reply::file(&tag, &content).flipped()]).await;
    let origin = Origin::start(vec![
        Reply::redirect(&first.url("/a"), Some("m1")),
        Reply::redirect(&second.url("/a"), Some("m2")),
        Reply::redirect(&third.url("/a"), Some("m3")),
        Reply::file(&tag, &content),
    ])
    .await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    result.unwrap();
    assert_eq!(fs::read(path(&folder, "a")).unwrap(), content);
    let expected = [
        "/a",
        "/a?avoid=m1",
        "/a?avoid=m1%2Cm2",
        "/a?avoid=m1%2Cm2%2Cm3",
    ];
    assert_eq!(targets(&origin), expected);
}

#[tokio::test]
async fn a_mirror_that_sends_us_back_is_not_blamed_for_the_origin() {
    let missing = Reply::new("404 Not Found", &["Content-Length: 0"]);
    let origin = Origin::with(|address| {
        vec![
            Reply::redirect(&format!("http://{address}/mirror"), Some("m1")),
            Reply::redirect(&format!("http://{address}/a?avoid=m1"), None),
            missing,
        ]
    })
    .await;
    let folder = TempDir::new().unwrap();
    let (result, _) = run(download(&origin.url("/a")).to(folder.path())).await;
    assert_eq!(result.unwrap_err().exit(), Exit::NotFound);
    assert_eq!(targets(&origin), ["/a", "/mirror", "/a?avoid=m1"]);
}
