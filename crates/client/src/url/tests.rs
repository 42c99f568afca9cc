//! Tables of URLs: how they parse, resolve, and name a local file.

use super::*;

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap()
}

#[test]
fn urls_parse_as_people_write_them() {
    for (text, expected) in [
        ("http://h", "http://h/"),
        ("http://h:8080/a", "http://h:8080/a"),
        (" http://h/a b.iso ", "http://h/a%20b.iso"),
        ("http://h/\u{e9}.iso", "http://h/%C3%A9.iso"),
        ("http://h/%41?x=1", "http://h/%41?x=1"),
        ("http://h/a#part", "http://h/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://h/a{1}", "http://h/a%7B1%7D"),
        ("https://h", "https://h/"),
        ("https://h:8443/a b", "https://h:8443/a%20b"),
    ] {
        assert_eq!(url(text).to_string(), expected, "{text}");
    }
}

#[test]
fn what_is_no_url_is_refused_with_its_remedy() {
    for (text, message) in [
        (
            "h/a",
            "\"h/a\" is not an http:// or https:// URL; write for example http://host:8080/file",
        ),
        (
            "",
            "\"\" is not an http:// or https:// URL; write for example http://host:8080/file",
        ),
        (
            "ftp://h/a",
            "\"ftp://h/a\" is not an http:// or https:// URL; write for example http://host:8080/file",
        ),
        (
            "http://me:secret@h/a",
            "http://...@h holds a user name, which is not supported; leave out everything up to the @",
        ),
        (
            "https://me:secret@h/a",
            "https://...@h holds a user name, which is not supported; leave out everything up to the @",
        ),
    ] {
        assert_eq!(HttpUrl::parse(text).unwrap_err().to_string(), message);
    }
    for text in ["http://", "http:///a", "/a", "host:8080/a", "http://:80/a"] {
        assert!(HttpUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn references_resolve_as_rfc_3986_shows() {
    let base = url("http://a/b/c/d?q");
    for (reference, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("", "http://a/b/c/d?q"),
        ("#s", "http://a/b/c/d?q"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("http://m:1/x?ticket=t", "http://m:1/x?ticket=t"),
        ("c%3Ad", "http://a/b/c/c%3Ad"),
    ] {
        assert_eq!(
            base.resolve(reference).unwrap().to_string(),
            expected,
            "{reference}"
        );
    }
    let secure = url("https://a/b/c");
    for (reference, expected) in [
        ("g", "https://a/b/g"),
        ("/g?y", "https://a/g?y"),
        ("//m/g", "https://m/g"),
        ("http://m/g", "http://m/g"),
    ] {
        assert_eq!(secure.resolve(reference).unwrap().to_string(), expected);
    }
}

#[test]
fn a_redirect_may_enter_https_but_not_leave_it() {
    let (plain, secure) = (url("http://a/x"), url("https://a/x"));
    for (from, location, expected) in [
        (&plain, "http://m/x", "http://m/x"),
        (&plain, "https://m/x", "https://m/x"),
        (&secure, "https://m/x", "https://m/x"),
        (&secure, "/y", "https://a/y"),
    ] {
        assert_eq!(from.redirected(location).unwrap().to_string(), expected);
    }
    assert_eq!(
        secure
            .redirected("http://m/x?ticket=t")
            .unwrap_err()
            .to_string(),
        "a redirect to http://m/x leaves https and is not followed; ask for that URL if you mean \
         it, and tell the operator"
    );
}

#[test]
fn parameters_go_to_the_end_of_any_query() {
    for (text, expected) in [
        ("http://h/a", "http://h/a?avoid=m%2C1"),
        ("http://h/a?", "http://h/a?avoid=m%2C1"),
        ("http://h/a?x=1", "http://h/a?x=1&avoid=m%2C1"),
    ] {
        let extended = url(text).with_parameter("avoid", "m,1").unwrap();
        assert_eq!(extended.to_string(), expected);
    }
}

#[test]
fn a_folder_gets_its_slash_and_loses_its_query() {
    for (text, expected) in [
        ("http://h", "http://h/"),
        ("http://h/a", "http://h/a/"),
        ("http://h/a/?x=1", "http://h/a/"),
    ] {
        assert_eq!(url(text).as_folder().unwrap().to_string(), expected);
    }
}

#[test]
fn the_last_segment_names_the_file() {
    for (text, name) in [
        ("http://h/a/big.iso?ticket=x", b"big.iso".as_slice()),
        ("http://h/a%20b", b"a b"),
        ("http://h/a+b", b"a+b"),
        ("http://h/%ff", b"\xff"),
        ("http://h//x//y", b"y"),
    ] {
        assert_eq!(url(text).file_name().unwrap().as_bytes(), name, "{text}");
    }
}

#[test]
fn a_url_never_names_a_file_outside_the_folder() {
    for (text, message) in [
        ("http://h/", "http://h/ names a folder, not a file"),
        ("http://h/a/", "http://h/a/ names a folder, not a file"),
        (
            "http://h/a/%2e%2e",
            "http://h/a/%2e%2e gives no usable file name: the path has a . or .. segment; send the path without it",
        ),
        (
            "http://h/..%2fetc",
            "http://h/..%2fetc gives no usable file name: the path has an encoded slash (%2F); no file name can contain one",
        ),
        (
            "http://h/a%00b",
            "http://h/a%00b gives no usable file name: the path has a NUL byte",
        ),
        (
            "http://h/a%zz",
            "http://h/a%zz gives no usable file name: the path has a % that is not followed by two hexadecimal digits",
        ),
    ] {
        assert_eq!(url(text).file_name().unwrap_err().to_string(), message);
    }
}
