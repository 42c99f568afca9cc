//! The conditions that choose files of a tree, which `find` shares with whatever takes many files.
//!
//! It must never send conditions that were not checked first, so that a slip costs no request.

use overspill_client::Folder;
use overspill_core::catalog::QueryError;

/// Which files.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectionArgs {
    /// Only names that match this glob; with a slash it is matched against the whole path
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Only names with this extension, such as `iso`; case does not matter
    #[arg(long, value_name = "EXT")]
    ext: Vec<String>,
    /// Only files of at least this size, such as `10MiB`
    #[arg(long, value_name = "SIZE")]
    min_size: Option<String>,
    /// Only files of at most this size, such as `4.7GB`
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
    /// Only files changed at this time or later: `2026-01-31` or `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "DATE")]
    after: Option<String>,
    /// Only files changed before this time
    #[arg(long, value_name = "DATE")]
    before: Option<String>,
}

impl SelectionArgs {
    /// The conditions as names and values of a query, checked. Several names or extensions are
    /// alternatives.
    pub(crate) fn conditions(&self) -> Result<Vec<(&str, &str)>, QueryError> {
        let names = self.name.iter().map(|glob| ("name", glob.as_str()));
        let extensions = self.ext.iter().map(|ext| ("ext", ext.as_str()));
        let single = [
            ("min_size", &self.min_size),
            ("max_size", &self.max_size),
            ("after", &self.after),
            ("before", &self.before),
        ];
        let single = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let conditions: Vec<_> = names.chain(extensions).chain(single).collect();
        Folder::check(&conditions)?;
        Ok(conditions)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(no_binary_name = true)]
    struct Command {
        #[command(flatten)]
        selection: SelectionArgs,
    }

    fn selection(line: &str) -> SelectionArgs {
        Command::try_parse_from(line.split_whitespace())
            .unwrap()
            .selection
    }

    #[test]
    fn options_become_conditions() {
        let line = "--name *.iso --name *.img --ext gz --min-size 1MiB --before 2026-01-31";
        assert_eq!(
            selection(line).conditions().unwrap(),
            [
                ("name", "*.iso"),
                ("name", "*.img"),
                ("ext", "gz"),
                ("min_size", "1MiB"),
                ("before", "2026-01-31"),
            ]
        );
        assert_eq!(selection("").conditions().unwrap(), []);
    }

    #[test]
    fn bad_conditions_are_found_before_asking() {
        for (line, message) in [
            (
                "--min-size big",
                "min_size: \"big\" is not a size; write for example 500, 10MiB or 4.7GB",
            ),
            (
                "--after soon",
                "after: \"soon\" is not a date; write 2026-01-31 or 2026-01-31T12:00:00Z",
            ),
            (
                "--name [a",
                "name=\"[a\" is not a glob: unclosed character class; missing ']'",
            ),
        ] {
            let error = selection(line).conditions().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
