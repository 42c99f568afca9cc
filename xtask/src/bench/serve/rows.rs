//! What is measured: one line per kind of request.
//!
//! A target is the most we want to cost, as a share of what a rival costs; it must never be a time.

use crate::bench::{
    contender::Contender::{self, Lighttpd, Nginx},
    secure::Pattern,
};

/// A kind of request.
#[derive(Debug)]
pub(super) struct Row {
    /// How it is chosen on the command line.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) path: &'static str,
    /// Length of the file at the path.
    pub(super) bytes: u64,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) targets: &'static [(Contender, f64)],
}

/// How the load comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// In the clear, over so many connections that are kept alive.
    Plain(u32),
    /// The same, and nobody gets the file.
    Redirect(u32),
    /// Over TLS.
    Secure(Pattern),
}

/// What the cost is counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Connection,
    Gibibyte,
    Request,
}

/// Rows whose servers are started together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Group {
    Plain,
    Redirect,
    Secure,
}

impl Group {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Redirect, Self::Secure];
}

impl Row {
    pub(super) fn group(&self) -> Group {
        match self.kind {
            Kind::Plain(_) => Group::Plain,
            Kind::Redirect(_) => Group::Redirect,
            Kind::Secure(_) => Group::Secure,
        }
    }

    pub(super) fn target(&self, rival: Contender) -> Option<f64> {
        let target = self.targets.iter().find(|(name, _)| *name == rival);
        target.map(|(_, most)| *most)
    }
}

/// A file that is always there.
pub(super) const SMALL: &str = "/1k";
/// The name of the table of idle connections, which is no row.
pub(super) const IDLE: &str = "idle";

/// Streams of HTTP/2: 64 in all, as many as the connections of the rows in the clear.
const STREAMS: Pattern = Pattern::Streams {
    connections: 4,
    each: 16,
};

pub(super) const ROWS: [Row; 10] = [
    Row {
        name: "1k",
        label: "1 KiB, 64 connections",
        path: SMALL,
        bytes: 1 << 10,
        kind: Kind::Plain(64),
        unit: Unit::Request,
        targets: &[(Nginx, 0.65), (Lighttpd, 0.90)],
    },
    Row {
        name: "10k",
        label: "10 KiB, 64 connections",
        path: "/10k",
        bytes: 10 << 10,
        kind: Kind::Plain(64),
        unit: Unit::Request,
        targets: &[],
    },
    Row {
        name: "100k",
        label: "100 KiB, 64 connections",
        path: "/100k",
        bytes: 100 << 10,
        kind: Kind::Plain(64),
        unit: Unit::Request,
        targets: &[],
    },
    Row {
        name: "1m",
        label: "1 MiB, 64 connections",
        path: "/1m",
        bytes: 1 << 20,
        kind: Kind::Plain(64),
        unit: Unit::Request,
        targets: &[(Nginx, 1.0), (Lighttpd, 1.0)],
    },
    Row {
        name: "1g",
        label: "1 GiB, 1 connection",
        path: "/1g",
        bytes: 1 << 30,
        kind: Kind::Plain(1),
        unit: Unit::Gibibyte,
        targets: &[(Nginx, 1.0), (Lighttpd, 1.0)],
    },
    Row {
        name: "redirect",
        label: "redirect 307, 64 connections",
        path: "/1m",
        bytes: 1 << 20,
        kind: Kind::Redirect(64),
        unit: Unit::Request,
        targets: &[(Nginx, 0.65)],
    },
    Row {
        name: "handshake",
        label: "TLS 1.3, new connection and 1 KiB",
        path: SMALL,
        bytes: 1 << 10,
        kind: Kind::Secure(Pattern::Connections(8)),
        unit: Unit::Connection,
        targets: &[],
    },
    Row {
        name: "tls-bulk",
        label: "TLS 1.3, 100 MiB, 2 connections",
        path: "/100m",
        bytes: 100 << 20,
        kind: Kind::Secure(Pattern::KeepAlive(2)),
        unit: Unit::Gibibyte,
        targets: &[],
    },
    Row {
        name: "h2-1k",
        label: "HTTP/2, 1 KiB, 64 streams on 4 connections",
        path: SMALL,
        bytes: 1 << 10,
        kind: Kind::Secure(STREAMS),
        unit: Unit::Request,
        targets: &[],
    },
    Row {
        name: "h2-100k",
        label: "HTTP/2, 100 KiB, 64 streams on 4 connections",
        path: "/100k",
        bytes: 100 << 10,
        kind: Kind::Secure(STREAMS),
        unit: Unit::Request,
        targets: &[],
    },
];

/// The name of a row, as given on the command line.
pub(super) fn parse_name(text: &str) -> Result<&'static str, String> {
    let names = || ROWS.iter().map(|row| row.name).chain([IDLE]);
    let found = names().find(|name| *name == text);
    found.ok_or_else(|| format!("there is {}", names().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        assert_eq!(parse_name("h2-1k"), Ok("h2-1k"));
        assert_eq!(parse_name("idle"), Ok("idle"));
        assert_eq!(
            parse_name("2k").unwrap_err(),
            "there is 1k, 10k, 100k, 1m, 1g, redirect, handshake, tls-bulk, h2-1k, h2-100k, idle"
        );
    }

    #[test]
    fn targets_are_those_of_the_design() {
        let targets = |name: &str| {
            let row = ROWS.iter().find(|row| row.name == name).unwrap();
            (row.target(Nginx), row.target(Lighttpd))
        };
        assert_eq!(targets("1k"), (Some(0.65), Some(0.90)));
        assert_eq!(targets("1m"), (Some(1.0), Some(1.0)));
        assert_eq!(targets("1g"), (Some(1.0), Some(1.0)));
        assert_eq!(targets("redirect"), (Some(0.65), None));
        assert_eq!(targets("100k"), (None, None));
    }

    #[test]
    fn one_path_has_one_length() {
        for (one, other) in ROWS
            .iter()
            .flat_map(|one| ROWS.iter().map(move |other| (one, other)))
        {
            assert!(
                one.path != other.path || one.bytes == other.bytes,
                "{}",
                one.path
            );
        }
    }
}
