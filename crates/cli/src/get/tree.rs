//! `overspill get -r`: a folder, and how that shows.
//!
//! A line for each file only where something failed, or a program reads: ten thousand lines help
//! nobody.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use overspill_client::{
    Completion, DownloadError, Exit, HttpClient, HttpUrl, OnExisting, Outcome, TreeDownload,
    TreeObserver, TreeOutcome,
};
use overspill_core::units::{counted, display_size};
use serde_json::json;

use super::{INTERRUPTED, Options, asked_to_end, message, view::Style};
use crate::terminal::{CommandError, complain, note, report};

/// What has come of a folder so far, for whoever watches.
struct TreeView {
    style: Style,
    exit: Exit,
    files: u64,
    bytes: u64,
    told: Instant,
}

impl Options {
    /// Brings all of a folder, or what of it meets the conditions.
    pub(super) async fn bring_tree(&self, client: &HttpClient, url: HttpUrl) -> Exit {
        let mut view = TreeView {
            style: self.style(),
            exit: Exit::Ok,
            files: 0,
            bytes: 0,
            told: Instant::now(),
        };
        let tree = match self.tree(&url) {
            Ok(tree) => tree,
            Err(error) => return report(&Err(error)),
        };
        // Both arms may be dropped at any time: dropped downloads keep their parts.
        let result = tokio::select! {
            result = tree.run(client, &mut view) => Some(result),
            () = asked_to_end() => None,
        };
        match result {
            Some(Ok(outcome)) => {
                view.conclude(&url, &outcome);
                view.exit
            }
            Some(Err(error)) => report(&Err(error.into())),
            None => {
                complain(INTERRUPTED);
                Exit::Interrupted
            }
        }
    }

    fn tree(&self, url: &HttpUrl) -> Result<TreeDownload, CommandError> {
        let target = self.tree_target(url);
        let on_existing = match self.force {
            true => OnExisting::Replace,
            false => OnExisting::Refuse,
        };
        Ok(TreeDownload::new(url.clone(), target)
            .selecting(&self.selection.conditions()?)
            .files_at_once(self.files)
            .on_existing(on_existing))
    }

    /// The folder that was named; else one in the working directory that is called like the folder,
    /// or like the host for all of a server.
    fn tree_target(&self, url: &HttpUrl) -> PathBuf {
        match &self.output {
            Some(output) => output.clone(),
            None => PathBuf::from(url.folder_name()),
        }
    }
}

impl TreeView {
    fn conclude(&self, url: &HttpUrl, outcome: &TreeOutcome) {
        match self.style {
            Style::Quiet => {}
            Style::Json => emit(&json!({
                "event": "tree", "url": url.to_string(), "exit": self.exit.code(),
                "downloaded": outcome.downloaded, "up_to_date": outcome.up_to_date,
                "failed": outcome.failed, "bytes": outcome.bytes,
                "elapsed_ms": outcome.elapsed.as_millis() as u64,
            })),
            Style::Bar | Style::Lines => note(summary(outcome)),
        }
    }
}

impl TreeObserver for TreeView {
    fn ended(&mut self, path: &Path, result: Result<&Outcome, &DownloadError>) {
        self.files += 1;
        match result {
            Ok(outcome) => {
                self.bytes += outcome.received_bytes;
                if self.style == Style::Json {
                    emit(&json!({
                        "event": "file", "path": path.to_string_lossy(), "exit": 0,
                        "bytes": outcome.bytes,
                        "up_to_date": outcome.completion == Completion::UpToDate,
                    }));
                }
            }
            Err(error) => {
                self.exit = self.exit.worse(error.exit());
                if self.style == Style::Json {
                    emit(&json!({
                        "event": "file", "path": path.to_string_lossy(),
                        "exit": error.exit().code(), "error": error.to_string(),
                    }));
                }
                complain(message(error));
            }
        }
        let is_told = matches!(self.style, Style::Bar | Style::Lines);
        if is_told && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let (files, bytes) = (counted(self.files, "file"), display_size(self.bytes));
            note(format_args!("{files} so far, {bytes}"));
        }
    }
}

fn summary(outcome: &TreeOutcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    let rate = (outcome.bytes as f64 / seconds.max(1e-3)) as u64;
    let mut text = format!(
        "{} downloaded, {} in {seconds:.1} s ({}/s), {} up to date",
        counted(outcome.downloaded, "file"),
        display_size(outcome.bytes),
        display_size(rate),
        outcome.up_to_date,
    );
    if outcome.failed > 0 {
        text.push_str(&format!(", {} FAILED", outcome.failed));
    }
    text
}

fn emit(event: &serde_json::Value) {
    // Who has closed the pipe wants no more of it; the files are what counts.
    let _ = writeln!(io::stdout(), "{event}");
}

/// How often a line is told of how far it is.
const LINE_EVERY: Duration = Duration::from_secs(10);
