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
#[path = "../e2e/stage.rs"]
mod stage;

mod case;
mod connection;
mod corpus;
mod heads;
mod judge;
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
    site::Site,
    speak::{HandedOver, Http1, Speak},
};

/// Runs cases over every transport there is, and asks for at least so many of them.
fn run(cases: &[Case], at_least: usize) {
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let site = Site::new();
    let mut transports: Vec<Box<dyn Speak>> = vec![
        Box::new(Http1::to(site.address())),
        Box::new(HandedOver::to(site.address())),
    ];
    for transport in &mut transports {
        judge(cases, &site, &mut **transport);
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
    methods::compare_head_with_get(&mut Http1::to(site.address()), &site);
}

#[test]
fn request_heads() {
    stream::check(heads::STREAMS, &Site::new());
}

#[test]
fn connections() {
    stream::check(connection::STREAMS, &Site::new());
}

#[test]
fn malformed_heads_of_the_corpus() {
    corpus::check(&Site::new());
}
