//! ARCHITECTURE.md, once there is one: short enough to be read, and naming every crate.

use std::collections::BTreeSet;

use super::{
    Finding,
    checkout::{Checkout, TextFile},
};

pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    let Some(document) = checkout.file("ARCHITECTURE.md") else {
        return Vec::new();
    };
    let folders: BTreeSet<&str> = checkout
        .files()
        .iter()
        .filter_map(TextFile::crate_folder)
        .collect();
    let mut findings: Vec<Finding> = check_length(document).into_iter().collect();
    findings.extend(
        folders
            .into_iter()
            .filter(|folder| !names(document, folder))
            .map(|folder| {
                Finding::new(
                    &document.path,
                    1,
                    format!("the crate {folder} is not mentioned"),
                    format!("give `{folder}` its paragraph in the code map"),
                )
            }),
    );
    findings
}

fn check_length(document: &TextFile) -> Option<Finding> {
    let lines = document.text.lines().count();
    (lines > LINES_MAX).then(|| {
        Finding::new(
            &document.path,
            LINES_MAX + 1,
            format!("the document has {lines} lines, more than {LINES_MAX}"),
            "move detail to the module docs it describes",
        )
    })
}

/// Whether the document names the crate as code: in prose, "client" or "server" proves nothing.
fn names(document: &TextFile, folder: &str) -> bool {
    ["crates/", "overspill-", "`"].iter().any(|before| {
        let mention = format!("{before}{folder}");
        document.text.match_indices(&mention).any(|(at, _)| {
            let after = document.text[at + mention.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        })
    })
}

const LINES_MAX: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Vec<(usize, String)> {
        let checkout = Checkout::of(&[
            ("ARCHITECTURE.md", document),
            ("crates/http1/src/lib.rs", ""),
            ("crates/net/Cargo.toml", ""),
            ("crates/net/src/lib.rs", ""),
        ]);
        check(&checkout)
            .into_iter()
            .map(|finding| (finding.line, finding.message))
            .collect()
    }

    #[test]
    fn every_crate_is_named_as_code() {
        for document in [
            "`net` and `http1`",
            "crates/net/ and crates/http1.",
            "overspill-net, overspill-http1",
            "`net::serve` and `http1/src/range.rs`",
        ] {
            assert_eq!(found(document), [], "{document}");
        }
        for document in [
            "`http1` and the net",
            "`http1`, `network`",
            "crates/http1, crates/net-x",
        ] {
            let expected = [(1, "the crate net is not mentioned".to_owned())];
            assert_eq!(found(document), expected, "{document}");
        }
    }

    #[test]
    fn the_document_has_250_lines_at_most() {
        let document = |lines: usize| format!("`net` `http1`\n{}", "\n".repeat(lines - 1));
        assert_eq!(found(&document(250)), []);
        assert_eq!(
            found(&document(251)),
            [(251, "the document has 251 lines, more than 250".to_owned())]
        );
    }

    #[test]
    fn no_document_is_no_finding() {
        assert_eq!(check(&Checkout::of(&[("crates/net/src/lib.rs", "")])), []);
    }
}
