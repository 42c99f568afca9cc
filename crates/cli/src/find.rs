//! `overspill find`: the files below a folder that meet some conditions.
//!
//! The server searches its catalog; this only asks and prints. It must never send conditions
//! that it did not check first, so that a slip costs no request.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use overspill_client::{Folder, HttpUrl, Located};
use serde_json::json;

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError},
};

/// Find files on a server
///
/// Prints the URL of each file at any depth below the folder that meets all conditions. Several
/// --name or --ext are alternatives. Exit codes: 0 ok (also when nothing was found), 1 usage or no
/// Overspill server, 2 not found, 4 network, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a folder, such as `http://host:8080/iso/`
    #[arg(value_name = "URL")]
    url: String,
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
    /// Print paths within the server's tree instead of URLs
    #[arg(long)]
    paths: bool,
    /// End each result with a NUL byte, for `xargs -0`
    #[arg(short = '0', long, conflicts_with = "json")]
    print0: bool,
    /// Print one JSON object per line, with size, time and root
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(find(&args).await)
}

async fn find(args: &Args) -> Result<(), CommandError> {
    let url = HttpUrl::parse(&args.url)?;
    let conditions = args.conditions();
    Folder::check(&conditions)?;
    let client = args.asking.client()?;
    let mut folder = Folder::find(&url, &conditions)?;
    let mut output = BufWriter::new(io::stdout());
    while let Some(entries) = folder.next_page(&client).await? {
        for entry in &entries {
            output.write_all(&args.render(entry))?;
        }
        output.flush()?;
    }
    Ok(())
}

impl Args {
    fn conditions(&self) -> Vec<(&str, &str)> {
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
        names.chain(extensions).chain(single).collect()
    }

    /// One result with its end. Paths are the exact bytes, for they are for programs too.
    fn render(&self, entry: &Located) -> Vec<u8> {
        let mut line = if self.json {
            json_line(entry).into_bytes()
        } else {
            match &entry.path {
                Some(path) if self.paths => path.as_bytes().to_vec(),
                _ => entry.url.to_string().into_bytes(),
            }
        };
        line.push(if self.print0 { 0 } else { b'\n' });
        line
    }
}

fn json_line(entry: &Located) -> String {
    let listed = &entry.listed;
    let path = entry.path.as_ref().map(|path| path.to_text());
    json!({
        "url": entry.url.to_string(), "path": path, "size": listed.size, "mtime": listed.mtime,
        "root": listed.root, "sha256": listed.sha256,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use overspill_core::path::CatalogPath;
    use overspill_wire::listing::{Listed, ListedKind};

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        let words = ["find", "http://h/"]
            .into_iter()
            .chain(line.split_whitespace());
        Command::try_parse_from(words).unwrap().args
    }

    #[test]
    fn options_become_conditions() {
        let line = "--name *.iso --name *.img --ext gz --min-size 1MiB --before 2026-01-31";
        assert_eq!(
            args(line).conditions(),
            [
                ("name", "*.iso"),
                ("name", "*.img"),
                ("ext", "gz"),
                ("min_size", "1MiB"),
                ("before", "2026-01-31"),
            ]
        );
        assert_eq!(args("").conditions(), []);
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
            let error = Folder::check(&args(line).conditions()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn results_are_rendered_for_people_and_programs() {
        let entry = Located {
            url: HttpUrl::parse("http://h/d/x%20y%ff").unwrap(),
            path: Some(CatalogPath::parse(b"d/x y\xff").unwrap()),
            listed: Listed {
                name: "x y".to_owned(),
                href: "x%20y%ff".to_owned(),
                kind: ListedKind::File,
                size: Some(5),
                mtime: "t".to_owned(),
                root: None,
                sha256: None,
                crc32: None,
            },
        };
        for (line, expected) in [
            ("", &b"http://h/d/x%20y%ff\n"[..]),
            ("--paths", b"d/x y\xff\n"),
            ("-0", b"http://h/d/x%20y%ff\0"),
            ("-0 --paths", b"d/x y\xff\0"),
        ] {
            assert_eq!(args(line).render(&entry), expected, "{line}");
        }
        let json: serde_json::Value =
            serde_json::from_slice(&args("--json").render(&entry)).unwrap();
        assert_eq!(json["path"], "d/x y\u{fffd}");
        assert_eq!(json["size"], 5);
    }
}
