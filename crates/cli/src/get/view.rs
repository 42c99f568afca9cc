//! How a download shows: a bar, a line now and then, JSON, or nothing.
//!
//! Everything for people goes to standard error. It must never slow the download down: what comes
//! too often is left out.

use std::{
    ffi::OsString,
    io::{self, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overspill_client::{
    Completion, Exit, HttpUrl, Observer, Outcome, Progress, Served, Verification,
};
use overspill_core::units::display_size;
use serde_json::{Value, json};

use crate::terminal::{complain, note, printable};

/// Who watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// A person at a terminal.
    Bar,
    /// A program.
    Json,
    /// A log.
    Lines,
    /// Nobody.
    Quiet,
}

/// One download's appearance.
#[derive(Debug)]
pub(super) struct View {
    style: Style,
    url: String,
    name: String,
    bar: ProgressBar,
    size_bytes: Option<u64>,
    told: Option<Instant>,
}

impl View {
    pub(super) fn new(style: Style, url: &HttpUrl) -> Self {
        let name = url.file_name().unwrap_or_else(|_| OsString::from("file"));
        Self {
            style,
            url: url.to_string(),
            name: printable(&name.to_string_lossy()),
            bar: ProgressBar::hidden(),
            size_bytes: None,
            told: None,
        }
    }

    /// The last word of a download that worked.
    pub(super) fn succeeded(&self, outcome: &Outcome) {
        self.bar.finish_and_clear();
        match self.style {
            Style::Quiet => {}
            Style::Json => self.emit(outcome_json(outcome)),
            Style::Bar | Style::Lines => note(summary(&self.name, outcome)),
        }
    }

    /// The last word of one that did not. Errors are told in every style.
    pub(super) fn failed(&self, message: &str, exit: Exit) {
        self.bar.finish_and_clear();
        if self.style == Style::Json {
            self.emit(json!({"event": "failed", "error": message, "exit": exit.code()}));
        }
        complain(message);
    }

    fn draw(&mut self, progress: &Progress) {
        match progress {
            Progress::Started {
                resumed_from_bytes,
                size_bytes,
                ..
            } => {
                self.bar.finish_and_clear();
                self.bar = bar(*size_bytes);
                self.bar.set_message(self.name.clone());
                self.bar.set_position(*resumed_from_bytes);
                self.bar.reset_eta();
            }
            Progress::Bytes { position_bytes } => self.bar.set_position(*position_bytes),
            Progress::Retrying { .. } => {
                let line = retry_line(&self.name, progress);
                self.bar.suspend(|| note(line));
            }
            _ => {}
        }
    }

    fn log(&mut self, progress: &Progress) {
        match progress {
            Progress::Started {
                resumed_from_bytes: from,
                size_bytes,
                ..
            } => {
                self.size_bytes = *size_bytes;
                if *from > 0 {
                    note(format_args!(
                        "{}: continuing at {}",
                        self.name,
                        display_size(*from)
                    ));
                }
                self.told = Some(Instant::now());
            }
            Progress::Bytes { position_bytes } if self.is_due(LINE_EVERY) => {
                note(position_line(&self.name, *position_bytes, self.size_bytes));
            }
            Progress::Retrying { .. } => note(retry_line(&self.name, progress)),
            _ => {}
        }
    }

    fn report(&mut self, progress: &Progress) {
        if matches!(progress, Progress::Bytes { .. }) && !self.is_due(JSON_EVERY) {
            return;
        }
        if let Some(event) = event_json(progress) {
            self.emit(event);
        }
    }

    fn emit(&self, mut event: Value) {
        event["url"] = Value::from(self.url.as_str());
        // With standard output closed nobody listens; the file still matters.
        let _ = writeln!(io::stdout(), "{event}");
    }

    fn is_due(&mut self, every: Duration) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= every);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }
}

impl Observer for View {
    fn observe(&mut self, progress: &Progress) {
        match self.style {
            Style::Bar => self.draw(progress),
            Style::Json => self.report(progress),
            Style::Lines => self.log(progress),
            Style::Quiet => {}
        }
    }
}

