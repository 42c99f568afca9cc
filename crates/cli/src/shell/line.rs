//! One line of a shell: words as `sh` divides them, and the command they make.
//!
//! It must never run anything of this machine.

use clap::{Parser, Subcommand};
use overspill_client::Exit;

use crate::{explain, find, get, ls, status, terminal::complain};

/// A line as it was read.
#[derive(Debug)]
pub(super) struct Line {
    /// What it asks for; nothing if it is empty or a comment.
    pub(super) word: Result<Option<Word>, LineError>,
    pub(super) on_error: OnError,
}

/// What a script does when a command fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OnError {
    /// It goes on: the line began with `-`, as in the batches of sftp.
    GoOn,
    /// It ends.
    Stop,
}

#[derive(Debug, Parser)]
#[command(
    name = "",
    bin_name = "",
    no_binary_name = true,
    disable_help_flag = true,
    help_template = "{subcommands}",
    subcommand_help_heading = "Commands",
    max_term_width = 100
)]
struct Words {
    #[command(subcommand)]
    word: Word,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(super) enum Word {
    /// Print a file
    Cat { file: String },
    /// Go to a folder; without one, back to where the shell began
    Cd { folder: Option<String> },
    /// Show who would serve a file, what it would cost everywhere, and who cannot
    Explain {
        file: String,
        #[command(flatten)]
        options: explain::Options,
    },
    /// Find files at any depth
    Find {
        /// The folder to search
        #[arg(default_value = ".")]
        folder: String,
        #[command(flatten)]
        options: find::Options,
    },
    /// Download files, or folders with -r
    Get {
        #[arg(required = true)]
        paths: Vec<String>,
        #[command(flatten)]
        options: Box<get::Options>,
    },
    /// List a folder, or a file
    Ls {
        #[arg(default_value = ".")]
        path: String,
        #[command(flatten)]
        options: ls::Options,
    },
    /// Print the URL of this folder
    Pwd,
    /// Leave the shell
    #[command(alias = "exit")]
    Quit,
    /// Print URL, size, time and root of a file
    Stat { file: String },
    /// Show the node, its catalog and its fleet
    Status {
        #[command(flatten)]
        options: status::Options,
    },
}

/// Why a line is no command.
#[derive(Debug)]
pub(super) enum LineError {
    /// Quotes without an end.
    Quotes,
    /// Not what any command takes; or a request for help.
    Words(clap::Error),
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim_start();
        let (text, on_error) = match text.strip_prefix('-') {
            Some(rest) => (rest, OnError::GoOn),
            None => (text, OnError::Stop),
        };
        let word = Word::parse(text);
        Self { word, on_error }
    }
}

impl Word {
    fn parse(text: &str) -> Result<Option<Self>, LineError> {
        let words = shlex::split(text).ok_or(LineError::Quotes)?;
        if words.is_empty() {
            return Ok(None);
        }
        let words = Words::try_parse_from(words).map_err(LineError::Words)?;
        Ok(Some(words.word))
    }
}

impl LineError {
    /// Says so. Help that was asked for is no error.
    pub(super) fn tell(&self) -> Exit {
        match self {
            Self::Quotes => {
                complain("a quote has no end; put names with spaces between two of them");
                Exit::Usage
            }
            Self::Words(error) => {
                // Printing fails only when nobody reads.
                let _ = error.print();
                match error.use_stderr() {
                    true => Exit::Usage,
                    false => Exit::Ok,
                }
            }
        }
    }
}

/// The names of all commands, for completion.
pub(super) fn names() -> Vec<String> {
    let words = <Words as clap::CommandFactory>::command();
    let names = words
        .get_subcommands()
        .map(|word| word.get_name().to_owned());
    names.chain(["help".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Word {
        Line::parse(text).word.unwrap().unwrap()
    }

    #[test]
    fn words_are_divided_as_in_sh() {
        for (text, expected) in [
            ("cat 'a b'", "a b"),
            ("  cat a\\ b # which one?", "a b"),
            ("cat \"a'b\"", "a'b"),
            ("cat -- -x", "-x"),
        ] {
            let Word::Cat { file } = parsed(text) else {
                panic!("{text}");
            };
            assert_eq!(file, expected);
        }
    }

    #[test]
    fn empty_lines_and_comments_are_nothing() {
        for text in ["", "   ", "# ls", "-"] {
            assert!(Line::parse(text).word.unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_dash_forgives_errors() {
        assert_eq!(Line::parse("-ls").on_error, OnError::GoOn);
        assert_eq!(Line::parse("ls").on_error, OnError::Stop);
    }

    #[test]
    fn what_is_no_command_is_told() {
        assert!(matches!(Line::parse("cat 'a").word, Err(LineError::Quotes)));
        for text in ["rm a", "cat", "pwd x", "find --min-size"] {
            assert!(
                matches!(Line::parse(text).word, Err(LineError::Words(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn every_command_has_a_name_to_complete() {
        let names = names();
        for name in ["cat", "cd", "ls", "quit", "help"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
