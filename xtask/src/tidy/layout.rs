//! The outside of a Rust file: its name, its length, its first line.
//!
//! It does not parse; what needs the syntax is in [`functions`](super::functions) and
//! [`purity`](super::purity).

use super::{Finding, checkout::TextFile};

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    [check_name(file), check_length(file), check_module_doc(file)]
        .into_iter()
        .flatten()
        .collect()
}

fn check_name(file: &TextFile) -> Option<Finding> {
    (file.name() == "mod.rs").then(|| {
        Finding::new(
            &file.path,
            1,
            "a file is called mod.rs",
            "rename foo/mod.rs to foo.rs",
        )
    })
}

fn check_length(file: &TextFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > LINES_MAX).then(|| {
        Finding::new(
            &file.path,
            LINES_MAX + 1,
            format!("the file has {lines} lines, more than {LINES_MAX}"),
            "split it by topic, or move its tests to tests.rs",
        )
    })
}

fn check_module_doc(file: &TextFile) -> Option<Finding> {
    (!file.text.starts_with("//!")).then(|| {
        Finding::new(
            &file.path,
            1,
            "the file does not begin with a module doc",
            "begin with //! and say what it is and what it must never do",
        )
    })
}

const LINES_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&file)
            .into_iter()
            .map(|finding| (finding.line, finding.message))
            .collect()
    }

    #[test]
    fn a_file_has_600_lines_at_most() {
        let doc = "//! Doc.\n";
        assert_eq!(
            found("crates/a/src/b.rs", &(doc.to_owned() + &"\n".repeat(599))),
            []
        );
        assert_eq!(
            found("crates/a/src/b.rs", &(doc.to_owned() + &"\n".repeat(600))),
            [(601, "the file has 601 lines, more than 600".to_owned())]
        );
        assert_eq!(found("docs/long.md", &"\n".repeat(700)), []);
    }

    #[test]
    fn a_file_begins_with_its_module_doc() {
        let missing = [(1, "the file does not begin with a module doc".to_owned())];
        for path in [
            "crates/a/src/b.rs",
            "crates/a/src/b/tests.rs",
            "crates/a/tests/c.rs",
        ] {
            assert_eq!(found(path, "//! Doc.\nuse a;\n"), []);
            assert_eq!(found(path, "use a;\n//! Doc.\n"), missing);
            assert_eq!(found(path, "// Comment.\n"), missing);
            assert_eq!(found(path, ""), missing);
        }
    }

    #[test]
    fn no_file_is_called_mod_rs() {
        let doc = "//! Doc.\n";
        assert_eq!(
            found("crates/a/src/b/mod.rs", doc),
            [(1, "a file is called mod.rs".to_owned())]
        );
        assert_eq!(found("crates/a/src/b/model.rs", doc), []);
    }
}
