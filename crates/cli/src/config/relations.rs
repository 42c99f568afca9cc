//! Values that need each other or exclude each other, wherever they come from.
//!
//! What excludes what, clap declares with the options; what needs what stands here, because clap
//! could only see its own command line. A message names each value by its source.

use super::{
    problem::{Problem, Source},
    registry::{Key, Role},
    settle::Entry,
};
use crate::service::Contradiction;

/// An option, and what it is of no use without: any one of them.
const NEEDS: [(&str, &[&str]); 7] = [
    ("tls_cert", &["tls_key"]),
    ("tls_key", &["tls_cert"]),
    ("tls_listen", &["tls_cert", "tls_self_signed"]),
    ("hsts", &["tls_cert", "tls_self_signed"]),
    ("access_log_format", &["access_log"]),
    ("client_prefix_ipv4", &PER_CLIENT),
    ("client_prefix_ipv6", &PER_CLIENT),
];
/// The limits of one client.
const PER_CLIENT: [&str; 3] = [
    "max_connections_per_client",
    "max_requests_per_client",
    "rate_per_client",
];

/// What does not go together.
pub(crate) fn problems(role: Role, entries: &[Entry]) -> Vec<Problem> {
    let mut problems = unmet(entries);
    problems.extend(excluded(role, entries));
    problems
}

/// What the options say of each other's values.
pub(crate) fn told(contradictions: Vec<Contradiction>, entries: &[Entry]) -> Vec<Problem> {
    let told = contradictions.into_iter().map(|contradiction| {
        let named = |option: &&str| entries.iter().find(|entry| entry.key.option() == **option);
        let concerned: Vec<&Entry> = contradiction.options.iter().filter_map(named).collect();
        let sources: Vec<_> = concerned.iter().map(|entry| said_by(entry)).collect();
        let message = match concerned.as_slice() {
            // The place before the message says as much.
            [entry] if matches!(entry.source, Source::File(_)) => contradiction.message,
            _ => format!("{} ({})", contradiction.message, sources.join(", ")),
        };
        problem(&concerned, message)
    });
    told.collect()
}

/// What a service cannot do without.
pub(crate) fn missing(entries: &[Entry]) -> Vec<Problem> {
    let is_missing = |entry: &&Entry| entry.key.is_required() && !entry.is_set();
    let missing = entries.iter().filter(is_missing).map(|entry| {
        let key = entry.key;
        let message = format!(
            "<{}> is missing: give it on the command line, or write {} in [{}] of the configuration \
             file",
            key.value_name(),
            key.name,
            key.table
        );
        Problem::elsewhere(message)
    });
    missing.collect()
}

fn unmet(entries: &[Entry]) -> Vec<Problem> {
    let set = |id: &str| find(entries, id).filter(|entry| entry.is_set());
    let unmet = NEEDS.iter().filter_map(|(id, needed)| {
        let entry = set(id)?;
        if needed.iter().any(|id| set(id).is_some()) {
            return None;
        }
        let names: Vec<_> = needed
            .iter()
            .filter_map(|id| find(entries, id))
            .map(|other| name_like(entry, other.key))
            .collect();
        let (needed, name) = (names.join(" or "), name_like(entry, entry.key));
        let message = format!("{name} needs {needed}; give it, or leave {name} out");
        Some(problem(&[entry], message))
    });
    unmet.collect()
}

fn excluded(role: Role, entries: &[Entry]) -> Vec<Problem> {
    let declared = role.declared();
    let mut problems = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_set()) {
        for other in declared.get_arg_conflicts_with(&entry.key.arg) {
            let other = find(entries, other.get_id().as_str()).filter(|other| other.is_set());
            if let Some(other) = other {
                let message = format!(
                    "{} and {} exclude each other; leave one of them out",
                    name(entry),
                    name(other)
                );
                problems.push(problem(&[entry, other], message));
            }
        }
    }
    problems
}

fn find<'a>(entries: &'a [Entry], id: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key.id() == id)
}

/// A problem that stands where the last of these stands in the file.
fn problem(concerned: &[&Entry], message: String) -> Problem {
    let places = concerned.iter().filter_map(|entry| match &entry.source {
        Source::File(place) => Some(place.clone()),
        _ => None,
    });
    Problem {
        place: places.max(),
        message,
    }
}

/// A value by its source.
fn name(entry: &Entry) -> String {
    let key = entry.key;
    match &entry.source {
        Source::CommandLine | Source::Default => key.option(),
        Source::Environment(variable) => variable.clone(),
        Source::File(place) => format!("{} (line {})", key.name, place.line),
    }
}

/// Another value, as it would be written where this one is.
fn name_like(entry: &Entry, other: &Key) -> String {
    match &entry.source {
        Source::CommandLine | Source::Default => other.option(),
        Source::Environment(_) => other.variable(),
        Source::File(_) => other.name.clone(),
    }
}

fn said_by(entry: &Entry) -> String {
    format!("{}: {}", entry.key.option(), entry.source)
}
