//! Where the demo shows itself: a table redrawn in place on a terminal, else a line per second.
//!
//! Everything goes to standard error; standard output is for the summary alone. What is shown is
//! made in [`super::screen`]; nothing is worded here.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{scene::Scene, screen};
use crate::terminal::note;

/// The audience.
#[derive(Debug)]
pub(super) enum Display {
    /// A log: when the last line was written.
    Lines(Option<Instant>),
    /// A person at a terminal.
    Table(ProgressBar),
}

impl Display {
    /// Looks who is there.
    pub(super) fn new() -> Self {
        // The plainest template there is; it parses.
        match ProgressStyle::with_template("{msg}") {
            Ok(style) if io::stderr().is_terminal() => {
                let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_S);
                Self::Table(ProgressBar::with_draw_target(None, target).with_style(style))
            }
            _ => Self::Lines(None),
        }
    }

    /// Lines that stay.
    pub(super) fn say(&self, text: &str) {
        let say = || text.lines().for_each(note);
        match self {
            Self::Lines(_) => say(),
            Self::Table(bar) => bar.suspend(say),
        }
    }

    /// An event of the live part: on a terminal it is in the table already.
    pub(super) fn tell(&self, event: &str) {
        if let Self::Lines(_) = self {
            note(event);
        }
    }

    /// What is being waited for, replaced by the next.
    pub(super) fn step(&mut self, step: &str) {
        if !self.is_due() {
            return;
        }
        match self {
            Self::Lines(_) => note(step),
            Self::Table(bar) => bar.set_message(screen::fit(step)),
        }
    }

    /// The fleet at work.
    pub(super) fn show(&mut self, scene: &Scene) {
        if !self.is_due() {
            return;
        }
        match self {
            Self::Lines(_) => note(screen::line(scene)),
            Self::Table(bar) => bar.set_message(screen::table(scene)),
        }
    }

    /// Leaves an empty place for the summary.
    pub(super) fn clear(&self) {
        if let Self::Table(bar) = self {
            bar.set_message("");
            bar.finish_and_clear();
        }
    }

    /// Whether enough time has passed since the last line; a table may always be redrawn.
    fn is_due(&mut self) -> bool {
        let Self::Lines(written) = self else {
            return true;
        };
        let due = written.is_none_or(|written| written.elapsed() >= LINE_EVERY);
        if due {
            *written = Some(Instant::now());
        }
        due
    }
}

const REDRAWS_PER_S: u8 = 10;
/// A little less than a second, so that no tick just misses it.
const LINE_EVERY: Duration = Duration::from_millis(950);
