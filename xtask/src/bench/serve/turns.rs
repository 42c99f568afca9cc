//! Loading the servers in turn, and what each turn cost.
//!
//! It must never count a turn in which a server sent something else than it was asked for.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use super::{
    entrants::{Entrant, Entrants, Presence},
    rows::{Kind, Row, Unit},
};
use crate::bench::{
    contender::{Contender, Setting, Site},
    fetch,
    load::{Load, Target, Wrk},
    pace,
    secure::{Pattern, SecureLoad, SecureTarget},
};

/// The load generators.
#[derive(Debug)]
pub(super) struct Loads {
    wrk: Wrk,
    secure: SecureLoad,
}

/// One turn of one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    /// Per unit of the row.
    pub(super) cpu_us: f64,
    pub(super) errors: u64,
}

/// How long our server may take to hash the files.
const HASH_PATIENCE: Duration = Duration::from_secs(60);
/// Longer files are compared by their length alone.
const COMPARED_BYTES_MAX: u64 = 100 << 20;

impl Loads {
    pub(super) fn new(setting: &Setting<'_>) -> Result<Self> {
        Ok(Self {
            wrk: Wrk::new(setting.work, setting.pinning)?,
            secure: SecureLoad::new(setting.pair, setting.pinning)?,
        })
    }

    /// The turns of each entrant, in their order; none for who is absent.
    pub(super) fn measure(
        &self,
        row: &Row,
        entrants: &Entrants,
        setting: &Setting<'_>,
        rounds: u32,
        seconds: u32,
    ) -> Result<Vec<Vec<Turn>>> {
        let mut answers_bytes = Vec::new();
        for entrant in entrants.iter() {
            let answer_bytes = match entrant.site() {
                Some(site) => {
                    let answer_bytes = verify(row, entrant, site, setting)?;
                    // A first second that does not count: caches fill, buffers grow.
                    self.load(row, entrant, site, 1)?;
                    answer_bytes
                }
                None => 0,
            };
            answers_bytes.push(answer_bytes);
        }
        let mut turns: Vec<_> = answers_bytes.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for ((entrant, bytes), turns) in entrants.iter().zip(&answers_bytes).zip(&mut turns) {
                if let Some(site) = entrant.site() {
                    turns.push(self.turn(row, entrant, site, *bytes, seconds)?);
                }
            }
        }
        Ok(turns)
    }

    fn turn(
        &self,
        row: &Row,
        entrant: &Entrant,
        site: &Site,
        answer_bytes: u64,
        seconds: u32,
    ) -> Result<Turn> {
        let served = served(entrant)?;
        let before = site.process.cpu()?;
        let load = self.load(row, entrant, site, seconds)?;
        let cpu = site.process.cpu()? - before;
        ensure!(
            self::served(entrant)? == served,
            "our server sent files itself when it should have redirected"
        );
        Ok(Turn {
            cpu_us: cpu.as_secs_f64() * 1e6 / row.units(&load, answer_bytes),
            errors: load.errors,
        })
    }

    fn load(&self, row: &Row, entrant: &Entrant, site: &Site, seconds: u32) -> Result<Load> {
        let plain = |path, connections| {
            let target = Target {
                address: site.doors.plain,
                path,
                connections,
            };
            self.wrk.run(target, seconds)
        };
        match row.kind {
            Kind::Plain(connections) => plain(row.path, connections),
            Kind::Redirect(connections) => plain(entrant.redirecting_path(row.path), connections),
            Kind::Secure(pattern) => self.load_securely(row, site, pattern, seconds),
        }
    }

    fn load_securely(
        &self,
        row: &Row,
        site: &Site,
        pattern: Pattern,
        seconds: u32,
    ) -> Result<Load> {
        let target = SecureTarget {
            address: site.doors.secure.context("a server without TLS")?,
            path: row.path,
            pattern,
        };
        let load = self.secure.run(target, seconds)?;
        let name = site.contender.name();
        ensure!(
            load.bytes == load.requests * row.bytes,
            "{name} sent {} bytes for {} requests",
            load.bytes,
            load.requests
        );
        Ok(load)
    }
}

impl Row {
    /// How much of its unit a load came to.
    ///
    /// In the clear it is counted by bytes: at the end of a run of wrk most connections are within
    /// an answer, which with large files is a good part of the work. The other loads end whole.
    fn units(&self, load: &Load, answer_bytes: u64) -> f64 {
        match (self.unit, self.kind) {
            (Unit::Gibibyte, _) => load.bytes as f64 / f64::from(1 << 30),
            (Unit::Request, Kind::Plain(_)) => load.bytes as f64 / answer_bytes as f64,
            (Unit::Connection | Unit::Request, _) => load.requests as f64,
        }
    }
}

/// Files that ours has sent although it had a mirror; 0 for everyone else.
fn served(entrant: &Entrant) -> Result<u64> {
    match &entrant.presence {
        Presence::Redirecting(site) => site.served(),
        Presence::Absent(_) | Presence::Here(_) => Ok(0),
    }
}

/// Checks that a server does what the row is about, in the clear. Returns the bytes of the whole
/// answer.
fn verify(row: &Row, entrant: &Entrant, site: &Site, setting: &Setting<'_>) -> Result<u64> {
    let name = site.contender.name();
    if let Kind::Redirect(_) = row.kind {
        let answer = fetch::get(site.doors.plain, entrant.redirecting_path(row.path))?;
        ensure!(answer.status == 307, "{name} answered {}", answer.status);
        return Ok((answer.head_bytes + answer.body.len()) as u64);
    }
    let what = format!("{name} to serve {}", row.path);
    let answer = pace::until(&what, pace::COARSE, HASH_PATIENCE, || {
        let answer = fetch::get(site.doors.plain, row.path)?;
        let etag = answer.etag.as_deref().unwrap_or_default();
        let is_final = site.contender != Contender::Overspill || etag.starts_with("\"b3-");
        Ok(is_final.then_some(answer))
    })?;
    ensure!(answer.status == 200, "{what}: status {}", answer.status);
    ensure_right(row, &answer.body, setting).context(what)?;
    Ok((answer.head_bytes + answer.body.len()) as u64)
}

fn ensure_right(row: &Row, body: &[u8], setting: &Setting<'_>) -> Result<()> {
    ensure!(body.len() as u64 == row.bytes, "the length is wrong");
    if row.bytes > COMPARED_BYTES_MAX {
        return Ok(());
    }
    if body != fs::read(setting.tree.join(&row.path[1..]))? {
        bail!("the bytes are wrong");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::rows::ROWS, *};

    #[test]
    fn work_is_counted_by_what_the_row_is_about() {
        let load = Load {
            requests: 3,
            bytes: 3 << 29,
            duration_us: 1,
            errors: 0,
        };
        for (name, answer_bytes, expected) in [
            ("1k", 1 << 28, 6.0),
            ("1g", 1, 1.5),
            ("redirect", 1, 3.0),
            ("handshake", 1, 3.0),
            ("tls-bulk", 1, 1.5),
            ("h2-1k", 1, 3.0),
        ] {
            let row = ROWS.iter().find(|row| row.name == name).unwrap();
            assert_eq!(row.units(&load, answer_bytes), expected, "{name}");
        }
    }
}
