//! Which local path an entry of a listing gets.

use overspill_wire::listing::Listed;

use super::*;

fn entry(url: &str) -> Located {
    let url = HttpUrl::parse(url).unwrap();
    let path = CatalogPath::from_url(url.path().as_bytes()).ok();
    Located {
        path: path.map(|path| path.path),
        url,
        listed: Listed {
            name: String::new(),
            href: String::new(),
            kind: ListedKind::File,
            size: None,
            mtime: String::new(),
            root: None,
            sha256: None,
            crc32: None,
        },
    }
}

#[test]
fn entries_are_where_they_are_below_the_folder() {
    for (folder, url, expected) in [
        ("http://h/", "http://h/a", Some("a")),
        ("http://h/d/", "http://h/d/a/b%20c", Some("a/b c")),
        ("http://h/d", "http://h/d/a", Some("a")),
        ("http://h/d/", "http://h/da/b", None),
        ("http://h/d/", "http://h/x", None),
        ("http://h/d/", "http://h/d/", None),
        ("http://h/", "http://h/a%2fb", None),
        ("http://h/", "http://h/%2e%2e/etc/passwd", None),
        ("http://h/d/", "http://h/d/..%2f..%2fx", None),
        ("http://h/d/", "http://h/d/x%00", None),
    ] {
        let folder = HttpUrl::parse(folder).unwrap();
        let found = below(&folder, &entry(url)).map(|path| path.to_text().into_owned());
        assert_eq!(found.as_deref(), expected, "{url}");
    }
}
