//! The last events of a process, in memory.
//!
//! Anybody may read them: it must never keep an address of a client, a ticket or a password.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use overspill_wire::{
    events::{EventEntry, EventsReply},
    explain::network_of,
};
use serde_json::Value;

use super::record::Line;

/// The last events that have an id.
#[derive(Debug, Default)]
pub struct EventStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<EventEntry>,
    /// Number of the last one.
    last: u64,
}

impl EventStore {
    /// Most events kept; older ones are forgotten.
    pub const LENGTH: usize = 1000;

    /// Keeps an event; a line without an id is none.
    pub fn keep(&self, line: &Line) {
        let Some(event) = &line.event else { return };
        let own_paths = own_paths(line);
        let public = |value: &Value| match value {
            Value::String(text) => Value::String(masked(&without_folders(text, &own_paths))),
            other => other.clone(),
        };
        let fields = line.fields.iter().map(|(name, value)| match *name {
            "client" => ((*name).to_owned(), network(value)),
            _ => ((*name).to_owned(), public(value)),
        });
        let entry = EventEntry {
            seq: 0,
            at: humantime::format_rfc3339_millis(line.at).to_string(),
            level: line.level.as_str().to_ascii_lowercase(),
            event: event.clone(),
            text: masked(&without_folders(&line.text, &own_paths)),
            fields: fields.collect(),
        };
        self.kept().push(entry);
    }

    /// At most `limit` events after number `after`, oldest first.
    ///
    /// A number that has not been reached is one of an earlier life of this node: then everything is
    /// new to whoever asks.
    pub fn after(&self, after: u64, limit: usize) -> EventsReply {
        let kept = self.kept();
        let after = if after > kept.last { 0 } else { after };
        let newer = kept.entries.iter().filter(|entry| entry.seq > after);
        let events: Vec<EventEntry> = newer.take(limit.min(Self::LENGTH)).cloned().collect();
        let next = events.last().map_or(after, |entry| entry.seq);
        EventsReply { events, next }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each step leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, entry: EventEntry) {
        self.last += 1;
        if self.entries.len() >= EventStore::LENGTH {
            self.entries.pop_front();
        }
        self.entries.push_back(EventEntry {
            seq: self.last,
            ..entry
        });
    }
}

/// Paths of this machine that a line names: where its secrets lie is nobody else's affair.
fn own_paths(line: &Line) -> Vec<&str> {
    let may_be = |name: &str| matches!(name, "file" | "from" | "to");
    let fields = line.fields.iter().filter(|(name, _)| may_be(name));
    let texts = fields.filter_map(|(_, value)| value.as_str());
    texts.filter(|text| text.starts_with('/')).collect()
}

/// The text with only the last name of these paths.
fn without_folders(text: &str, paths: &[&str]) -> String {
    paths.iter().fold(text.to_owned(), |text, path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        text.replace(path, name)
    })
}

/// Of a client its network; nothing if that cannot be told.
fn network(client: &Value) -> Value {
    let text = client.as_str().unwrap_or_default();
    let socket = text.parse().map(|address: SocketAddr| address.ip());
    match text.parse::<IpAddr>().or(socket) {
        Ok(address) => Value::String(network_of(address)),
        Err(_) if text.contains('/') => client.clone(),
        Err(_) => Value::Null,
    }
}

/// The text without the value of any ticket, and without names and passwords in URLs.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut written = 0;
    for secret in secrets(text) {
        // What overlaps has been masked already.
        if let Some(plain) = text.get(written..secret.start) {
            masked.push_str(plain);
            masked.push_str(MASK);
            written = secret.end;
        }
    }
    masked.push_str(&text[written..]);
    masked
}

