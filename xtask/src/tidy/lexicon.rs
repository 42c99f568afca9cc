//! The words we do not use, as LEXICON.md lists them: this file has no list of its own, so that the
//! document and the check cannot drift apart.
//!
//! It looks at text and knows no grammar. Where a foreign name must stay, the line says
//! `lexicon-ok: why`; names that come up everywhere are in [`FOREIGN_NAMES`].

use super::{
    Finding,
    checkout::{Checkout, TextFile},
};

pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    let text = checkout
        .file(DOCUMENT)
        .map_or("", |document| document.text.as_str());
    let banned = banned_words(text);
    if banned.is_empty() {
        let message = format!("no table under \"{HEADING}\"");
        return vec![Finding::new(
            DOCUMENT,
            1,
            message,
            "restore it: this check reads it",
        )];
    }
    let files = checkout.files().iter().filter(|file| is_ruled(file));
    files.flat_map(|file| check_file(file, &banned)).collect()
}

/// A row of the table in LEXICON.md.
#[derive(Debug, Eq, PartialEq)]
struct Banned<'t> {
    word: &'t str,
    instead: &'t str,
}

impl Banned<'_> {
    /// Whether `word` is this one, in any case, singular or plural.
    fn matches(&self, word: &str) -> bool {
        let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
        word.eq_ignore_ascii_case(self.word) || singular.eq_ignore_ascii_case(self.word)
    }
}

/// The words in backticks in the first column of the table under [`HEADING`].
fn banned_words(document: &str) -> Vec<Banned<'_>> {
    let section = document.lines().skip_while(|line| *line != HEADING).skip(1);
    let rows = section
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix('|')?.split_once('|'));
    rows.flat_map(|(words, rest)| {
        let instead = rest.split('|').next().unwrap_or_default().trim();
        // Between backticks is every second part.
        words
            .split('`')
            .skip(1)
            .step_by(2)
            .map(move |word| Banned { word, instead })
    })
    .collect()
}

/// Whether the words of this file are ours to choose, and are not the rules themselves.
fn is_ruled(file: &TextFile) -> bool {
    let is_source = file.is_rust() && file.crate_folder().is_some();
    let is_prose =
        file.path.ends_with(".md") && (!file.path.contains('/') || file.path.starts_with("docs/"));
    is_source || (is_prose && !RULES.contains(&file.path.as_str()))
}

fn check_file(file: &TextFile, banned: &[Banned<'_>]) -> Vec<Finding> {
    let in_line = |(line, text): (usize, &str)| -> Vec<Finding> {
        if is_excused(text) {
            return Vec::new();
        }
        let ours = without_foreign_names(text);
        let found = words(&ours).into_iter().filter_map(|word| {
            let ban = banned.iter().find(|ban| ban.matches(word))?;
            let remedy = format!("say {}, or lexicon-ok: and why", ban.instead);
            Some(Finding::new(
                &file.path,
                line,
                format!("the word {word}"),
                remedy,
            ))
        });
        found.collect()
    };
    file.lines().flat_map(in_line).collect()
}

/// Whether the line says why it needs the word: the mark alone does not do.
fn is_excused(line: &str) -> bool {
    let reason = line.split_once("lexicon-ok:").map(|(_, reason)| reason);
    reason.is_some_and(|reason| reason.contains(char::is_alphabetic))
}

/// The line with each foreign name blanked out.
fn without_foreign_names(line: &str) -> String {
    let mut ours = line.to_owned();
    for (name, _) in FOREIGN_NAMES {
        while let Some(at) = find_identifier(&ours, name) {
            ours.replace_range(at..at + name.len(), &" ".repeat(name.len()));
        }
    }
    ours
}

/// Where `name` stands in `line`, not as part of a longer identifier.
fn find_identifier(line: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut places = line.match_indices(name).map(|(at, _)| at);
    places
        .find(|&at| !line[..at].ends_with(is_part) && !line[at + name.len()..].starts_with(is_part))
}

/// The words of a line: `snake_case` and `CamelCase` come apart, `HTTPServer` is HTTP and Server.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for run in line.split(|c: char| !c.is_alphabetic()) {
        let mut start = 0;
        let mut letters = run.char_indices().peekable();
        let mut before: Option<char> = None;
        while let Some((at, letter)) = letters.next() {
            let next_is_lower = letters.peek().is_some_and(|(_, next)| next.is_lowercase());
            let begins_word = letter.is_uppercase()
                && before.is_some_and(|before| before.is_lowercase() || next_is_lower);
            if begins_word {
                words.push(&run[start..at]);
                start = at;
            }
            before = Some(letter);
        }
        words.push(&run[start..]);
    }
    words.retain(|word| !word.is_empty());
    words
}

const DOCUMENT: &str = "LEXICON.md";

const HEADING: &str = "## Words we do not use";

/// The documents that must name the words to ban them.
const RULES: [&str; 2] = [DOCUMENT, "CONTRIBUTING.md"];

/// Names that other people's APIs force on us, and whose they are.
const FOREIGN_NAMES: [(&str, &str); 12] = [
    ("futures-util", "package"),
    ("futures_util", "crate"),
    ("http-body-util", "package"),
    ("http_body_util", "crate"),
    ("hyper-util", "package"),
    ("hyper_util", "crate"),
    ("peer_addr", "method of std's and tokio's TcpStream"),
    ("peer_certificates", "method of rustls' connections"),
    ("peer_cred", "method of tokio's UnixStream"),
    ("tokio-util", "package"),
    ("tokio_util", "crate"),
    ("tower::util", "module"),
];

#[cfg(test)]
mod tests;
