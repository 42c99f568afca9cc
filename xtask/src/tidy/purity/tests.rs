//! Samples of pure and impure code.

use super::*;
use crate::tidy::syntax;

fn found_in(path: &str, text: &str) -> Vec<(usize, String)> {
    let (tokens, _) = syntax::parse(text).expect("the sample parses");
    let file = TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    check_source(&file, tokens)
        .into_iter()
        .map(|f| (f.line, f.message))
        .collect()
}

fn found(text: &str) -> Vec<(usize, String)> {
    found_in("crates/core/src/load.rs", text)
}

#[test]
fn a_pure_crate_reaches_outside_by_no_path() {
    for (sample, line, path) in [
        (
            "fn f() {\n    let now = Instant::now();\n}",
            2,
            "Instant::now",
        ),
        (
            "fn f() {\n    g(std::time::SystemTime::now)\n}",
            2,
            "std::time::SystemTime::now",
        ),
        ("use std::fs;", 1, "std::fs"),
        ("use std::fs as disk;", 1, "std::fs"),
        ("use ::std::fs::File;", 1, "std::fs::File"),
        ("use std::{\n    fmt,\n    fs,\n};", 3, "std::fs"),
        (
            "use std::{io, net::{SocketAddr}};",
            1,
            "std::net::SocketAddr",
        ),
        ("use {std::env, a::b};", 1, "std::env"),
        ("fn f(a: std::net::IpAddr) {}", 1, "std::net::IpAddr"),
        (
            "fn f() {\n    format!(\"{}\", std::env::var(\"A\"));\n}",
            2,
            "std::env::var",
        ),
        ("fn f() { std::thread::spawn(g); }", 1, "std::thread::spawn"),
        ("use tokio::sync::mpsc;", 1, "tokio::sync::mpsc"),
        ("#[tokio::main]\nfn f() {}", 1, "tokio::main"),
        (
            "fn f() -> Vec<rustix::fs::Stat> { g() }",
            1,
            "rustix::fs::Stat",
        ),
        ("#[cfg(test)]\nmod tests;\nuse std::fs;", 3, "std::fs"),
        ("#[cfg(not(test))]\nuse std::fs;", 2, "std::fs"),
    ] {
        assert_eq!(
            found(sample),
            [(line, format!("a pure crate uses {path}"))],
            "{sample}"
        );
    }
}

#[test]
fn what_only_looks_impure_is_left_alone() {
    for sample in [
        "//! Never uses std::fs or Instant::now.\nuse std::{fmt, io, time::Instant};",
        "fn f(now: Instant) -> &'static str { \"tokio::spawn\" }",
        "fn f() { Clock::now(); MyInstant::now(); env!(\"CARGO\"); fs::read(); std::fscanf(); }",
        "use core::net::IpAddr;",
        "use crate::tokio_like;",
        "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { Instant::now(); }\n}",
        "#[cfg(all(test, unix))]\nuse std::fs;",
        "#[cfg(test)]\n#[rustfmt::skip]\nfn f() -> [u8; 2] { std::env::args() }",
    ] {
        assert_eq!(found(sample), [], "{sample}");
    }
}

#[test]
fn only_the_product_code_of_pure_crates_is_held_to_this() {
    let sample = "use std::fs;";
    for (path, findings) in [
        ("crates/core/src/a.rs", 1),
        ("crates/http1/src/a/b.rs", 1),
        ("crates/core/src/a/tests.rs", 0),
        ("crates/core/tests/a.rs", 0),
        ("crates/store/src/a.rs", 0),
        ("xtask/src/a.rs", 0),
    ] {
        assert_eq!(found_in(path, sample).len(), findings, "{path}");
    }
}

#[test]
fn a_pure_crate_depends_on_no_runtime() {
    let check = |path: &str, text: &str| -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check_manifest(&file)
            .iter()
            .map(Finding::to_string)
            .collect()
    };
    let impure = "[dependencies]\nbytes = \"1\"\ntokio.workspace = true\n";
    assert_eq!(
        check("crates/core/Cargo.toml", impure),
        ["crates/core/Cargo.toml:3: a pure crate depends on tokio \
          (do this in net, store or node and hand the result down)"]
    );
    assert_eq!(check("crates/net/Cargo.toml", impure), Vec::<String>::new());
    let pure = "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\ntokio.workspace = true\n";
    assert_eq!(check("crates/http1/Cargo.toml", pure), Vec::<String>::new());
}
