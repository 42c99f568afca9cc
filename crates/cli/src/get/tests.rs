//! Options, and what is said when a download fails.

use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    let words = ["get"].into_iter().chain(line.split_whitespace());
    Command::try_parse_from(words).unwrap().args
}

#[test]
fn contradictions_are_found_before_the_first_byte() {
    for (line, message) in [
        (
            "ftp://h/a",
            "\"ftp://h/a\" is not an http:// or https:// URL; write for example http://host:8080/file",
        ),
        (
            "https://h/a --ca-file /dev/null",
            "--ca-file: /dev/null holds no certificate; it should have a line \
             -----BEGIN CERTIFICATE-----",
        ),
        (
            "http://h/a --json -o -",
            "--json and --output - both need standard output; leave out one",
        ),
        (
            "http://h/a http://h/b -o no/such/folder",
            "no/such/folder is no folder, and several files need one; create it first",
        ),
    ] {
        assert_eq!(args(line).check().unwrap_err(), message);
    }
    for line in [
        "http://h/a -o new",
        "http://h/a http://h/b -o -",
        "http://h/a https://h/b -o .",
    ] {
        assert!(args(line).check().is_ok(), "{line}");
    }
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = Command::command().render_long_help().to_string();
    for exit in [
        Exit::Ok,
        Exit::Usage,
        Exit::NotFound,
        Exit::VerificationFailed,
        Exit::Network,
        Exit::Changed,
        Exit::LocalFile,
        Exit::DiskFull,
        Exit::Refused,
        Exit::Interrupted,
    ] {
        assert!(
            help.contains(&format!("\n  {:<3}  ", exit.code())),
            "{help}"
        );
    }
}

#[test]
fn errors_say_what_to_do() {
    let url = || HttpUrl::parse("http://h/a").unwrap();
    for (error, message) in [
        (
            DownloadError::Exists {
                path: "a".into(),
                url: url(),
            },
            "a exists and is not the file at http://h/a; use --force to replace it, or --output",
        ),
        (
            DownloadError::Locked {
                path: "a.part".into(),
            },
            "a.part is locked: another process is downloading it; wait for it, or use --output",
        ),
        (
            DownloadError::Changed { url: url() },
            "http://h/a changed on the server during the download; run the command again for the \
             new version",
        ),
        (
            DownloadError::from(
                HttpUrl::parse("http://h/")
                    .unwrap()
                    .file_name()
                    .unwrap_err(),
            ),
            "http://h/ names a folder, not a file; name the file with --output",
        ),
        (
            DownloadError::Local {
                path: "a.part".into(),
                doing: "write",
                source: io::ErrorKind::StorageFull.into(),
            },
            "a.part: cannot write: no storage space; make room, then run the command again to \
             continue",
        ),
        (
            DownloadError::Local {
                path: "a.part".into(),
                doing: "open",
                source: io::ErrorKind::PermissionDenied.into(),
            },
            "a.part: cannot open: permission denied",
        ),
    ] {
        assert_eq!(super::message(&error), message);
    }
}
