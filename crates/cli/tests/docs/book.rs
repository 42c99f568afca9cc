//! The book as a whole: its table of contents, and the links between its pages.
//!
//! It must never look at anything outside the checkout: links to other sites are not followed.

use std::{collections::BTreeSet, fs};

use crate::page::{Page, checkout};

/// Asserts that each page of docs/ is in the table of contents and among `played`, and nothing else.
pub(crate) fn all_pages_are_known(played: &[&str]) {
    let summary = fs::read_to_string(checkout("docs/SUMMARY.md")).unwrap();
    let told: BTreeSet<String> = Page::parse(&summary)
        .links
        .into_iter()
        .map(|link| format!("docs/{link}"))
        .collect();
    let folder = fs::read_dir(checkout("docs")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = names
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .map(|name| format!("docs/{name}"))
        .collect();
    assert_eq!(told, there, "docs/SUMMARY.md and the pages in docs/ differ");
    let mut played: BTreeSet<_> = played.iter().map(|&path| path.to_owned()).collect();
    assert!(played.remove("README.md"), "the README is not played");
    assert_eq!(
        played, there,
        "the pages that are played and those there are differ"
    );
}

/// Asserts that what a page links to within the repository is there, headings included.
pub(crate) fn links_lead_somewhere(path: &str) {
    let page = Page::read(path);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for link in &page.links {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = match file {
            "" => path.to_owned(),
            _ => format!("{folder}/{file}")
                .trim_start_matches('/')
                .to_owned(),
        };
        assert!(
            checkout(&target).exists(),
            "{path} links to {link}, which is not there"
        );
        if !heading.is_empty() {
            let headings = Page::read(&target).headings;
            assert!(
                headings.iter().any(|known| known == heading),
                "{path} links to {link}, but {target} has only {headings:?}"
            );
        }
    }
}
