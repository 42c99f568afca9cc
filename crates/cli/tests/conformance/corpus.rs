//! The corpus of refused heads, sent to a real node.
//!
//! The files are those the parser's own tests read. Whatever they hold, a node gives one answer at the
//! most, an error, and closes; it must never wait for more, nor take a second request out of one.

use std::{fs, path::Path};

use crate::stream::Open;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../http1/corpus/head/refused");

/// Sends each file on a connection of its own, made by `open`.
///
/// # Panics
/// When an answer is no error, when there is another, or when the connection stays open.
pub(crate) fn check(open: Open<'_>) {
    let mut count = 0;
    for item in fs::read_dir(Path::new(FOLDER)).expect("the corpus") {
        let path = item.expect("a file of the corpus").path();
        let bytes = fs::read(&path).expect("a file of the corpus");
        let mut wire = open().expect("a node that accepts");
        wire.send(&bytes);
        let reply = wire.head();
        let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            (400..600).contains(&reply.status),
            "{}: {}",
            path.display(),
            reply.head
        );
        assert_eq!(
            reply.field("connection"),
            Some("close"),
            "{}",
            path.display()
        );
        wire.body(reply.length());
        assert!(wire.has_ended(), "{}: more than one answer", path.display());
        count += 1;
    }
    assert!(count >= 60, "only {count} files in {FOLDER}");
}
