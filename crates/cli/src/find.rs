//! `overspill find`: the files below a folder that meet some conditions.
//!
//! The server searches its catalog; this only asks and prints. It must never hold all that was found.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use overspill_client::{Folder, HttpClient, HttpUrl, Located};
use serde_json::json;

use crate::{
    asking::AskingArgs,
    selection::SelectionArgs,
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
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    asking: AskingArgs,
}

/// What to find, and how to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Print paths within the server's tree instead of URLs
    #[arg(long)]
    paths: bool,
    /// End each result with a NUL byte, for `xargs -0`
    #[arg(short = '0', long, conflicts_with = "json")]
    print0: bool,
    /// Print one JSON object per line, with size, time and root
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(find(&args).await)
}

async fn find(args: &Args) -> Result<(), CommandError> {
    let url = HttpUrl::parse(&args.url)?;
    let client = args.asking.client()?;
    args.options.print(&client, &url).await
}

impl Options {
    /// Prints what meets the conditions below the folder at `url`.
    pub(crate) async fn print(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<(), CommandError> {
        let mut folder = Folder::find(url, &self.selection.conditions()?)?;
        let mut output = BufWriter::new(io::stdout());
        while let Some(entries) = folder.next_page(client).await? {
            for entry in &entries {
                output.write_all(&self.render(entry))?;
            }
            output.flush()?;
        }
        Ok(())
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
    #[command(no_binary_name = true)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        let words = line.split_whitespace();
        Command::try_parse_from(words).unwrap().options
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
            assert_eq!(options(line).render(&entry), expected, "{line}");
        }
        let json: serde_json::Value =
            serde_json::from_slice(&options("--json").render(&entry)).unwrap();
        assert_eq!(json["path"], "d/x y\u{fffd}");
        assert_eq!(json["size"], 5);
    }
}
