//! A node and its fleet, as they look from here.
//!
//! Pure but for [`read`]: what was heard in, findings out.

mod read;

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use overspill_client::ShownCertificate;
use overspill_core::units::{counted, display_size};
use overspill_wire::status::{FleetStatus, MemberStatus};

pub(super) use self::read::read;
use super::finding::Finding;

/// What was heard of a node, and of its fleet through it. Errors are in words.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// The node's URL, without a slash at the end and without a password.
    pub(super) url: String,
    /// The host that was asked for.
    pub(super) host: String,
    /// Its addresses.
    pub(super) addresses: Result<Vec<IpAddr>, String>,
    /// One connection for each family of addresses there is.
    pub(super) connections: Vec<(IpAddr, Result<Duration, String>)>,
    /// Its certificate, on an https URL to which there is a connection.
    pub(super) certificate: Option<Result<ShownCertificate, String>>,
    /// When all this was, by the clock of this machine.
    pub(super) now: SystemTime,
    /// By how much the node's clock is ahead of this one's, in seconds; `None` if it tells no time.
    pub(super) ahead_s: Option<f64>,
    /// The status of `/-/health`.
    pub(super) health: Result<u16, String>,
    /// The status of `/-/ready`.
    pub(super) ready: Result<u16, String>,
    /// The fleet.
    pub(super) fleet: Result<FleetStatus, String>,
    /// A file that was asked for everywhere; `None` if there is none that is hashed.
    pub(super) sample: Option<Sample>,
    /// What each member answered, in the order of the fleet; `None` if it was not asked.
    pub(super) answers: Vec<Option<Result<Duration, String>>>,
    /// How the file came as a client gets it.
    pub(super) download: Option<Result<Download, String>>,
}

/// A file that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Its URL path.
    pub(super) path: String,
    /// Its root in hexadecimal.
    pub(super) root: String,
    /// Its size.
    pub(super) bytes: u64,
}

/// How a part of the file came.
#[derive(Clone, Debug)]
pub(super) struct Download {
    /// Bytes that came.
    pub(super) bytes: u64,
    /// In this time.
    pub(super) took: Duration,
    /// From this member; from the node itself if from none.
    pub(super) member: Option<String>,
}

/// A clock may be off by that much, in seconds, before it is worth a word.
const AHEAD_S_GOOD: f64 = 5.0;
/// And by that much before tickets, which are good for ten minutes, and certificates are at risk.
const AHEAD_S_MAX: f64 = 60.0;
/// A certificate that is good for less, in days, should have been renewed by now.
const CERTIFICATE_DAYS_GOOD: i64 = 21;
const DAY_S: i64 = 86_400;

/// Judges what was heard.
pub(super) fn judge(heard: &Heard) -> Vec<Finding> {
    let mut findings = vec![name(heard)];
    findings.extend(connections(heard));
    let shown = heard.certificate.as_ref();
    findings.extend(shown.map(|shown| certificate(shown, heard.now)));
    findings.push(health(&heard.health));
    findings.push(ready(&heard.url, &heard.ready));
    findings.extend(heard.ahead_s.map(clock));
    match &heard.fleet {
        Ok(fleet) => findings.extend(of_fleet(heard, fleet)),
        Err(error) => findings.push(Finding::fail(
            "fleet",
            error.clone(),
            "check that the URL is that of an Overspill node",
        )),
    }
    findings
}

fn name(heard: &Heard) -> Finding {
    let host = &heard.host;
    match &heard.addresses {
        Ok(addresses) => {
            let texts: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            Finding::ok("name", format!("{host} is {}", texts.join(", ")))
        }
        Err(_) if heard.health.is_ok() => {
            Finding::ok("name", format!("{host} is known to the proxy alone"))
        }
        Err(error) => Finding::fail(
            "name",
            format!("{host} has no address: {error}"),
            format!("check its spelling and your DNS: getent ahosts {host}"),
        ),
    }
}

