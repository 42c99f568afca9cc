//! The netrc format, as curl and wget read it: words, of which `machine` begins an entry.
//!
//! Written here because one crate that reads it depends on MPL-licensed code and the other panics on
//! letters outside of ASCII. It must never put a word of the file into an error: any may be a password.

use std::{collections::HashMap, iter::Peekable, str::Chars};

/// The entries of a file.
#[derive(Debug, Default)]
pub(super) struct Netrc {
    hosts: HashMap<String, Login>,
    default: Option<Login>,
}

/// What to say to a host.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
}

/// The number of the line that makes no sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BadLine(pub(super) usize);

/// Whose entry is being read.
enum Subject {
    Nobody,
    Host(String),
    Everybody,
}

impl Netrc {
    /// Reads a file. Of two entries for one host the first counts.
    pub(super) fn parse(text: &str) -> Result<Self, BadLine> {
        let mut words = Words::new(text);
        let (mut netrc, mut subject, mut login) =
            (Self::default(), Subject::Nobody, Login::default());
        while let Some(word) = words.next_word()? {
            let next = match word.as_str() {
                "machine" => Subject::Host(words.value()?),
                "default" => Subject::Everybody,
                "macdef" => {
                    words.skip_macro();
                    Subject::Nobody
                }
                _ if matches!(subject, Subject::Nobody) => return Err(words.bad()),
                "login" => {
                    login.name = words.value()?;
                    continue;
                }
                "password" => {
                    login.password = words.value()?;
                    continue;
                }
                "account" => {
                    words.value()?;
                    continue;
                }
                _ => return Err(words.bad()),
            };
            let ended = std::mem::replace(&mut subject, next);
            netrc.enter(ended, std::mem::take(&mut login));
        }
        netrc.enter(subject, login);
        Ok(netrc)
    }

    /// What to say to `host`.
    pub(super) fn login(&self, host: &str) -> Option<&Login> {
        self.hosts.get(host).or(self.default.as_ref())
    }

    fn enter(&mut self, subject: Subject, login: Login) {
        match subject {
            Subject::Nobody => {}
            Subject::Host(host) => {
                self.hosts.entry(host).or_insert(login);
            }
            Subject::Everybody => {
                self.default.get_or_insert(login);
            }
        }
    }
}

/// The words of a text; what is in double quotes is one, with `\` before a quote in it.
struct Words<'text> {
    rest: Peekable<Chars<'text>>,
    line: usize,
}

impl<'text> Words<'text> {
    fn new(text: &'text str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
        }
    }

    fn bad(&self) -> BadLine {
        BadLine(self.line)
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn skip_line(&mut self) {
        while self.rest.peek().is_some_and(|&next| next != '\n') {
            self.rest.next();
        }
    }

    /// The next word; `None` at the end.
    fn next_word(&mut self) -> Result<Option<String>, BadLine> {
        loop {
            match self.rest.peek() {
                None => return Ok(None),
                Some('#') => self.skip_line(),
                Some('"') => return self.quoted().map(Some),
                Some(next) if next.is_whitespace() => {
                    self.advance();
                }
                Some(_) => return Ok(Some(self.bare())),
            }
        }
    }

    /// A word that must be there; unlike others it may begin with `#`.
    fn value(&mut self) -> Result<String, BadLine> {
        while self.rest.peek().is_some_and(|next| next.is_whitespace()) {
            self.advance();
        }
        match self.rest.peek() {
            None => Err(self.bad()),
            Some('"') => self.quoted(),
            Some(_) => Ok(self.bare()),
        }
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|next| !next.is_whitespace()) {
            word.push(next);
        }
        word
    }

    fn quoted(&mut self) -> Result<String, BadLine> {
        let (bad, mut word) = (self.bad(), String::new());
        self.advance();
        loop {
            match self.advance().ok_or(bad)? {
                '"' => return Ok(word),
                '\\' => word.push(self.advance().ok_or(bad)?),
                other => word.push(other),
            }
        }
    }

    /// Passes over a macro, which ends with an empty line; they are for FTP.
    fn skip_macro(&mut self) {
        let mut before = None;
        while let Some(next) = self.advance() {
            if next == '\n' && before == Some('\n') {
                return;
            }
            before = Some(next);
        }
    }
}
