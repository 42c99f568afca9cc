//! Tidy as a whole: over a made-up checkout on disk, and over this one.

use std::fs;

use super::*;

#[test]
fn this_checkout_is_tidy() {
    let findings = run(&crate::checkout_root().expect("a workspace")).expect("it can be read");
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(
        list.is_empty(),
        "{} findings:\n{}",
        list.len(),
        list.join("\n")
    );
}

#[test]
fn each_check_is_run_over_what_lies_on_disk_and_findings_come_in_order() {
    let root = tempfile::tempdir().expect("a folder");
    for (path, text) in [
        (".git/broken.rs", "no module doc"),
        ("ARCHITECTURE.md", ""),
        ("LEXICON.md", "## Words we do not use\n| `peer` | node |\n"),
        ("clippy.toml", "a = true\n"),
        (
            "crates/core/Cargo.toml",
            "[dependencies]\ntokio = \"1\"\noverspill-net = \"1\"\n",
        ),
        ("crates/core/clippy.toml", ""),
        (
            "crates/core/src/lib.rs",
            "//! Peer.\nuse std::fs;\n// TODO\n",
        ),
        ("crates/core/target/a.rs", "no rust"),
        ("xtask/src/main.rs", "fn main( {}\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let long = format!("//! Doc.\nfn f() {{\n{}}}\n", "\n".repeat(70));
    fs::write(root.path().join("crates/core/src/long.rs"), long).expect("a file");
    fs::write(root.path().join("binary.rs"), [0xff, 0xfe]).expect("a file");

    let findings = run(root.path()).expect("it can be read");

    let places: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
    let expected = [
        ("ARCHITECTURE.md", 1),
        ("crates/core/Cargo.toml", 2),
        ("crates/core/Cargo.toml", 3),
        ("crates/core/clippy.toml", 1),
        ("crates/core/src/lib.rs", 1),
        ("crates/core/src/lib.rs", 2),
        ("crates/core/src/lib.rs", 3),
        ("crates/core/src/long.rs", 2),
        ("xtask/src/main.rs", 1),
        ("xtask/src/main.rs", 1),
    ];
    assert_eq!(places, expected, "{findings:#?}");
}

#[test]
fn a_checkout_that_cannot_be_read_is_an_error() {
    let root = tempfile::tempdir().expect("a folder");
    let error = run(&root.path().join("absent")).expect_err("it is not there");
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}
