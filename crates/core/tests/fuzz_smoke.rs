//! What the fuzz target for URLs checks, on the committed corpus and some mutations of it.
//!
//! It must take a second or two; `CONTRIBUTING.md` says how to run the real fuzzer.

use std::path::Path;

#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;
#[path = "../../../fuzz/src/url.rs"]
mod url;

#[test]
fn paths_of_urls() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/url");
    smoke::run(&corpus, 3000, url::target);
}
