//! Documents, byte for byte.

use overspill_core::root::Sha256;

use super::*;
use crate::{
    holders::{Rank, Ranked},
    role::Holder,
};

fn ranked(url: &str, zone: Option<&str>, rank: Rank) -> Ranked {
    Ranked {
        holder: Holder {
            url: url.to_owned(),
            zone: zone.map(|zone| zone.parse().unwrap()),
        },
        rank,
    }
}

fn rendered(path: &[u8], mtime_ns: i64, format: Format) -> String {
    let holders = [
        ranked("https://m1", Some("de"), Rank::Best),
        ranked("http://m2:8080", Some("north"), Rank::Good),
        ranked("http://s", None, Rank::Own),
    ];
    let document = Document {
        path: &CatalogPath::parse(path).unwrap(),
        size: 14_471_447,
        mtime_ns,
        sha256: Sha256([0xab; 32]),
        holders: &holders,
        origin: "http://s/d/f.iso.meta4",
    };
    document.render(format)
}

#[test]
fn a_document_of_rfc_5854() {
    let expected = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>Overspill/{version}</generator>
  <origin dynamic="true">http://s/d/f.iso.meta4</origin>
  <published>2026-01-02T03:04:05Z</published>
  <file name="f.iso">
    <size>14471447</size>
    <hash type="sha-256">{hash}</hash>
    <url location="de" priority="1">https://m1/d/f.iso</url>
    <url priority="2">http://m2:8080/d/f.iso</url>
    <url priority="3">http://s/d/f.iso</url>
  </file>
</metalink>
"#,
        version = env!("CARGO_PKG_VERSION"),
        hash = "ab".repeat(32),
    );
    let document = rendered(b"d/f.iso", 1_767_323_045_999_999_999, Format::Four);
    assert_eq!(document, expected);
}

#[test]
fn a_document_for_dnf() {
    let expected = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Fri, 02 Jan 2026 03:04:05 GMT" generator="Overspill/{version}" xmlns:mm0="http://fedorahosted.org/mirrormanager">
  <files>
    <file name="repomd.xml">
      <mm0:timestamp>1767323045</mm0:timestamp>
      <size>14471447</size>
      <verification>
        <hash type="sha256">{hash}</hash>
      </verification>
      <resources maxconnections="1">
        <url protocol="https" type="https" location="DE" preference="100">https://m1/repodata/repomd.xml</url>
        <url protocol="http" type="http" preference="99">http://m2:8080/repodata/repomd.xml</url>
        <url protocol="http" type="http" preference="98">http://s/repodata/repomd.xml</url>
      </resources>
    </file>
  </files>
</metalink>
"#,
        version = env!("CARGO_PKG_VERSION"),
        hash = "ab".repeat(32),
    );
    let document = rendered(
        b"repodata/repomd.xml",
        1_767_323_045_000_000_000,
        Format::Three,
    );
    assert_eq!(document, expected);
}

#[test]
fn names_cannot_become_markup_nor_break_it() {
    let name = "d/a&b<c>\"d\n\u{1}\u{ffff}é".as_bytes();
    for (path, shown) in [
        (name, "a&amp;b&lt;c&gt;&quot;d&#10;\u{fffd}\u{fffd}é"),
        (b"x\xff", "x\u{fffd}"),
    ] {
        let document = rendered(path, 0, Format::Four);
        assert!(
            document.contains(&format!("<file name=\"{shown}\">")),
            "{document}"
        );
    }
    let document = rendered(name, -1, Format::Four);
    let url = "http://s/d/a%26b%3Cc%3E%22d%0A%01%EF%BF%BF%C3%A9</url>";
    assert!(document.contains(url), "{document}");
    assert!(document.contains("<published>1970-01-01T00:00:00Z<"));
    assert!(rendered(b"x", i64::MAX, Format::Four).contains("<published>2262-04-11T23:47:16Z<"));
}

#[test]
fn documents_are_asked_for_by_name() {
    let by_name = |name: &[u8]| {
        let asked = Asked::by_name(&CatalogPath::parse(name).unwrap())?;
        Some((asked.path.to_url(), asked.format, asked.ending))
    };
    let four = |path: &str| Some((path.to_owned(), Format::Four, ".meta4"));
    let three = |path: &str| Some((path.to_owned(), Format::Three, ".metalink"));
    for (name, asked) in [
        (&b"d/f.iso.meta4"[..], four("/d/f.iso")),
        (
            b"repodata/repomd.xml.metalink",
            three("/repodata/repomd.xml"),
        ),
        (b"a.meta4.metalink", three("/a.meta4")),
        (b"d/.meta4", None),
        (b".metalink", None),
        (b"meta4", None),
    ] {
        assert_eq!(by_name(name), asked);
    }
}
