//! Paths: what is taken, what is refused, and that encoding loses nothing.

use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Result<(String, UrlForm), PathError> {
    CatalogPath::from_url(text.as_bytes()).map(|url| (url.path.to_string(), url.form))
}

#[test]
fn urls_parse_to_paths() {
    for (text, path, form) in [
        ("/", "", UrlForm::Folder),
        ("/a", "a", UrlForm::File),
        ("/a/", "a", UrlForm::Folder),
        ("/a/b.iso", "a/b.iso", UrlForm::File),
        ("/a%20b", "a b", UrlForm::File),
        ("/%61", "a", UrlForm::File),
        ("/...", "...", UrlForm::File),
        ("/a+b", "a+b", UrlForm::File),
    ] {
        assert_eq!(url(text), Ok((path.to_owned(), form)), "{text}");
    }
}

#[test]
fn bad_urls_are_refused() {
    for (text, error) in [
        ("", PathError::NotAbsolute),
        ("a", PathError::NotAbsolute),
        ("//", PathError::EmptySegment),
        ("//a", PathError::EmptySegment),
        ("/a//b", PathError::EmptySegment),
        ("/a//", PathError::EmptySegment),
        ("/..", PathError::DotSegment),
        ("/a/../b", PathError::DotSegment),
        ("/a/%2e%2e/b", PathError::DotSegment),
        ("/./a", PathError::DotSegment),
        ("/a%00b", PathError::Nul),
        ("/a%2fb", PathError::EncodedSlash),
        ("/a%2Fb", PathError::EncodedSlash),
        ("/a%", PathError::BadEscape),
        ("/a%4", PathError::BadEscape),
        ("/a%zz", PathError::BadEscape),
    ] {
        assert_eq!(url(text), Err(error), "{text}");
    }
    let long = format!("/{}", "a".repeat(CatalogPath::MAX_BYTES + 1));
    assert_eq!(url(&long), Err(PathError::TooLong));
}

#[test]
fn redundant_segments_are_taken_out_of_urls() {
    for (text, expected) in [
        ("/a/b", Ok("/a/b")),
        ("/a//b", Ok("/a/b")),
        ("/./a", Ok("/a")),
        ("/a/./b/", Ok("/a/b/")),
        ("/a/.", Ok("/a/")),
        ("/a/%2e", Ok("/a/")),
        ("/a/%2E/b", Ok("/a/b")),
        ("/a//", Ok("/a/")),
        ("//", Ok("/")),
        ("/.", Ok("/")),
        ("/.//./", Ok("/")),
        // Nothing that a browser would take for another host.
        ("//evil.example/a", Ok("/evil.example/a")),
        ("///evil.example", Ok("/evil.example")),
        ("/.//evil.example", Ok("/evil.example")),
        ("/%2e//evil.example", Ok("/evil.example")),
        ("//\\evil.example", Ok("/%5Cevil.example")),
        ("//%0d%0aevil", Ok("/%0D%0Aevil")),
        ("//%61%20%ff", Ok("/a%20%FF")),
        ("/...//a", Ok("/.../a")),
        ("//..", Err(PathError::DotSegment)),
        ("/a/../b", Err(PathError::DotSegment)),
        ("/./%2e%2E/b", Err(PathError::DotSegment)),
        ("/.%2e//b", Err(PathError::DotSegment)),
        ("//a%2fb", Err(PathError::EncodedSlash)),
        ("//a%00", Err(PathError::Nul)),
        ("//a%", Err(PathError::BadEscape)),
        ("", Err(PathError::NotAbsolute)),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(
            CatalogPath::canonical_url(text.as_bytes()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn names_parents_and_order() {
    let path = CatalogPath::parse(b"a/b/c").unwrap();
    assert_eq!(path.name(), b"c");
    assert_eq!(path.parent(), Some(CatalogPath::parse(b"a/b").unwrap()));
    assert_eq!(
        CatalogPath::parse(b"a").unwrap().parent(),
        Some(CatalogPath::root())
    );
    assert_eq!(CatalogPath::root().parent(), None);
    assert!(path.is_below(&CatalogPath::root()));
    assert!(path.is_below(&CatalogPath::parse(b"a").unwrap()));
    assert!(!path.is_below(&CatalogPath::parse(b"a/b/c").unwrap()));
    assert!(
        !CatalogPath::parse(b"ab")
            .unwrap()
            .is_below(&CatalogPath::parse(b"a").unwrap())
    );
    assert!(!CatalogPath::root().is_below(&CatalogPath::root()));
}

#[test]
fn hidden_segments_are_seen_anywhere() {
    for (path, hidden) in [
        ("a/b", false),
        (".a/b", true),
        ("a/.b", true),
        ("a.b", false),
    ] {
        assert_eq!(
            CatalogPath::parse(path.as_bytes()).unwrap().is_hidden(),
            hidden,
            "{path}"
        );
    }
}

proptest! {
    #[test]
    fn url_encoding_is_lossless(bytes in proptest::collection::vec(any::<u8>(), 1..64)) {
        if let Ok(path) = CatalogPath::parse(&bytes) {
            let url = path.to_url();
            prop_assert!(url.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(CatalogPath::from_url(url.as_bytes()).unwrap().path, path);
        }
    }

    /// What a client is redirected to is taken at once, and stays on this host.
    #[test]
    fn a_canonical_url_is_canonical(
        pieces in proptest::collection::vec(
            prop::sample::select(vec!["/", ".", "%2e", "a", "%41", "%ff", "\\", "%5c", ":", "..."]),
            0..12,
        ),
    ) {
        let url = format!("/{}", pieces.concat());
        if let Ok(canonical) = CatalogPath::canonical_url(url.as_bytes()) {
            prop_assert!(canonical.starts_with('/') && !canonical.starts_with("//"));
            prop_assert!(CatalogPath::from_url(canonical.as_bytes()).is_ok(), "{}", canonical);
            prop_assert_eq!(CatalogPath::canonical_url(canonical.as_bytes()), Ok(canonical.clone()));
            if let Ok(taken) = CatalogPath::from_url(url.as_bytes()) {
                let again = CatalogPath::from_url(canonical.as_bytes()).unwrap();
                prop_assert_eq!(taken, again);
            }
        }
    }

    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = CatalogPath::from_url(&bytes);
        let _ = CatalogPath::canonical_url(&bytes);
        let _ = CatalogPath::parse(&bytes);
    }
}
