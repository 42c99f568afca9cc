//! Methods (RFC 9110 section 9): what may be done to a file, and what may not.

use std::collections::BTreeSet;

use crate::{
    case::{Case, Content},
    site::{BIG, DATA, Site},
    speak::{Asked, Speak},
};

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in [DATA, BIG, "/empty.txt", "/sub/"] {
        cases.push(Case::get("9110 9.3.1", target, "", 200));
        cases.push(
            Case::get("9110 9.3.2", target, "", 200)
                .by("HEAD")
                .body(Content::Nothing),
        );
    }
    for target in [DATA, "/sub/", "/", "/nothing", "*"] {
        let case = Case::get("9110 9.3.7", target, "", 200).by("OPTIONS");
        cases.push(case.body(Content::Nothing).is("allow", ALLOW));
    }
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Get", "HEADS", "QUERY", "X",
    ] {
        for target in [DATA, "/nothing"] {
            let case = Case::get("9110 15.5.6", target, "", 405).by(method);
            cases.push(case.is("allow", ALLOW));
        }
    }
    // TRACE would echo what a browser hides from its scripts.
    let secret = "Authorization: Basic c2VjcmV0\r\n";
    let trace = Case::get("9110 9.3.8", DATA, secret, 405).by("TRACE");
    cases.push(trace.is("content-type", "text/plain; charset=utf-8"));
    // A body has no meaning with GET, and changes nothing (section 9.3.1).
    let body = "Content-Length: 0\r\n";
    cases.push(Case::get("9110 9.3.1", DATA, body, 200).body(Content::Whole));
    // Made while it is sent: of no length, and of no ranges.
    for target in ["/sub/?archive=tar.zst", "/sub/?archive=tar.gz"] {
        for fields in ["", "Range: bytes=0-9\r\n"] {
            let case = Case::get("9110 14.3", target, fields, 200);
            let case = case.is("accept-ranges", "none");
            cases.push(case.absent(&["content-length", "content-range"]));
        }
    }
    cases.push(
        Case::get("9110 15.5.5", "/nothing", "", 404).is("x-content-type-options", "nosniff"),
    );
    cases
}

/// What HEAD and GET are compared for: target and field lines.
const ALIKE: &[(&str, &str)] = &[
    (DATA, ""),
    (BIG, ""),
    (BIG, "Range: bytes=9999999-\r\nIf-Range: \"x\"\r\n"),
    ("/empty.txt", ""),
    ("/hello.txt", ""),
    ("/sub/?archive=tar", ""),
    ("/sub/?archive=tar.zst", ""),
    ("/sub/?archive=zip", ""),
    ("/sub/page.html", ""),
    ("/a%20b.txt", ""),
    ("/", ""),
    ("/sub/", ""),
    ("/sub/", "Accept: application/json\r\n"),
    ("/sub", ""),
    ("//sub", ""),
    ("/nothing", ""),
    ("/../x", ""),
    ("/%zz", ""),
    ("/?min_size=x", ""),
    (DATA, "If-None-Match: {etag}\r\n"),
    (DATA, "If-Match: \"x\"\r\n"),
    (DATA, "Want-Digest: SHA-256\r\n"),
    (DATA, "Want-Repr-Digest: sha-256=0\r\n"),
    ("/sub/", "If-None-Match: *\r\n"),
];

/// Section 9.3.2: HEAD is answered with the fields of GET, all of them and no others.
///
/// # Panics
/// When the two heads differ in anything but `Date`.
pub(crate) fn compare_head_with_get(transport: &dyn Speak, site: &Site) {
    for (target, fields) in ALIKE {
        let fields = site.fill(fields);
        let head_by = |method| {
            let asked = Asked {
                method,
                target,
                fields: &fields,
            };
            let reply = transport.exchange(&asked).expect("an answer");
            // In any order; and what is not there to be framed needs no framing.
            let lines = reply.head.lines().map(str::to_ascii_lowercase);
            let lines = lines.filter(|line| {
                !line.starts_with("date: ") && !line.starts_with("transfer-encoding: ")
            });
            lines.collect::<BTreeSet<_>>()
        };
        let (get, head) = (head_by("GET"), head_by("HEAD"));
        assert_eq!(get, head, "{target} {fields} over {}", transport.name());
    }
}
