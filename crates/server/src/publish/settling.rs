//! Which files wait to be hashed, and which may be hashed now.
//!
//! A file that changed a moment ago is probably still being written; hashing it would be work for
//! nothing. It waits until it has been still. It must never keep more per waiting file than a path.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{catalog::Entry, path::CatalogPath};

/// How long a file must have been still before it is hashed. With hashing, telling and copying it is
/// then on the mirrors within a second.
const STILL_FOR: Duration = Duration::from_millis(750);
/// The same for a file whose writer has closed it or moved it into place: it is as good as done, and
/// should the writer come back the file is only hashed again.
const CLOSED_FOR: Duration = Duration::from_millis(100);

/// What is known about a file's writer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Writer {
    /// It has closed the file.
    Done,
    /// Nothing but the file's times.
    Unknown,
}

/// Files on their way to the hashers.
#[derive(Debug, Default)]
pub(super) struct Settling {
    waiting: HashMap<CatalogPath, Instant, foldhash::fast::RandomState>,
    still: VecDeque<CatalogPath>,
}

impl Settling {
    /// Enters a file that is new or has changed.
    pub(super) fn enter(
        &mut self,
        path: &CatalogPath,
        entry: &Entry,
        writer: Writer,
        now: Instant,
    ) {
        let wait = wait(entry, writer);
        if wait.is_zero() {
            self.still.push_back(path.clone());
        } else {
            self.waiting.insert(path.clone(), now + wait);
        }
    }

    /// Enters a file again that has not changed since: that may shorten its wait, never lengthen it.
    pub(super) fn remind(
        &mut self,
        path: &CatalogPath,
        entry: &Entry,
        writer: Writer,
        now: Instant,
    ) {
        let due = now + wait(entry, writer);
        let kept = self.waiting.entry(path.clone()).or_insert(due);
        *kept = due.min(*kept);
    }

    /// Enters a file that changed while it was hashed.
    pub(super) fn again(&mut self, path: &CatalogPath, now: Instant) {
        self.waiting.insert(path.clone(), now + STILL_FOR);
    }

    /// Moves on what has been still for long enough.
    pub(super) fn tick(&mut self, now: Instant) {
        let still = &mut self.still;
        self.waiting.retain(|path, due| {
            let wait = *due > now;
            if !wait {
                still.push_back(path.clone());
            }
            wait
        });
    }

    /// The next file to hash.
    pub(super) fn pop(&mut self) -> Option<CatalogPath> {
        let next = self.still.pop_front();
        if next.is_none() {
            // After the first scan of a large tree this was a large queue.
            self.still.shrink_to_fit();
        }
        next
    }

    /// Puts a file back that no hasher could take.
    pub(super) fn put_back(&mut self, path: CatalogPath) {
        self.still.push_front(path);
    }

    /// When the next waiting file is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().min().copied()
    }

    /// How many files may be hashed now.
    pub(super) fn ready(&self) -> usize {
        self.still.len()
    }
}

/// How long the file has still to rest.
fn wait(entry: &Entry, writer: Writer) -> Duration {
    match writer {
        Writer::Done => CLOSED_FOR,
        Writer::Unknown => STILL_FOR.saturating_sub(age(entry)),
    }
}

/// How long the file has been as it is, by its own times. A time in the future, as a server of files
/// with another clock may give, counts as just now.
fn age(entry: &Entry) -> Duration {
    let changed_ns = entry
        .stamp
        .map_or(entry.mtime_ns, |stamp| stamp.ctime_ns.max(entry.mtime_ns));
    let changed = UNIX_EPOCH + Duration::from_nanos(u64::try_from(changed_ns).unwrap_or(0));
    SystemTime::now()
        .duration_since(changed)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use overspill_core::catalog::{Kind, Revision};

    use super::*;

    fn entry(changed: SystemTime) -> Entry {
        let changed_ns = changed.duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        Entry {
            kind: Kind::File,
            size: 1,
            mtime_ns: changed_ns,
            mode: 0o644,
            revision: Revision(1),
            content: None,
            stamp: None,
        }
    }

    fn waited(changed: SystemTime, writer: Writer) -> Duration {
        let (mut settling, now) = (Settling::default(), Instant::now());
        let path = CatalogPath::parse(b"a").unwrap();
        settling.enter(&path, &entry(changed), writer, now);
        if settling.pop().is_some() {
            return Duration::ZERO;
        }
        let due = settling.due().unwrap();
        settling.tick(due - Duration::from_millis(1));
        assert_eq!(settling.ready(), 0, "not before it is due");
        settling.tick(due);
        assert_eq!(settling.pop(), Some(path));
        due - now
    }

    #[test]
    fn files_at_rest_go_at_once_and_fresh_ones_wait() {
        let now = SystemTime::now();
        assert_eq!(
            waited(now - Duration::from_secs(60), Writer::Unknown),
            Duration::ZERO
        );
        assert!(waited(now, Writer::Unknown) > STILL_FOR / 2);
        assert_eq!(waited(now, Writer::Done), CLOSED_FOR);
        let other_clock = now + Duration::from_secs(3600);
        assert_eq!(waited(other_clock, Writer::Unknown), STILL_FOR);
    }
    #[test]
    fn a_look_that_finds_nothing_new_never_lengthens_the_wait() {
        let (mut settling, now) = (Settling::default(), Instant::now());
        let path = CatalogPath::parse(b"a").unwrap();
        let entry = entry(SystemTime::now());
        settling.enter(&path, &entry, Writer::Done, now);
        settling.remind(&path, &entry, Writer::Unknown, now);
        assert_eq!(settling.due(), Some(now + CLOSED_FOR));
        settling.enter(&path, &entry, Writer::Unknown, now);
        settling.remind(&path, &entry, Writer::Done, now);
        assert_eq!(settling.due(), Some(now + CLOSED_FOR));
    }
}
