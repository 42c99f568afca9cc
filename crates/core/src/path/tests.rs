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

    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = CatalogPath::from_url(&bytes);
        let _ = CatalogPath::parse(&bytes);
    }
}
