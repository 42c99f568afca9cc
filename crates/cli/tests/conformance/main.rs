//! Conformance: what RFC 9110 and RFC 9112 ask of a file server, case by case, of the real binary.
//!
//! The cases are data, in tables by topic; each names the section that it holds us to. One judge runs
//! them over anything that can [`speak::Speak`], so that another transport needs no cases of its own.
//! A case must never depend on another: every one has a connection to itself.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where it is wrong; the lint's own exception covers only #[test]"
)]

#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/fleet.rs"]
mod fleet;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/http.rs"]
mod http;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/http2.rs"]
mod http2;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/secure.rs"]
mod secure;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/stage.rs"]
mod stage;

mod case;
mod connection;
mod corpus;
mod heads;
mod judge;
mod memory;
mod methods;
mod negotiation;
mod preconditions;
mod ranges;
mod site;
mod speak;
mod stream;
mod targets;

use crate::{
    case::Case,
    judge::judge,
    memory::InMemory,
    site::Site,
    speak::{Http1, Http2, Speak},
};

/// Every transport there is, and none.
fn transports(site: &Site) -> [Box<dyn Speak>; 7] {
    let (plain, secure) = (site.address(), site.secure_address());
    let [http1, http2] = ["http/1.1", "h2"].map(|protocol| site.terms(&[protocol]));
    [
        Box::new(InMemory::over(&site.tree())),
        Box::new(Http1::to(plain)),
        Box::new(Http1::to(plain).handed_over()),
        Box::new(Http1::secure(secure, http1.clone())),
        Box::new(Http1::secure(secure, http1).handed_over()),
        Box::new(Http2::to(plain)),
        Box::new(Http2::secure(secure, http2)),
    ]
}

/// The transports whose very bytes are HTTP/1.1, read by our own code.
fn raw_transports(site: &Site) -> [Http1; 2] {
    [
        Http1::to(site.address()),
        Http1::secure(site.secure_address(), site.terms(&["http/1.1"])),
    ]
}

/// Runs cases over every transport there is, and asks for at least so many of them.
fn run(cases: &[Case], at_least: usize) {
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let site = Site::new();
    for transport in transports(&site) {
        judge(cases, &site, &*transport);
    }
}

#[test]
fn byte_ranges() {
    run(&ranges::cases(), 150);
}

#[test]
fn conditional_requests() {
    run(&preconditions::cases(), 120);
}

#[test]
fn request_methods() {
    run(&methods::cases(), 30);
}

#[test]
fn negotiated_fields() {
    run(&negotiation::cases(), 25);
}

#[test]
fn request_targets() {
    run(&targets::cases(), 50);
}

#[test]
fn head_is_get_without_its_body() {
    let site = Site::new();
    for transport in transports(&site) {
        methods::compare_head_with_get(&*transport, &site);
    }
}

#[test]
fn request_heads() {
    for transport in raw_transports(&Site::new()) {
        stream::check(heads::STREAMS, &|| transport.open());
    }
}

#[test]
fn connections() {
    for transport in raw_transports(&Site::new()) {
        stream::check(connection::STREAMS, &|| transport.open());
    }
}

#[test]
fn malformed_heads_of_the_corpus() {
    for transport in raw_transports(&Site::new()) {
        corpus::check(&|| transport.open());
    }
}
