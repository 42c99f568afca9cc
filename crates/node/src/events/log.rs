//! The way of a line from the code to an output: read, limited, handed on.
//!
//! It must never hold its lock while an output writes: outputs may wait for a terminal.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{
    record::Line,
    registry::LEFT_OUT,
    repeats::{Repeats, Subject, Verdict, WINDOW},
};

/// A layer of `tracing` that hands lines to an output, and counts those that repeat.
///
/// Clones are the same log.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    repeats: Mutex<Repeats>,
    output: Box<dyn Fn(&Line) + Send + Sync>,
}

impl EventLog {
    /// A log that hands its lines to `output`, which is called by whoever logs.
    pub fn new(output: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                repeats: Mutex::default(),
                output: Box::new(output),
            }),
        }
    }

    /// Tells what was left out until now, if it is time; to be called every few seconds.
    pub fn tick(&self, now: Instant, at: SystemTime) {
        // Taken out first, so that the lock is free while the output writes.
        let left_out = self.repeats().left_out(now);
        for (subject, times) in left_out {
            (self.inner.output)(&left_out_line(at, subject, times));
        }
    }

    /// Takes in a line. Those without an id are handed on as they come.
    fn take(&self, now: Instant, line: &Line) {
        let is_told = line.event.as_ref().is_none_or(|event| {
            let subject = Subject {
                event: event.clone(),
                member: line.text_of("member").map(str::to_owned),
                detail: ["fault", "key"]
                    .iter()
                    .find_map(|name| line.text_of(name))
                    .map(str::to_owned),
            };
            self.repeats().weigh(now, subject) == Verdict::Tell
        });
        if is_told {
            (self.inner.output)(line);
        }
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        // Each step leaves the map whole.
        let repeats = self.inner.repeats.lock();
        repeats.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for EventLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (now, at) = (Instant::now(), SystemTime::now());
        self.tick(now, at);
        self.take(now, &Line::read(event, at));
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}

fn left_out_line(at: SystemTime, subject: Subject, times: u64) -> Line {
    let event = subject.event;
    let text = format!(
        "{times} more events {event} were left out within {} s",
        WINDOW.as_secs()
    );
    let mut fields = vec![("of", event.into()), ("times", times.into())];
    fields.extend(subject.member.map(|member| ("member", member.into())));
    fields.extend(subject.detail.map(|fault| ("fault", fault.into())));
    Line {
        at,
        level: Level::WARN,
        event: Some(LEFT_OUT.to_owned()),
        target: module_path!(),
        text,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Told = Arc<Mutex<Vec<Line>>>;

    fn log() -> (EventLog, Told) {
        let told = Told::default();
        let lines = Arc::clone(&told);
        let log = EventLog::new(move |line| {
            lines.lock().expect("nobody panics").push(line.clone());
        });
        (log, told)
    }

    fn line(event: Option<&str>) -> Line {
        Line {
            at: SystemTime::UNIX_EPOCH,
            level: Level::WARN,
            event: event.map(str::to_owned),
            target: "test",
            text: String::new(),
            fields: vec![("member", "m-1".into())],
        }
    }

    #[test]
    fn a_flood_is_ten_lines_and_then_a_count() {
        let (log, told) = log();
        let start = Instant::now();
        for _ in 0..100 {
            log.take(start, &line(Some("check-failed")));
            log.take(start, &line(None));
        }
        let lines = std::mem::take(&mut *told.lock().unwrap());
        let events = lines.iter().filter(|line| line.event.is_some());
        assert_eq!((events.count(), lines.len()), (10, 110));

        log.tick(start + Duration::from_secs(60), SystemTime::UNIX_EPOCH);
        let lines = told.lock().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(
            lines[0].text,
            "90 more events check-failed were left out within 60 s"
        );
        assert_eq!(lines[0].fields[1], ("times", 90.into()));
        assert_eq!(lines[0].text_of("member"), Some("m-1"));
    }

    #[test]
    fn a_line_is_read_with_its_id_its_text_and_its_fields() {
        use tracing_subscriber::layer::SubscriberExt;
        let (log, told) = log();
        let long = "ä".repeat(5000);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || {
            tracing::warn!(event = "member-state", member = %"m-1", flows = 3_u64, share = 0.5, long, "it is {}", "down");
        });
        let lines = told.lock().unwrap();
        let line = &lines[0];
        assert_eq!(line.event.as_deref(), Some("member-state"));
        assert_eq!(
            (line.text.as_str(), line.level),
            ("it is down", Level::WARN)
        );
        assert_eq!(line.fields[0], ("member", "m-1".into()));
        assert_eq!(line.fields[1], ("flows", 3_u64.into()));
        assert_eq!(line.fields[2], ("share", 0.5.into()));
        assert_eq!(line.text_of("long").map(str::len), Some(4096));
    }
}
