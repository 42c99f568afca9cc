//! A page that fetches through a relay does not notice either.

use serde_json::json;

use super::*;
use crate::browser::devtools::{Browser, CHROMIUM};

#[test]
fn a_browser_never_notices_what_happens_behind_the_server() {
    let test = "a_browser_never_notices_what_happens_behind_the_server";
    if !has(test, &[Need::Program(CHROMIUM)]) {
        return;
    }
    let scene = Scene::new(&[]);
    // A document without a policy of its own.
    let page = b"<!doctype html><title>Fetches</title>";
    scene.fleet.stage.write("page.html", page);
    scene.fleet.converge();
    let mut browser = Browser::start(&scene.fleet.stage);
    browser.open(&format!("{}/page.html", scene.fleet.server.url));
    for fault in [
        Fault::Truncates(1_000_003),
        Fault::Resets(65_536),
        Fault::Rewrites("ETag", ""),
    ] {
        let before = scene.way.struck();
        scene.way.set(fault);
        browser.evaluate(
            "window.sum = undefined; fetch('/file?relay', { cache: 'no-store' })\
             .then((reply) => reply.arrayBuffer())\
             .then((bytes) => crypto.subtle.digest('SHA-256', bytes))\
             .then((sum) => { window.sum = [...new Uint8Array(sum)] })\
             .catch((error) => { window.sum = 'failed: ' + error }); 0",
        );
        browser.wait("window.sum !== undefined");
        let sum = browser.evaluate("window.sum");
        assert_eq!(sum, json!(sha256(&scene.bytes)), "{fault:?}");
        assert!(scene.way.struck() > before, "{fault:?}: never met");
    }
}
