//! The node under test: one server, a small tree, and what is known of its files.
//!
//! It must never ask the node for what it should know itself, but validators, which only it can tell.

use std::{ffi::OsStr, net::SocketAddr, os::unix::ffi::OsStrExt, path::PathBuf, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{
    fleet::{Fleet, Setup},
    secure::Terms,
    stage::{LONG, Stage, content, sha256, wait_for},
};

/// The file most cases ask for; small enough to be served from memory.
pub(crate) const DATA: &str = "/data.bin";
/// A file that is served from disk.
pub(crate) const BIG: &str = "/big.bin";

/// TLS beside plain HTTP.
const SECURED: Setup<'_> = Setup {
    server: &["--tls-self-signed", "--tls-listen", "127.0.0.1:0"],
    mirrors: &[],
};

/// Bytes of [`DATA`].
pub(crate) const DATA_BYTES: usize = 10_000;
/// Bytes of [`BIG`].
pub(crate) const BIG_BYTES: usize = 300_000;

/// A server over a tree, ready.
pub(crate) struct Site {
    fleet: Fleet,
    /// Names in texts, and what they stand for.
    facts: Vec<(&'static str, String)>,
}

impl Site {
    /// Starts the server and waits until its files are hashed and their times told.
    pub(crate) fn new() -> Self {
        let stage = Stage::new();
        stage.write("data.bin", file(DATA).unwrap());
        stage.write("big.bin", file(BIG).unwrap());
        stage.write("hello.txt", b"hello world");
        stage.write("empty.txt", b"");
        stage.write("sub/page.html", b"<p>");
        stage.write("a b.txt", b"space");
        stage.write("per%cent.txt", b"percent");
        stage.write("ümlaut.txt", b"text");
        stage.write("co:lon,com=ma+plus.txt", b"marks");
        stage.write(OsStr::from_bytes(b"latin\xe9.txt"), b"bytes");
        let fleet = Fleet::ready(stage, SECURED);
        wait_for("settled times", LONG, || {
            let has_date = |target| fleet.server.get(target).field("last-modified").is_some();
            [DATA, BIG, "/hello.txt", "/empty.txt"]
                .into_iter()
                .all(has_date)
        });
        let facts = facts(&fleet);
        Self { fleet, facts }
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.fleet.server.address
    }

    /// The folder with its files.
    pub(crate) fn tree(&self) -> PathBuf {
        self.fleet.stage.tree()
    }

    /// Where it speaks TLS.
    pub(crate) fn secure_address(&self) -> SocketAddr {
        self.fleet.server.secure.expect("an https URL")
    }

    /// Terms for TLS on which one of `protocols` is spoken.
    pub(crate) fn terms(&self, protocols: &[&str]) -> Terms {
        let certificate = self.fleet.stage.path("state/tls/self-signed.pem");
        Terms::trusting(&certificate, protocols)
    }

    /// `text` with the facts in place of their names in braces.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.facts {
            filled = filled.replace(name, value);
        }
        filled
    }
}

fn facts(fleet: &Fleet) -> Vec<(&'static str, String)> {
    let reply = fleet.server.get(DATA);
    let etag = reply.strong_etag().expect("a strong tag").to_owned();
    let date = reply.field("last-modified").expect("a date").to_owned();
    let modified = httpdate(&date);
    vec![
        ("{etag}", etag),
        ("{modified}", date.clone()),
        ("{modified-850}", rfc850(modified)),
        ("{modified-asctime}", asctime(modified)),
        ("{sha256}", BASE64.encode(sha256(file(DATA).unwrap()))),
    ]
}

/// The content of the files that have a name here.
pub(crate) fn file(target: &str) -> Option<&'static [u8]> {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let [data, big] = FILES.get_or_init(|| [content(1, DATA_BYTES), content(2, BIG_BYTES)]);
    match target.split('?').next()? {
        DATA => Some(data),
        BIG => Some(big),
        "/hello.txt" => Some(b"hello world"),
        "/empty.txt" => Some(b""),
        "/sub/page.html" => Some(b"<p>"),
        _ => None,
    }
}

/// The words of a preferred date: `Sun,` `06` `Nov` `1994` `08:49:37` `GMT`.
fn httpdate(date: &str) -> [&str; 6] {
    let words: Vec<&str> = date.split(' ').collect();
    words.try_into().expect("six words")
}

/// The first obsolete form: `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc850([weekday, day, month, year, time, zone]: [&str; 6]) -> String {
    const LONG_NAMES: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let long = LONG_NAMES.iter().find(|name| name[..3] == weekday[..3]);
    format!(
        "{}, {day}-{month}-{} {time} {zone}",
        long.expect("a weekday"),
        &year[2..]
    )
}

/// The second obsolete form: `Sun Nov  6 08:49:37 1994`.
fn asctime([weekday, day, month, year, time, _]: [&str; 6]) -> String {
    let day: u8 = day.parse().expect("a day");
    format!("{} {month} {day:2} {time} {year}", &weekday[..3])
}
