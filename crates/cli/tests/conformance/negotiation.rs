//! Fields by which a client chooses: the form of a listing, digests, codings.

use crate::{
    case::{Case, Content},
    site::DATA,
};

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(fields, wanted) in REPR_DIGEST {
        let case = Case::get("9530 4", DATA, fields, 200).body(Content::Whole);
        cases.push(match wanted {
            true => case
                .is("repr-digest", "sha-256=:{sha256}:")
                .absent(&["digest"]),
            false => case.absent(&["repr-digest", "digest"]),
        });
    }
    for &(fields, wanted) in DIGEST {
        let case = Case::get("3230 4.3.1", DATA, fields, 200).body(Content::Whole);
        cases.push(match wanted {
            true => case.is("digest", "SHA-256={sha256}"),
            false => case.absent(&["digest"]),
        });
    }
    // A digest is of the representation, whatever part of it is sent.
    let part = "Range: bytes=0-4\r\nWant-Digest: SHA-256\r\n";
    let case = Case::get("9530 3", DATA, part, 206).body(Content::Slice(0, 5));
    let case = case.is("repr-digest", "sha-256=:{sha256}:");
    cases.push(case.is("digest", "SHA-256={sha256}"));
    for &(accept, content_type) in LISTING {
        let case = Case::get("9110 12.5.1", "/sub/", accept, 200);
        cases.push(case.is("content-type", content_type).is("vary", "Accept"));
    }
    // Nothing is stored in another coding here, so none is sent; 12.5.3 asks for no refusal.
    for &accept in CODINGS {
        let case = Case::get("9110 12.5.3", DATA, accept, 200).body(Content::Whole);
        cases.push(case.absent(&["content-encoding"]));
    }
    cases
}

const REPR_DIGEST: &[(&str, bool)] = &[
    ("", true),
    ("Want-Repr-Digest: sha-256=1\r\n", true),
    ("Want-Repr-Digest: sha-256=10, sha-512=3\r\n", true),
    ("Want-Repr-Digest: sha-512=5\r\n", true),
    ("Want-Repr-Digest: sha-256=0\r\n", false),
    ("Want-Repr-Digest: sha-512=5, sha-256=0\r\n", false),
    (
        "Want-Repr-Digest: sha-512=5\r\nWant-Repr-Digest: sha-256=0\r\n",
        false,
    ),
    ("Want-Repr-Digest: sha-256=0,\r\n", true),
    ("Want-Repr-Digest: sha-256=11\r\n", true),
    ("Want-Repr-Digest: what?\r\n", true),
];

const DIGEST: &[(&str, bool)] = &[
    ("Want-Digest: SHA-256\r\n", true),
    ("Want-Digest: sha-256;q=0.1\r\n", true),
    ("Want-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1\r\n", true),
    ("Want-Digest: MD5\r\nWant-Digest: SHA-256\r\n", true),
    ("Want-Digest: SHA-256;q=0\r\n", false),
    ("Want-Digest: MD5;q=0.3, sha;q=1\r\n", false),
    ("Want-Digest: SHA-256;q=high\r\n", false),
    ("Want-Digest:\r\n", false),
];

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

const LISTING: &[(&str, &str)] = &[
    ("", HTML),
    ("Accept: */*\r\n", HTML),
    ("Accept: application/json\r\n", JSON),
    ("Accept: application/json, text/html;q=0.9\r\n", JSON),
    ("Accept: application/json;q=0.9, text/html\r\n", HTML),
    ("Accept: text/html;q=0\r\nAccept: */*\r\n", JSON),
];

const CODINGS: &[&str] = &[
    "",
    "Accept-Encoding:\r\n",
    "Accept-Encoding: identity\r\n",
    "Accept-Encoding: gzip, br, zstd\r\n",
    "Accept-Encoding: *\r\n",
    "Accept-Encoding: gzip;q=nonsense\r\n",
];
