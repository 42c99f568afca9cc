//! Whom a node sent its clients to, by its access log.
//!
//! Times are those at which requests arrived, as the node itself wrote them. A line that is cut, as
//! a killed node leaves one, is no line; it must never be an error.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde_json::Value;

/// A client that was sent to the mirror in question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Redirect {
    at: TimeOfDay,
}

/// Seconds since midnight, UTC: all that both kinds of log tell without knowing a calendar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimeOfDay(f64);

const DAY_S: f64 = 86_400.0;

impl Redirect {
    /// How long after `event`; `None` if before.
    pub(super) fn after(self, event: TimeOfDay) -> Option<Duration> {
        let after_s = (self.at.0 - event.0).rem_euclid(DAY_S);
        // Runs last minutes: what seems to be later by more than half a day was before.
        (after_s < DAY_S / 2.0).then(|| Duration::from_secs_f64(after_s))
    }
}

impl TimeOfDay {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::of_unix_s(since.unwrap_or_default().as_secs_f64())
    }

    fn of_unix_s(unix_s: f64) -> Self {
        Self(unix_s.rem_euclid(DAY_S))
    }

    /// Of `2026-01-31T12:00:00.123456Z`.
    fn of_text(text: &str) -> Option<Self> {
        let time = text.split_once('T')?.1.strip_suffix('Z')?;
        let mut parts = time.splitn(3, ':').map(str::parse::<f64>);
        let mut next = || parts.next()?.ok();
        let (hours, minutes, seconds) = (next()?, next()?, next()?);
        Some(Self((hours * 60.0 + minutes) * 60.0 + seconds))
    }
}

/// Those in the log at `path` that were sent to `host`; `names` says which host a name means.
pub(super) fn read(
    path: &Path,
    names: &BTreeMap<String, String>,
    host: &str,
) -> Result<Vec<Redirect>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let is_meant = |name: &str| names.get(name).is_some_and(|meant| meant == host);
    let redirects = text
        .lines()
        .filter_map(|line| ours(line).or_else(|| nginx(line)));
    let redirects = redirects.filter(|(_, name)| is_meant(name));
    Ok(redirects.map(|(at, _)| Redirect { at }).collect())
}

/// A line of our own log: when, and the member's name.
fn ours(line: &str) -> Option<(TimeOfDay, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("decision")?.as_str()? != "redirect" {
        return None;
    }
    let at = TimeOfDay::of_text(line.get("time")?.as_str()?)?;
    Some((at, line.get("member")?.as_str()?.to_owned()))
}

/// `1234567890.123 302 http://10.231.8.2:8080/path`: when, and the address.
fn nginx(line: &str) -> Option<(TimeOfDay, String)> {
    let mut words = line.split(' ');
    let at = TimeOfDay::of_unix_s(words.next()?.parse().ok()?);
    let status = words.next()?;
    let rest = words.next()?.strip_prefix("http://")?;
    let address = rest.split('/').next()?;
    (status == "302").then(|| (at, address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_log_tell_when_and_where_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines = [
            r#"{"time":"2026-01-31T12:00:01.500000Z","decision":"redirect","member":"ann"}"#,
            r#"{"time":"2026-01-31T12:00:02.500000Z","decision":"redirect","member":"bob"}"#,
            r#"{"time":"2026-01-31T12:00:03.500000Z","decision":"serve"}"#,
            "1769860804.250 302 http://10.0.0.2:8080/file",
            "1769860805.250 200 -",
            r#"{"time":"2026-01-31T12:00:0"#,
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let names = [("ann", "m1"), ("bob", "m2"), ("10.0.0.2:8080", "m1")];
        let names = names.map(|(name, host)| (name.to_owned(), host.to_owned()));
        let found = read(&path, &names.into(), "m1").unwrap();
        let noon = TimeOfDay(DAY_S / 2.0);
        let after: Vec<_> = found.iter().map(|found| found.after(noon)).collect();
        let expected = [1500, 4250].map(|ms| Some(Duration::from_millis(ms)));
        assert_eq!(after, expected);
    }

    #[test]
    fn midnight_is_no_end() {
        let event = TimeOfDay(DAY_S - 1.0);
        let at = |seconds| Redirect {
            at: TimeOfDay(seconds),
        };
        assert_eq!(at(1.0).after(event), Some(Duration::from_secs(2)));
        assert_eq!(at(DAY_S - 2.0).after(event), None);
    }
}
