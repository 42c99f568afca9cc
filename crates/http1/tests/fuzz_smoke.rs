//! What the fuzz targets check, on the committed corpus and some mutations of it.
//!
//! It must take a second or two; `CONTRIBUTING.md` says how to run the real fuzzer.

use std::path::Path;

#[path = "../../../fuzz/src/http1.rs"]
mod http1;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

use overspill_http1::request::{Limits, Parsed, parse};

#[test]
fn heads() {
    smoke::run(&corpus("head"), 300, http1::head);
}

#[test]
fn ranges() {
    smoke::run(&corpus("range"), 3000, http1::range);
}

#[test]
fn multipart_bodies() {
    smoke::run(&corpus("range"), 3000, http1::multipart);
}

/// The corpus says by its folders what becomes of a head.
#[test]
fn the_corpus_is_sorted_rightly() {
    for (folder, is_refused) in [("head/refused", true), ("head/read", false)] {
        for item in std::fs::read_dir(corpus(folder)).unwrap() {
            let path = item.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let found = parse(&bytes, &Limits::default());
            assert_eq!(found.is_err(), is_refused, "{}: {found:?}", path.display());
            let is_partial = found == Ok(Parsed::Partial);
            assert_eq!(is_partial, path.ends_with("partial"), "{}", path.display());
        }
    }
}

fn corpus(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name)
}
