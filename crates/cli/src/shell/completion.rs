//! Completion: commands at the beginning of a line, paths of the server after it.
//!
//! A folder is asked for once and remembered for some seconds. It must never hold up the keyboard for
//! long, nor complain: who gets no answer gets no completion.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use overspill_client::{Folder, HttpClient, HttpUrl};
use overspill_wire::listing::ListedKind;
use rustyline::{
    Context,
    Helper, // lexicon-ok: rustyline's own name
    completion::{Completer, Pair},
    highlight::Highlighter,
    hint::Hinter,
    validate::Validator,
};
use tokio::{runtime::Handle, time::timeout};

use super::{line, place::Place};
use crate::terminal::printable;

/// Completes for an editor.
pub(super) struct Completion {
    client: HttpClient,
    runtime: Handle,
    place: Option<Place>,
    words: Vec<String>,
    known: RefCell<Option<Known>>,
}

/// What is in a folder.
struct Known {
    folder: HttpUrl,
    /// Folders end in a slash.
    names: Vec<String>,
    at: Instant,
}

impl Completion {
    pub(super) fn new(client: HttpClient, runtime: Handle) -> Self {
        Self {
            client,
            runtime,
            place: None,
            words: line::names(),
            known: RefCell::new(None),
        }
    }

    /// From now on paths are seen from here.
    pub(super) fn stand_at(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// What the word at the end of `line` may become, and where it begins.
    fn candidates(&self, line: &str) -> (usize, Vec<Pair>) {
        let start = word_start(line);
        let word = &line[start..];
        if line[..start].trim_matches([' ', '-']).is_empty() {
            let fitting = self.words.iter().filter(|name| name.starts_with(word));
            let pairs = fitting.map(|name| pair(name, format!("{name} ")));
            return (start, pairs.collect());
        }
        let plain = unescape(word);
        let (folder, part) = plain.split_at(plain.rfind('/').map_or(0, |slash| slash + 1));
        let names = self.names_in(folder);
        let fitting = names.iter().filter(|name| name.starts_with(part));
        let pairs = fitting.map(|name| {
            let end = if name.ends_with('/') { "" } else { " " };
            pair(name, format!("{}{end}", escape(&format!("{folder}{name}"))))
        });
        (start, pairs.collect())
    }

    fn names_in(&self, folder: &str) -> Vec<String> {
        let from = if folder.is_empty() { "." } else { folder };
        let url = self.place.as_ref().and_then(|place| place.url(from).ok());
        let Some(url) = url else {
            return Vec::new();
        };
        let is_fresh = |known: &&Known| known.folder == url && known.at.elapsed() < FRESH;
        if let Some(known) = self.known.borrow().as_ref().filter(is_fresh) {
            return known.names.clone();
        }
        // The clock of a timeout is the runtime's.
        let asked = async { timeout(PATIENCE, ask(&self.client, &url)).await };
        let Ok(Some(names)) = self.runtime.block_on(asked) else {
            return Vec::new();
        };
        self.known.replace(Some(Known {
            folder: url,
            names: names.clone(),
            at: Instant::now(),
        }));
        names
    }
}

/// The names in a folder, the first page of them.
async fn ask(client: &HttpClient, url: &HttpUrl) -> Option<Vec<String>> {
    let entries = Folder::list(url).ok()?.next_page(client).await.ok()??;
    let name = |entry: overspill_client::Located| match entry.listed.kind {
        ListedKind::File => entry.listed.name,
        ListedKind::Folder => entry.listed.name + "/",
    };
    let is_typable = |name: &String| printable(name) == *name;
    Some(entries.into_iter().map(name).filter(is_typable).collect())
}

fn pair(shown: &str, replacement: String) -> Pair {
    Pair {
        display: shown.to_owned(),
        replacement,
    }
}

/// Where the last word begins: after the last space without a backslash before it.
fn word_start(line: &str) -> usize {
    let mut start = 0;
    let mut is_escaped = false;
    for (at, letter) in line.char_indices() {
        if letter == ' ' && !is_escaped {
            start = at + 1;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    start
}

fn unescape(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The word as it has to be typed.
fn escape(plain: &str) -> String {
    let mut word = String::with_capacity(plain.len());
    for letter in plain.chars() {
        if " '\"\\#".contains(letter) {
            word.push('\\');
        }
        word.push(letter);
    }
    word
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.candidates(&line[..position]))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {} // lexicon-ok: rustyline's own name

/// How long a folder's names are used again.
const FRESH: Duration = Duration::from_secs(10);
/// A person waits no longer for a completion.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_after_a_bare_space() {
        for (line, start) in [
            ("", 0),
            ("ls", 0),
            ("ls a", 3),
            ("ls a\\ b", 3),
            ("ls a\\\\ b", 7),
        ] {
            assert_eq!(word_start(line), start, "{line}");
        }
    }

    #[test]
    fn what_is_escaped_reads_as_it_was() {
        for plain in ["a", "a b", "it's", "a\\b \"c\" #1", "ä ö"] {
            assert_eq!(unescape(&escape(plain)), plain);
            assert_eq!(shlex::split(&escape(plain)), Some(vec![plain.to_owned()]));
        }
    }
}
