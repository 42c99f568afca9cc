//! Listings, selections and the fleet, as servers and strangers answer.

use overspill_client::{AskError, Exit, Folder, Located, fleet_status};

use super::{
    origin::{Origin, Reply},
    *,
};

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap()
}

async fn all(mut folder: Folder) -> Result<Vec<Located>, AskError> {
    let client = client();
    let mut all = Vec::new();
    while let Some(page) = folder.next_page(&client).await? {
        all.extend(page);
    }
    Ok(all)
}

#[tokio::test]
async fn pages_follow_each_other() {
    let entry = |name: &str| {
        format!(
            r#"{{"name":"{name}","href":"{name}","kind":"file","size":5,"mtime":"2026-01-31T12:00:00Z"}}"#
        )
    };
    let first = format!(
        r#"{{"path":"/d/","revision":7,"entries":[{},{}],"next":"b c"}}"#,
        entry("a"),
        entry("sub/x%20y")
    );
    let second = format!(
        r#"{{"path":"/d/","revision":7,"entries":[{}]}}"#,
        entry("c")
    );
    let origin = Origin::start(vec![Reply::json(&first), Reply::json(&second)]).await;
    let folder = Folder::find(&url(&origin.url("/d")), &[("ext", "iso")]).unwrap();
    let located = all(folder).await.unwrap();
    let urls: Vec<_> = located.iter().map(|entry| entry.url.to_string()).collect();
    assert_eq!(
        urls,
        ["/d/a", "/d/sub/x%20y", "/d/c"].map(|target| origin.url(target))
    );
    let path = located[1].path.as_ref().unwrap();
    assert_eq!(path.as_bytes(), b"d/sub/x y");
    let targets: Vec<_> = origin
        .requests()
        .into_iter()
        .map(|asked| asked.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/d/?ext=iso&format=json",
            "/d/?ext=iso&format=json&cursor=b%20c",
        ]
    );
}

#[tokio::test]
async fn what_is_no_listing_says_what_it_is() {
    let html = Reply::new("200 OK", &["Content-Type: text/html", "Content-Length: 0"]);
    for (reply, exit, end) in [
        (
            html,
            Exit::Usage,
            "is no Overspill folder: it sent text/html",
        ),
        (
            Reply::json("[]"),
            Exit::Usage,
            "is no Overspill folder: invalid length 0, expected struct Listing with 4 elements at line 1 column 2",
        ),
        (
            Reply::new("404 Not Found", &["Content-Length: 0"]),
            Exit::NotFound,
            "was not found on the server",
        ),
        (
            Reply::new("403 Forbidden", &["Content-Length: 0"]),
            Exit::Refused,
            "is refused by the server (403 Forbidden)",
        ),
    ] {
        let origin = Origin::start(vec![reply]).await;
        let error = all(Folder::list(&url(&origin.url("/"))).unwrap())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} {end}", origin.url("/?format=json"))
        );
        assert_eq!(error.exit(), exit);
    }
}

#[tokio::test]
async fn a_file_is_known_by_its_head() {
    let root = root(b"hello");
    let tag = format!("ETag: {}", root.etag());
    let reply = Reply::new(
        "200 OK",
        &[
            &tag,
            "Content-Length: 5",
            "Last-Modified: Sat, 31 Jan 2026 12:00:00 GMT",
        ],
    );
    let origin = Origin::start(vec![reply]).await;
    let file = Located::file(&client(), &url(&origin.url("/d/a%20b")))
        .await
        .unwrap();
    assert_eq!(file.listed.name, "a b");
    assert_eq!(file.listed.size, Some(5));
    assert_eq!(file.listed.mtime, "2026-01-31T12:00:00Z");
    assert_eq!(file.listed.root, Some(root.to_string()));
    assert_eq!(origin.requests()[0].method, "HEAD");
}

#[tokio::test]
async fn a_stranger_has_no_fleet() {
    let missing = Reply::new("404 Not Found", &["Content-Length: 0"]);
    let origin = Origin::start(vec![missing]).await;
    let error = fleet_status(&client(), &url(&origin.url("/some/file")))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is no Overspill fleet status: it was not found",
            origin.url("/-/api/fleet")
        )
    );
    assert_eq!(error.exit(), Exit::Usage);
}