/// One family is enough, but a client that tries the other first waits for nothing.
fn connections(heard: &Heard) -> Vec<Finding> {
    let is_any = heard.connections.iter().any(|(_, result)| result.is_ok());
    let judge = |(address, result): &(IpAddr, Result<Duration, String>)| {
        let check = if address.is_ipv4() {
            "connect-ipv4"
        } else {
            "connect-ipv6"
        };
        match result {
            Ok(took) => {
                let text = format!("{address} answers in {:.1} ms", took.as_secs_f64() * 1000.0);
                Finding::ok(check, text)
            }
            Err(error) if is_any => Finding::warn(
                check,
                format!("no connection to {address}: {error}"),
                "let the node listen there, or take that address out of the DNS",
            ),
            Err(_) if heard.health.is_ok() => {
                Finding::ok(check, format!("{address} is reached by the proxy alone"))
            }
            Err(error) => Finding::fail(
                check,
                format!("no connection to {address}: {error}"),
                "check that the node runs and listens there, and the firewalls between",
            ),
        }
    };
    heard.connections.iter().map(judge).collect()
}

fn certificate(shown: &Result<ShownCertificate, String>, now: SystemTime) -> Finding {
    let renew =
        "renew it; the node reads its files again by itself, and makes a self-signed one anew";
    let shown = match shown {
        Ok(shown) => shown,
        Err(error) => {
            let text = format!("none is shown: {error}");
            return Finding::fail("certificate", text, "check that the port is that of https");
        }
    };
    let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let days = (shown.not_after_unix_s - now_s).div_euclid(DAY_S);
    let names = shown.names.join(", ");
    match days {
        ..0 => Finding::fail(
            "certificate",
            format!("that of {names} has expired {} days ago", -days),
            renew,
        ),
        0..CERTIFICATE_DAYS_GOOD => Finding::warn(
            "certificate",
            format!("that of {names} expires in {days} days"),
            renew,
        ),
        _ => Finding::ok(
            "certificate",
            format!("that of {names} is good for {days} days"),
        ),
    }
}

fn health(status: &Result<u16, String>) -> Finding {
    match status {
        Ok(200) => Finding::ok("health", "it says yes"),
        Ok(status) => Finding::fail(
            "health",
            format!("it answers {status}"),
            "check that the URL is that of an Overspill node, and the proxies before it",
        ),
        Err(error) => Finding::fail(
            "health",
            error.clone(),
            "check that the node runs, and with https whom you trust (--ca-file)",
        ),
    }
}

fn ready(url: &str, status: &Result<u16, String>) -> Finding {
    match status {
        Ok(200) => Finding::ok("ready", "it says yes"),
        Ok(503) => Finding::warn(
            "ready",
            "it cannot serve everything yet",
            format!(
                "wait until all is hashed or fetched; overspill status {url} shows how far it is"
            ),
        ),
        other => Finding {
            check: "ready",
            ..health(other)
        },
    }
}

fn clock(ahead_s: f64) -> Finding {
    let remedy = "have both clocks kept by NTP: timedatectl set-ntp true";
    let direction = if ahead_s < 0.0 { "behind" } else { "ahead" };
    let text = format!(
        "the node's clock is {:.0} s {direction} of this one",
        ahead_s.abs()
    );
    match ahead_s.abs() {
        off if off > AHEAD_S_MAX => Finding::fail("clock", text, remedy),
        off if off > AHEAD_S_GOOD => Finding::warn("clock", text, remedy),
        _ => Finding::ok("clock", "the node's clock agrees with this one"),
    }
}

fn of_fleet(heard: &Heard, fleet: &FleetStatus) -> Vec<Finding> {
    let url = &heard.url;
    let mut findings = vec![versions(fleet), problems(url, fleet)];
    findings.push(download(heard));
    for (at, member) in fleet.members.iter().enumerate() {
        findings.push(state(url, member));
        findings.push(lag(member));
        let answer = heard.answers.get(at).and_then(Option::as_ref);
        findings.extend(answer.map(|answer| reached(member, answer)));
    }
    findings
}

