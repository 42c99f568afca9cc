//! The documentation is true: every command in README.md and docs/ is run, every link leads somewhere.
//!
//! A page is played as a reader would follow it, from the top, on hosts of its own: network namespaces
//! called `files.example.org`, `m1.example.org`, `m2.example.org` and `client.example.org`, so commands
//! stand in the text as people type them, names and ports included. It must never run a page's command
//! outside of them, and a command that is not run is on a list that says why.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where it is wrong; the lint's own exception covers only #[test]"
)]

mod book;
mod page;
mod play;

use crate::play::play;

/// A test for each page, so that they are played side by side and fail one by one.
macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        /// Every page that is played.
        const PAGES: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $name() {
                play($path);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    balancing: "docs/balancing.md",
    choices: "docs/choices.md",
    comparison: "docs/comparison.md",
    configuration: "docs/configuration.md",
    console: "docs/console.md",
    downloading: "docs/downloading.md",
    http: "docs/http.md",
    introduction: "docs/introduction.md",
    logs: "docs/logs.md",
    metrics: "docs/metrics.md",
    mirrors: "docs/mirrors.md",
    operations: "docs/operations.md",
    relay: "docs/relay.md",
    security: "docs/security.md",
    simulation: "docs/simulation.md",
    start: "docs/start.md",
    troubleshooting: "docs/troubleshooting.md",
}

#[test]
fn every_page_is_played_and_in_the_table_of_contents() {
    book::all_pages_are_known(PAGES);
}

#[test]
fn every_link_leads_somewhere() {
    for path in PAGES {
        book::links_lead_somewhere(path);
    }
}