/// What happened, as JSON; the end is told with more by [`outcome_json`].
fn event_json(progress: &Progress) -> Option<Value> {
    Some(match progress {
        Progress::Started {
            resumed_from_bytes,
            root,
            size_bytes,
        } => json!({
            "event": "started", "size_bytes": size_bytes,
            "resumed_from_bytes": resumed_from_bytes,
            "root": root.map(|root| root.to_string()),
        }),
        Progress::Bytes { position_bytes } => {
            json!({"event": "bytes", "position_bytes": position_bytes})
        }
        Progress::Redirected { member } => json!({"event": "redirected", "member": member}),
        Progress::Retrying {
            avoided,
            pause,
            reason,
        } => json!({
            "event": "retrying", "reason": reason, "avoided": avoided,
            "pause_ms": pause.as_millis() as u64,
        }),
        Progress::Verified { root } => json!({"event": "verified", "root": root.to_string()}),
        _ => return None,
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let served = |served: &Served| json!({"source": served.source, "bytes": served.bytes});
    let path = outcome.path.as_ref().map(|path| path.to_string_lossy());
    json!({
        "event": "finished",
        "path": path,
        "bytes": outcome.bytes,
        "received_bytes": outcome.received_bytes,
        "elapsed_ms": outcome.elapsed.as_millis() as u64,
        "verified": matches!(outcome.verification, Verification::Root(_)),
        "up_to_date": outcome.completion == Completion::UpToDate,
        "served": outcome.served.iter().map(served).collect::<Vec<_>>(),
    })
}

fn summary(name: &str, outcome: &Outcome) -> String {
    let bytes = display_size(outcome.bytes);
    if outcome.completion == Completion::UpToDate {
        return format!("{name}: up to date, {bytes}");
    }
    let seconds = outcome.elapsed.as_secs_f64().max(0.001);
    let rate = display_size((outcome.received_bytes as f64 / seconds) as u64);
    let sources: Vec<_> = outcome
        .served
        .iter()
        .map(|served| &*served.source)
        .collect();
    let verified = match outcome.verification {
        Verification::Root(_) => "verified",
        Verification::LengthOnly => "not verified: the server tells no BLAKE3 root",
    };
    let from = match sources.join(", ") {
        none if none.is_empty() => "the part kept".to_owned(),
        sources => sources,
    };
    format!("{name}: {bytes} in {seconds:.1} s ({rate}/s) from {from}; {verified}")
}

fn position_line(name: &str, position_bytes: u64, size_bytes: Option<u64>) -> String {
    let position = display_size(position_bytes);
    match size_bytes {
        Some(size) if size > 0 => {
            let percent = position_bytes.min(size) as u128 * 100 / u128::from(size);
            format!("{name}: {position} of {} ({percent} %)", display_size(size))
        }
        _ => format!("{name}: {position}"),
    }
}

fn retry_line(name: &str, progress: &Progress) -> String {
    let Progress::Retrying {
        avoided,
        pause,
        reason,
    } = progress
    else {
        return String::new();
    };
    let elsewhere = match avoided {
        Some(member) => format!(" without {member}"),
        None => String::new(),
    };
    let when = match pause.as_secs_f64() {
        seconds if seconds < 0.05 => "at once".to_owned(),
        seconds => format!("in {seconds:.1} s"),
    };
    format!("{name}: {reason}; trying again{elsewhere} {when}")
}

fn bar(size_bytes: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_S);
    let bar = ProgressBar::with_draw_target(size_bytes, target);
    let template = match size_bytes {
        Some(_) => BAR_TEMPLATE,
        None => SIZELESS_TEMPLATE,
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

const BAR_TEMPLATE: &str = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} \
                            {binary_bytes_per_sec} {eta}";
const SIZELESS_TEMPLATE: &str = "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}";
const REDRAWS_PER_S: u8 = 10;
/// In a log.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// For a program that draws a bar of its own.
const JSON_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