fn versions(fleet: &FleetStatus) -> Finding {
    let own = &fleet.node.version;
    let others = fleet.members.iter().filter(|member| member.version != *own);
    let others: Vec<_> = others
        .map(|member| format!("{} {}", member.name, member.version))
        .collect();
    match others.is_empty() {
        true => Finding::ok("versions", format!("all run {own}")),
        false => Finding::warn(
            "versions",
            format!("the node runs {own}, {}", others.join(", ")),
            "install the same version everywhere",
        ),
    }
}

fn problems(url: &str, fleet: &FleetStatus) -> Finding {
    let all = fleet.problems.len() as u64;
    match fleet.problems.first() {
        None => Finding::ok("problems", "the node knows of none"),
        Some(first) => Finding::warn(
            "problems",
            format!("the node knows of {}: {first}", counted(all, "problem")),
            format!("do as each says; overspill status {url} lists them all"),
        ),
    }
}

fn download(heard: &Heard) -> Finding {
    let Some(sample) = &heard.sample else {
        return Finding::ok("download", "there is no file to try it with");
    };
    match &heard.download {
        Some(Ok(came)) => {
            let rate = came.bytes as f64 / came.took.as_secs_f64().max(f64::MIN_POSITIVE);
            let from = came.member.as_deref().unwrap_or("the node itself");
            let text = format!(
                "{} of {} came from {from}, {}/s",
                display_size(came.bytes),
                sample.path,
                display_size(rate as u64)
            );
            Finding::ok("download", text)
        }
        Some(Err(error)) => Finding::fail(
            "download",
            format!("{} does not come: {error}", sample.path),
            format!(
                "see who is to send it: overspill explain {}{}",
                heard.url, sample.path
            ),
        ),
        None => Finding::ok("download", "it was not tried"),
    }
}

fn state(url: &str, member: &MemberStatus) -> Finding {
    let (name, state) = (&member.name, member.state.as_str());
    match (state, &member.condition) {
        ("ready", None) => Finding::ok("member", format!("{name} is ready")),
        ("ready" | "joining" | "draining", condition) => {
            let condition = condition.as_deref().unwrap_or("no condition told");
            Finding::warn(
                "member",
                format!("{name} is {state}, {condition}"),
                format!(
                    "its log says more; a drain is ended by overspill undrain {name} --server {url}"
                ),
            )
        }
        _ => Finding::fail(
            "member",
            format!("{name} is {state}"),
            format!("start it again, or take it out: overspill remove {name} --server {url}"),
        ),
    }
}

fn lag(member: &MemberStatus) -> Finding {
    let name = &member.name;
    match (member.lag_revisions, member.missing_bytes) {
        (0, 0) if !matches!(member.state.as_str(), "ready" | "draining") => Finding::ok(
            "lag",
            format!("{name} had everything when it was last heard"),
        ),
        (0, 0) => Finding::ok("lag", format!("{name} has everything")),
        (revisions, bytes) => Finding::warn(
            "lag",
            format!(
                "{name} is {} behind, {} to fetch",
                counted(revisions, "revision"),
                display_size(bytes)
            ),
            "wait; if it does not shrink, look at its disk and its log",
        ),
    }
}

fn reached(member: &MemberStatus, answer: &Result<Duration, String>) -> Finding {
    let (name, url) = (&member.name, &member.url);
    match answer {
        Ok(took) => Finding::ok(
            "reach",
            format!(
                "{name} sends the right bytes, in {:.1} ms",
                took.as_secs_f64() * 1000.0
            ),
        ),
        Err(error) => Finding::fail(
            "reach",
            format!("{name} at {url}: {error}"),
            "check that machine, the way to it and its --public-url; a mirror that only the server \
             reaches needs --private",
        ),
    }
}

#[cfg(test)]
mod tests;
