//! `overspill ls`: what is in a folder, or what a file is.
//!
//! Entries are printed page by page, so a folder of a million files starts at once and needs no
//! memory; the columns have fixed widths for that reason.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use overspill_client::{AskError, Folder, HttpClient, HttpUrl, Located};
use overspill_core::units::display_size;
use overspill_wire::listing::{Listed, ListedKind};
use serde_json::json;

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, printable},
};

/// List a folder of a server
///
/// Prints kind, size, time of last change (UTC) and name of everything directly in the folder. The
/// URL of a file shows that file. Exit codes: 0 ok, 1 usage or no Overspill server, 2 not found,
/// 4 network, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a folder or file, such as `http://host:8080/iso/`
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    asking: AskingArgs,
}

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object per line, with the exact size, root and URL
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(list(&args).await)
}

async fn list(args: &Args) -> Result<(), CommandError> {
    let client = args.asking.client()?;
    let url = HttpUrl::parse(&args.url)?;
    args.options.print(&client, &url).await
}

impl Options {
    /// Prints what is in the folder at `url`, or what the file there is.
    pub(crate) async fn print(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<(), CommandError> {
        let line = if self.json { json_line } else { table_line };
        let mut folder = Folder::list(url)?;
        let mut page = match folder.next_page(client).await {
            Ok(page) => page,
            Err(error) => {
                let file = file_instead(client, url, error).await?;
                return Ok(writeln!(io::stdout(), "{}", line(&file))?);
            }
        };
        let mut output = BufWriter::new(io::stdout());
        while let Some(entries) = page {
            for entry in &entries {
                writeln!(output, "{}", line(entry))?;
            }
            output.flush()?;
            page = folder.next_page(client).await?;
        }
        Ok(())
    }
}

/// A URL without a slash at its end may name a file; the folder's error stands if it does not.
async fn file_instead(
    client: &HttpClient,
    url: &HttpUrl,
    error: AskError,
) -> Result<Located, AskError> {
    let may_be_file = matches!(error, AskError::NotFound { .. } | AskError::Foreign { .. });
    if url.is_folder() || !may_be_file {
        return Err(error);
    }
    Located::file(client, url).await
}

fn table_line(entry: &Located) -> String {
    let listed = &entry.listed;
    let (kind, slash) = match listed.kind {
        ListedKind::File => ("file", ""),
        ListedKind::Folder => ("folder", "/"),
    };
    let size = size_text(listed);
    let mtime = match listed.mtime.as_str() {
        "" => "-".to_owned(),
        mtime => printable(mtime),
    };
    let name = printable(&listed.name);
    format!("{kind:<6}  {size:>10}  {mtime:<20}  {name}{slash}")
}

fn json_line(entry: &Located) -> String {
    let Listed {
        name,
        kind,
        size,
        mtime,
        root,
        sha256,
        ..
    } = &entry.listed;
    let url = entry.url.to_string();
    json!({
        "name": name, "url": url, "kind": kind, "size": size, "mtime": mtime,
        "root": root, "sha256": sha256,
    })
    .to_string()
}

fn size_text(listed: &Listed) -> String {
    listed.size.map_or_else(|| "-".to_owned(), display_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: ListedKind, size: Option<u64>, mtime: &str) -> Located {
        Located {
            url: HttpUrl::parse("http://h/d/x").unwrap(),
            path: None,
            listed: Listed {
                name: name.to_owned(),
                href: "x".to_owned(),
                kind,
                size,
                mtime: mtime.to_owned(),
                root: None,
                sha256: None,
                crc32: None,
            },
        }
    }

    #[test]
    fn columns_line_up() {
        let time = "2026-01-31T12:00:00Z";
        for (entry, line) in [
            (
                entry("big.iso", ListedKind::File, Some(1536), time),
                "file       1.5 KiB  2026-01-31T12:00:00Z  big.iso",
            ),
            (
                entry("sub", ListedKind::Folder, None, time),
                "folder           -  2026-01-31T12:00:00Z  sub/",
            ),
            (
                entry("a\x1b[1m", ListedKind::File, None, ""),
                "file             -  -                     a\u{fffd}[1m",
            ),
        ] {
            assert_eq!(table_line(&entry), line);
        }
    }

    #[test]
    fn json_is_one_object() {
        let line = json_line(&entry("a\nb", ListedKind::File, Some(7), "t"));
        let expected = json!({
            "name": "a\nb", "url": "http://h/d/x", "kind": "file", "size": 7, "mtime": "t",
            "root": null, "sha256": null,
        });
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            expected
        );
    }
}
