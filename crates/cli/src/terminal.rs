//! What the client commands share of the terminal: errors in one line, clean text, exit codes.
//!
//! Text from a server may hold anything, escape sequences included: it must never reach a terminal
//! other than through [`printable`].

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use overspill_client::{AskError, Exit, OrderError, UrlError};
use overspill_core::catalog::QueryError;

use crate::asking::AskingError;

/// Why a query (`ls`, `find`, `status`, `explain`) or an order (`drain`) failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The server did not answer as it should.
    Ask(AskError),
    /// Nobody can be asked.
    Asking(AskingError),
    /// The conditions make no sense.
    Conditions(QueryError),
    /// The server did not do as it was told.
    Order(OrderError),
    /// Standard output is closed or full.
    Output(io::Error),
    /// No fleet token, or none that is one.
    Token(String),
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::Order(error) => error.exit(),
            Self::Asking(_) | Self::Conditions(_) | Self::Token(_) => Exit::Usage,
            Self::Output(error) => match error.kind() {
                // The reader had enough, as in `overspill find URL | head`.
                io::ErrorKind::BrokenPipe => Exit::Ok,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::DiskFull,
                _ => Exit::LocalFile,
            },
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Ask(error) => match ask_remedy(error) {
                Some(remedy) => format!("{error}; {remedy}"),
                None => error.to_string(),
            },
            Self::Asking(error) => error.to_string(),
            Self::Conditions(error) => error.to_string(),
            Self::Order(OrderError::Client(error)) if !error.is_lasting() => {
                format!("{error}; check the address and that the server is running")
            }
            Self::Order(error) => error.to_string(),
            Self::Output(error) => format!("cannot write to standard output: {error}"),
            Self::Token(text) => text.clone(),
        }
    }
}

impl From<AskError> for CommandError {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl From<OrderError> for CommandError {
    fn from(error: OrderError) -> Self {
        Self::Order(error)
    }
}

impl From<UrlError> for CommandError {
    fn from(error: UrlError) -> Self {
        Self::Ask(error.into())
    }
}

impl From<QueryError> for CommandError {
    fn from(error: QueryError) -> Self {
        Self::Conditions(error)
    }
}

impl From<AskingError> for CommandError {
    fn from(error: AskingError) -> Self {
        Self::Asking(error)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Ends a command: its error, if any, goes to standard error in one line.
pub(crate) fn conclude(result: Result<(), CommandError>) -> ExitCode {
    ExitCode::from(report(&result).code())
}

/// Tells what became of a command, in one line if it failed.
pub(crate) fn report(result: &Result<(), CommandError>) -> Exit {
    let exit = match result {
        Ok(()) => Exit::Ok,
        Err(error) => error.exit(),
    };
    if let (Err(error), true) = (result, exit != Exit::Ok) {
        complain(error.message());
    }
    exit
}

/// One line on standard error, in our name.
pub(crate) fn complain(message: impl Display) {
    note(format_args!("overspill: {message}"));
}

/// One line on standard error.
pub(crate) fn note(message: impl Display) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{}", printable(&message.to_string()));
}

/// The text with control characters replaced, so that no name can steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let is_safe = |c: char| !c.is_control() && !is_bidi_override(c);
    let replace = |c| {
        if is_safe(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(replace).collect()
}

/// What a person can do about it.
fn ask_remedy(error: &AskError) -> Option<&'static str> {
    match error {
        // Those say themselves what to do.
        AskError::Client(error) if error.is_lasting() => None,
        AskError::Client(_) => Some("check the address and that the server is running"),
        AskError::Foreign { .. } => Some("check that the URL leads to an Overspill server"),
        AskError::NotFound { .. } => Some("list its folder with `overspill ls`"),
        _ => None,
    }
}

/// Characters that reorder the text around them: `txt.exe` can pose as `exe.txt`.
fn is_bidi_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use overspill_client::{ClientError, HttpUrl, TlsError};

    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        for (text, expected) in [
            ("plain \u{e9} \u{1f600}", "plain \u{e9} \u{1f600}"),
            ("a\x1b[2Jb", "a\u{fffd}[2Jb"),
            ("a\nb\tc\u{9b}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
            ("exe\u{202e}txt", "exe\u{fffd}txt"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let url = || HttpUrl::parse("http://h/a").unwrap();
        let refused = ClientError::Connect {
            authority: "h:80".to_owned(),
            reason: "Connection refused (os error 111)".to_owned(),
        };
        for (error, message, exit) in [
            (
                CommandError::from(AskError::Client(refused)),
                "cannot connect to h:80: Connection refused (os error 111); check the address and \
                 that the server is running",
                Exit::Network,
            ),
            (
                AskError::Foreign {
                    url: url(),
                    expected: "Overspill folder",
                    reason: "it sent text/html".to_owned(),
                }
                .into(),
                "http://h/a is no Overspill folder: it sent text/html; check that the URL leads to \
                 an Overspill server",
                Exit::Usage,
            ),
            (
                AskError::NotFound { url: url() }.into(),
                "http://h/a was not found on the server; list its folder with `overspill ls`",
                Exit::NotFound,
            ),
            (
                AskingError::from(TlsError::NoCertificate("/etc/ca.pem".into())).into(),
                "--ca-file: /etc/ca.pem holds no certificate; it should have a line \
                 -----BEGIN CERTIFICATE-----",
                Exit::Usage,
            ),
            (
                UrlError::Malformed("x".to_owned()).into(),
                "\"x\" is not an http:// or https:// URL; write for example http://host:8080/file",
                Exit::Usage,
            ),
            (
                QueryError::TooMany("ext").into(),
                "more than 16 values of ext",
                Exit::Usage,
            ),
            (
                io::Error::from(io::ErrorKind::StorageFull).into(),
                "cannot write to standard output: no storage space",
                Exit::DiskFull,
            ),
        ] {
            assert_eq!(error.message(), message);
            assert_eq!(error.exit(), exit, "{message}");
        }
        let closed = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed.exit(), Exit::Ok);
    }
    #[test]
    fn what_a_node_says_is_repeated() {
        let url = || HttpUrl::parse("http://h/a").unwrap();
        for (error, message, exit) in [
            (
                AskError::Told {
                    url: url(),
                    status: StatusCode::CONFLICT,
                    text: "not hashed yet".to_owned(),
                }
                .into(),
                "http://h/a: not hashed yet",
                Exit::Network,
            ),
            (
                OrderError::Url(UrlError::Malformed("x".to_owned())).into(),
                "\"x\" is not an http:// or https:// URL; write for example http://host:8080/file",
                Exit::Usage,
            ),
            (
                CommandError::Token("no token".to_owned()),
                "no token",
                Exit::Usage,
            ),
        ] {
            assert_eq!(error.message(), message);
            assert_eq!(error.exit(), exit, "{message}");
        }
    }
}
