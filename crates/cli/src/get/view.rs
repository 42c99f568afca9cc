//! How a download shows: a bar, a line now and then, JSON, or nothing.
//!
//! Everything for people goes to standard error. It must never slow the download down: what comes
//! too often is left out.

mod json;

use std::{
    ffi::OsString,
    io::{self, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use overspill_client::{Completion, Exit, Observer, Outcome, Progress, Served, Verification};
use overspill_core::units::display_size;
use serde_json::{Value, json};

use self::json::{event_json, outcome_json};
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
    resumed_from_bytes: u64,
    told: Option<Instant>,
}

impl View {
    pub(super) fn new(style: Style, url: String, name: OsString) -> Self {
        Self {
            style,
            url,
            name: printable(&name.to_string_lossy()),
            bar: ProgressBar::hidden(),
            size_bytes: None,
            resumed_from_bytes: 0,
            told: None,
        }
    }

    /// The last word of a download that worked.
    pub(super) fn succeeded(&self, outcome: &Outcome) {
        self.bar.finish_and_clear();
        match self.style {
            Style::Quiet => {}
            Style::Json => self.emit(outcome_json(outcome)),
            Style::Bar | Style::Lines => {
                note(summary(&self.name, outcome));
                shares(outcome).into_iter().for_each(note);
            }
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
                self.size_bytes = *size_bytes;
                self.resumed_from_bytes = *resumed_from_bytes;
                self.bar.set_message(self.name.clone());
                self.bar.set_position(*resumed_from_bytes);
                self.bar.reset_eta();
            }
            Progress::Bytes {
                position_bytes,
                received_bytes,
            } => self.advance(*position_bytes, *received_bytes),
            _ => {
                if let Some(line) = event_line(&self.name, progress) {
                    self.bar.suspend(|| note(line));
                }
            }
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
            Progress::Bytes { position_bytes, .. } => {
                if self.is_due(LINE_EVERY) {
                    note(position_line(&self.name, *position_bytes, self.size_bytes));
                }
            }
            _ => event_line(&self.name, progress).into_iter().for_each(note),
        }
    }

    /// The bar shows what came, beside it stands what of that is verified: bytes on their way are
    /// signs of life, and pieces are verified a MiB at a time.
    fn advance(&self, position_bytes: u64, received_bytes: u64) {
        let came = (self.resumed_from_bytes + received_bytes).max(position_bytes);
        self.bar
            .set_position(came.min(self.size_bytes.unwrap_or(u64::MAX)));
        if came != position_bytes {
            self.bar
                .set_prefix(format!("{} verified", display_size(position_bytes)));
        } else {
            self.bar.set_prefix("");
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
        Verification::Pieces | Verification::Root(_) | Verification::Sha256(_) => "verified",
        Verification::LengthOnly => "not verified: the server tells no digest",
    };
    let from = match sources.join(", ") {
        none if none.is_empty() => "the part kept".to_owned(),
        sources => sources,
    };
    format!("{name}: {bytes} in {seconds:.1} s ({rate}/s) from {from}; {verified}")
}

/// One line for each source, where there is more to say than its name.
fn shares(outcome: &Outcome) -> Vec<String> {
    let is_plain = |it: &Served| it.errors == 0 && it.wasted_bytes == 0 && !it.is_banned;
    let served = &outcome.served;
    if served.len() < 2 && served.iter().all(is_plain) {
        return Vec::new();
    }
    let width = served
        .iter()
        .map(|it| it.source.chars().count())
        .max()
        .unwrap_or(0);
    served.iter().map(|it| share_line(it, width)).collect()
}

fn share_line(served: &Served, width: usize) -> String {
    let source = printable(&served.source);
    let mut line = format!("  {source:<width$}  {}", display_size(served.bytes));
    if served.pieces > 0 {
        line += &format!(", {} pieces", served.pieces);
    }
    if served.errors > 0 {
        line += &format!(", {} errors", served.errors);
    }
    if served.wasted_bytes > 0 {
        line += &format!(", {} wasted", display_size(served.wasted_bytes));
    }
    if served.is_banned {
        line += "; sent wrong bytes";
    }
    line
}

/// What is worth a line when it happens.
fn event_line(name: &str, progress: &Progress) -> Option<String> {
    Some(match progress {
        Progress::Retrying { .. } => retry_line(name, progress),
        Progress::Searching => format!("{name}: nothing comes; asking for sources again"),
        Progress::SourceBanned { source } => {
            format!(
                "{name}: {} sent wrong bytes and is not asked again",
                printable(source)
            )
        }
        Progress::SourceLeft { source, reason } => {
            format!(
                "{name}: leaving {}: {}",
                printable(source),
                printable(reason)
            )
        }
        _ => return None,
    })
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
                            {binary_bytes_per_sec} {eta} {prefix}";
const SIZELESS_TEMPLATE: &str = "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}";
const REDRAWS_PER_S: u8 = 10;
/// In a log.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// For a program that draws a bar of its own.
const JSON_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
