//! Request targets: how a path is decoded, what is sent to another spelling, what is refused.
//!
//! No redirect here may lead to another host: `Location` begins with one slash.

use crate::case::{Case, Content};

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(rfc, target, length) in SERVED {
        let case = of_its_form(Case::get(rfc, target, "", 200));
        cases.push(case.is("content-length", length));
    }
    for &(rfc, target, location) in REDIRECTED {
        for method in ["GET", "HEAD"] {
            let case = of_its_form(Case::get(rfc, target, "", 307).by(method));
            let case = case.body(Content::Nothing).is("location", location);
            cases.push(case.is("cache-control", "private, no-store"));
        }
    }
    for &(rfc, target, status) in REFUSED {
        let case = Case::get(rfc, target, "", status).absent(&["location"]);
        cases.push(of_its_form(case));
    }
    let long_name = format!("/{}", "a".repeat(5000));
    cases.push(Case::get("9110 15.5.15", &long_name, "", 414));
    cases
}

/// HTTP/2 has the scheme and the authority in fields of their own.
fn of_its_form(case: Case) -> Case {
    if case.target.starts_with('/') || case.target == "*" {
        return case;
    }
    case.malformed_in_http2("9113 8.3.1: `:path` begins with a slash, or is `*` alone")
}

/// Section, target, length of the file it names.
const SERVED: &[(&str, &str, &str)] = &[
    ("3986 2.1", "/hello.txt", "11"),
    ("3986 6.2.2.2", "/%68ello.txt", "11"),
    ("3986 6.2.2.2", "/%68%65%6c%6c%6f%2e%74%78%74", "11"),
    ("3986 6.2.2.1", "/%68%65%6C%6C%6F%2E%74%78%74", "11"),
    ("3986 6.2.2.2", "/s%75b/page.html", "3"),
    ("3986 2.1", "/a%20b.txt", "5"),
    ("3986 2.4", "/per%25cent.txt", "7"),
    ("3986 2.5", "/%C3%BCmlaut.txt", "4"),
    ("3986 2.5", "/%c3%bcmlaut.txt", "4"),
    ("3986 2.5", "/latin%E9.txt", "5"),
    ("3986 3.3", "/co:lon,com=ma+plus.txt", "5"),
    ("3986 3.3", "/co%3Alon%2Ccom%3Dma%2Bplus.txt", "5"),
    ("3986 3.4", "/hello.txt?", "11"),
    ("3986 3.4", "/hello.txt?x=1", "11"),
    ("3986 3.4", "/hello.txt?/../..//%2F%00", "11"),
    ("3986 3.4", "/hello.txt?a?b?c", "11"),
    ("9112 3.2.2", "http://h/hello.txt", "11"),
    ("9112 3.2.2", "HTTP://other.example:99/hello.txt?x", "11"),
    ("9112 3.2.2", "https://h/hello.txt", "11"),
];

/// Section, target, where it is sent.
const REDIRECTED: &[(&str, &str, &str)] = &[
    ("3986 6.2.2.3", "//hello.txt", "/hello.txt"),
    ("3986 6.2.2.3", "/./hello.txt", "/hello.txt"),
    ("3986 6.2.2.3", "/%2e/hello.txt", "/hello.txt"),
    ("3986 6.2.2.3", "/%2E/hello.txt", "/hello.txt"),
    ("3986 6.2.2.3", "/sub//page.html", "/sub/page.html"),
    ("3986 6.2.2.3", "/sub/./page.html", "/sub/page.html"),
    ("3986 6.2.2.3", "/sub/././/page.html", "/sub/page.html"),
    ("3986 6.2.2.3", "/sub/.", "/sub/"),
    ("3986 6.2.2.3", "/sub//", "/sub/"),
    ("3986 6.2.2.3", "/.", "/"),
    ("3986 6.2.2.3", "//", "/"),
    ("3986 6.2.2.3", "///", "/"),
    ("3986 3.4", "//hello.txt?x=1&y=%2F", "/hello.txt?x=1&y=%2F"),
    ("3986 3.4", "/.?", "/?"),
    ("9110 17.3", "//evil.example", "/evil.example"),
    ("9110 17.3", "//evil.example/", "/evil.example/"),
    ("9110 17.3", "///evil.example/%2e", "/evil.example/"),
    ("9110 17.3", "/.//evil.example", "/evil.example"),
    (
        "9110 17.3",
        "//user@evil.example:80/x",
        "/user@evil.example:80/x",
    ),
    ("9110 17.3", "//%5Cevil.example", "/%5Cevil.example"),
    (
        "9110 17.3",
        "/./%0D%0ASet-Cookie:%20a",
        "/%0D%0ASet-Cookie:%20a",
    ),
    ("9112 3.2.2", "http://evil.example//x", "/x"),
    // A folder without its slash; relative links on its page would lead nowhere.
    ("9110 15.4.8", "/sub", "/sub/"),
    ("9110 15.4.8", "/sub?format=json", "/sub/?format=json"),
    ("9110 15.4.8", "/%73ub", "/sub/"),
];

const REFUSED: &[(&str, &str, u16)] = &[
    ("3986 5.2.4", "/..", 400),
    ("3986 5.2.4", "/../hello.txt", 400),
    ("3986 5.2.4", "/sub/../hello.txt", 400),
    ("3986 5.2.4", "/sub/..", 400),
    ("3986 5.2.4", "/%2e%2e/hello.txt", 400),
    ("3986 5.2.4", "/%2E./hello.txt", 400),
    ("3986 5.2.4", "/.%2e/hello.txt", 400),
    ("3986 5.2.4", "//../hello.txt", 400),
    ("3986 5.2.4", "/./../hello.txt", 400),
    ("3986 7.3", "/..%2fhello.txt", 400),
    ("3986 7.3", "/sub%2Fpage.html", 400),
    ("3986 7.3", "/sub%2fpage.html", 400),
    ("3986 7.3", "/%2f%2fevil.example", 400),
    ("3986 7.3", "//sub%2Fpage.html", 400),
    ("3986 7.3", "/hello.txt%00", 400),
    ("3986 7.3", "/%00", 400),
    ("3986 7.3", "//hello.txt%00", 400),
    ("3986 2.1", "/hello%", 400),
    ("3986 2.1", "/hello%2", 400),
    ("3986 2.1", "/%zz", 400),
    ("3986 2.1", "/%2xhello", 400),
    ("3986 2.1", "/%u0041", 400),
    ("3986 2.1", "//%", 400),
    // Decoded once, never twice.
    ("3986 2.4", "/%2568ello.txt", 404),
    ("3986 2.4", "/%252e%252e/hello.txt", 404),
    ("3986 2.4", "/%252fhello.txt", 404),
    ("3986 3.3", "/...", 404),
    ("3986 3.3", "/..hello.txt", 404),
    ("3986 3.3", "/hello.txt/", 404),
    ("3986 3.3", "/hello.txt;v=1", 404),
    ("3986 6.2.2.1", "/HELLO.TXT", 404),
    ("3986 3.3", "/hello.txt%20", 404),
    ("3986 3.3", "/..%5c..%5chello.txt", 404),
    ("3986 3.3", "/\\..\\hello.txt", 404),
    ("9112 3.2.2", "ftp://h/hello.txt", 400),
    ("9112 3.2.2", "http:///hello.txt", 400),
    ("9112 3.2.2", "http://user@h/hello.txt", 400),
    ("9112 3.2.1", "hello.txt", 400),
    ("9112 3.2.4", "*", 400),
];