/// Where secrets stand in a text, in order.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let is_ticket = |c: char| c.is_ascii_alphanumeric() || "-_.~%".contains(c);
    let tickets = text.match_indices(TICKET_IS).map(|(at, key)| {
        let start = at + key.len();
        let value = &text[start..];
        start..start + value.find(|c| !is_ticket(c)).unwrap_or(value.len())
    });
    let users = text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let authority = text[start..].split(['/', ' ', '"', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        Some(start..start + user.len())
    });
    let mut secrets: Vec<_> = tickets
        .chain(users)
        .filter(|span| !span.is_empty())
        .collect();
    secrets.sort_by_key(|span| span.start);
    secrets
}

/// What stands before the value of a ticket in a URL's query.
const TICKET_IS: &str = "ticket=";
/// In place of a secret.
const MASK: &str = "***";

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tracing::Level;

    use super::*;

    fn line(text: &str, fields: Vec<(&'static str, Value)>) -> Line {
        Line {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_780_000_000_123),
            level: Level::WARN,
            event: Some("member-state".to_owned()),
            target: "test",
            text: text.to_owned(),
            fields,
        }
    }

    fn numbers(reply: &EventsReply) -> Vec<u64> {
        reply.events.iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn an_event_is_kept_as_the_page_tells_it() {
        let store = EventStore::default();
        store.keep(&line("it is down", vec![("member", "m-1".into())]));
        store.keep(&Line {
            event: None,
            ..line("no event", Vec::new())
        });
        let reply = serde_json::to_value(store.after(0, 10)).unwrap();
        let expected = serde_json::json!({
            "events": [{
                "seq": 1,
                "at": "2026-05-28T20:26:40.123Z",
                "level": "warn",
                "event": "member-state",
                "text": "it is down",
                "fields": {"member": "m-1"},
            }],
            "next": 1,
        });
        assert_eq!(reply, expected);
    }

    #[test]
    fn events_come_in_order_from_where_one_left_off_and_the_oldest_go() {
        let store = EventStore::default();
        assert_eq!(store.after(0, 10), EventsReply::default());
        for at in 0..EventStore::LENGTH + 5 {
            store.keep(&line(&at.to_string(), Vec::new()));
        }
        assert_eq!(numbers(&store.after(0, 2)), [6, 7]);
        assert_eq!(numbers(&store.after(7, 2)), [8, 9]);
        assert_eq!(store.after(0, usize::MAX).events.len(), EventStore::LENGTH);
        let none = store.after(1005, 10);
        assert_eq!((none.events.len(), none.next), (0, 1005));
        // The number of an earlier life.
        assert_eq!(numbers(&store.after(5000, 1)), [6]);
    }

    #[test]
    fn folders_of_this_machine_are_not_told() {
        let store = EventStore::default();
        let fields = vec![
            ("file", "/var/lib/o/token".into()),
            ("path", "/pool/a".into()),
        ];
        store.keep(&line("chmod 600 /var/lib/o/token", fields));
        let kept = &store.after(0, 1).events[0];
        assert_eq!(kept.text, "chmod 600 token");
        assert_eq!(kept.fields["file"], "token");
        assert_eq!(kept.fields["path"], "/pool/a");
    }

    #[test]
    fn nothing_secret_is_kept() {
        assert_eq!(TICKET_IS, format!("{}=", overspill_wire::paths::TICKET));
        for (text, expected) in [
            ("plain", "plain"),
            ("/a?ticket=abc-_9%2f&x=1", "/a?ticket=***&x=1"),
            ("ticket=a ticket=b", "ticket=*** ticket=***"),
            ("http://u:p@h/a", "http://***@h/a"),
            ("http://h/a@b", "http://h/a@b"),
            ("a://x b://u@h?ticket=t", "a://x b://***@h?ticket=***"),
            ("ticket=&ticket=t", "ticket=&ticket=***"),
            ("http://ticket=t@h", "http://***@h"),
        ] {
            assert_eq!(masked(text), expected);
        }
        for (client, expected) in [
            ("192.0.2.7", "192.0.2.0/24".into()),
            ("[2001:db8::7]:80", "2001:db8::/48".into()),
            ("192.0.2.0/24", "192.0.2.0/24".into()),
            ("somebody", Value::Null),
        ] {
            assert_eq!(network(&client.into()), expected);
        }
    }
}
