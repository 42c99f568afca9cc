//! Leftovers: what a commit must not carry because it is unfinished or true on one machine only.
//!
//! It works on lines of text, comments and strings included, for a leftover hides in all of them.

use super::{Finding, checkout::TextFile};

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let is_product = file.is_rust() && file.crate_folder().is_some();
    let leftovers: &[Leftover] = if is_product { &LEFTOVERS } else { &[] };
    let in_line = |(line, text): (usize, &str)| -> Vec<Finding> {
        let found = leftovers
            .iter()
            .filter(|leftover| contains_word(text, leftover.mark));
        let mut findings: Vec<_> = found
            .map(|Leftover { mark, remedy }| {
                Finding::new(&file.path, line, format!("leftover {mark}"), *remedy)
            })
            .collect();
        findings.extend(machine_path(text).map(|path| {
            Finding::new(
                &file.path,
                line,
                format!("the path {path} exists on one machine only"),
                "use a relative path, or /srv in an example",
            )
        }));
        findings
    };
    file.lines().flat_map(in_line).collect()
}

struct Leftover {
    mark: &'static str,
    remedy: &'static str,
}

/// Whether `text` holds `mark`, not as part of a longer identifier.
fn contains_word(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + mark.len()..].chars().next();
        // A mark that ends in punctuation is complete, whatever follows.
        let ends_in_word = mark.ends_with(is_word);
        !(before.is_some_and(is_word) || ends_in_word && after.is_some_and(is_word))
    })
}

/// The start of an absolute path below a folder in which developers keep their checkouts.
fn machine_path(text: &str) -> Option<String> {
    MACHINE_FOLDERS
        .iter()
        .map(|folder| format!("/{folder}/"))
        .find(|path| {
            text.match_indices(path.as_str()).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                // After a word or a dot it is the middle of a URL or of a relative path.
                !before.is_some_and(|c| is_word(c) || matches!(c, '.' | '-' | '}' | '>'))
            })
        })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

const FINISH: &str = "finish it, or open an issue and leave the code without it";

const LEFTOVERS: [Leftover; 7] = [
    Leftover {
        mark: "#[ignore",
        remedy: "mend the test, or let it skip aloud",
    },
    Leftover {
        mark: "FIXME",
        remedy: FINISH,
    },
    Leftover {
        mark: "TODO",
        remedy: FINISH,
    },
    Leftover {
        mark: "XXX",
        remedy: FINISH,
    },
    Leftover {
        mark: "dbg!",
        remedy: "remove it, or make it a tracing event",
    },
    Leftover {
        mark: "todo!",
        remedy: FINISH,
    },
    Leftover {
        mark: "unimplemented!",
        remedy: FINISH,
    },
];

/// Without their slashes, so that this file does not find itself.
const MACHINE_FOLDERS: [&str; 2] = ["home", "work"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&file)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn each_leftover_is_found_in_product_code_and_tests() {
        for (text, mark) in [
            ("    #[ignore]", "#[ignore"),
            ("    #[ignore = \"slow\"]", "#[ignore"),
            ("// FIXME: later", "FIXME"),
            ("// TODO(me) later", "TODO"),
            ("let a = \"XXX\";", "XXX"),
            ("    dbg!(a);", "dbg!"),
            ("    std::todo!()", "todo!"),
            ("    _ => unimplemented!(\"later\"),", "unimplemented!"),
        ] {
            let expected = [format!("leftover {mark}")];
            assert_eq!(found("crates/a/src/b.rs", text), expected, "{text}");
            assert_eq!(found("crates/a/tests/b.rs", text), expected, "{text}");
            assert_eq!(found("docs/b.md", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn words_that_only_contain_a_mark_are_left_alone() {
        for text in [
            "fn my_todo() {}",
            "MASTODONS",
            "let name = \"part.XXXXXX\";",
            "ignore(a)",
        ] {
            assert_eq!(
                found("crates/a/src/b.rs", text),
                Vec::<String>::new(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_text_file() {
        for folder in MACHINE_FOLDERS {
            let expected = [format!("the path /{folder}/ exists on one machine only")];
            for before in ["", "let a = \"", "see (", "file://", "A="] {
                let text = format!("{before}/{folder}/ann/overspill");
                assert_eq!(found("README.md", &text), expected, "{text}");
                assert_eq!(found("crates/a/src/b.rs", &text), expected, "{text}");
            }
            for before in ["crates", "http://host", "..", "$dir_", "{root}"] {
                let text = format!("{before}/{folder}/ann");
                assert_eq!(found("README.md", &text), Vec::<String>::new(), "{text}");
            }
        }
    }
}
