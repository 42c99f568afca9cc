//! What a table prints: our figures beside those expected, and a verdict.
//!
//! A figure without an expectation beside it proves nothing, so there is no line of that kind. It
//! must never round before it judges.

use std::fmt;

/// The outcome of one table.
#[derive(Clone, Debug)]
pub struct Sheet {
    title: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    Claim(Claim),
    Figure(Figure),
    Note(String),
}

/// One figure of ours beside what it should be.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub what: String,
    /// Ours.
    pub ours: f64,
    /// Half the width of its 95 % confidence interval.
    pub half_width: f64,
    /// What it should be.
    pub expected: f64,
    /// Relative error that passes.
    pub tolerance: f64,
}

/// A statement that holds or not.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The statement.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a line is as expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is not.
    Fails,
    /// It is.
    Holds,
    /// The run was too short to tell: beyond the tolerance, but by no more than chance explains.
    Open,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
        }
    }

    /// Adds a line of text, for the reader.
    pub fn note(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Note(text.into()));
    }

    /// Adds a figure.
    pub fn figure(&mut self, figure: Figure) {
        self.lines.push(Line::Figure(figure));
    }

    /// Adds a claim.
    pub fn claim(&mut self, what: impl Into<String>, seen: String, verdict: Verdict) {
        self.lines.push(Line::Claim(Claim {
            what: what.into(),
            seen,
            verdict,
        }));
    }

    /// Whether every line holds, of which there must be one.
    pub fn verdict(&self) -> Verdict {
        let holding = self.lines_that(Verdict::Holds).len();
        if !self.lines_that(Verdict::Fails).is_empty() || holding == 0 {
            Verdict::Fails
        } else if self.lines_that(Verdict::Open).is_empty() {
            Verdict::Holds
        } else {
            Verdict::Open
        }
    }

    /// The lines with this verdict, as they print.
    pub fn lines_that(&self, verdict: Verdict) -> Vec<String> {
        let wanted = |line: &&Line| line.verdict() == Some(verdict);
        self.lines
            .iter()
            .filter(wanted)
            .map(Line::to_string)
            .collect()
    }
}

impl Figure {
    /// Our relative error.
    pub fn error(&self) -> f64 {
        self.ours / self.expected - 1.0
    }

    /// Whether the error is within the tolerance; what is no number is not.
    pub fn verdict(&self) -> Verdict {
        let error = self.error().abs();
        if error <= self.tolerance {
            Verdict::Holds
        } else if error - DOUBT * self.half_width / self.expected <= self.tolerance {
            Verdict::Open
        } else {
            Verdict::Fails
        }
    }
}

impl Line {
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Claim(claim) => Some(claim.verdict),
            Self::Figure(figure) => Some(figure.verdict()),
            Self::Note(_) => None,
        }
    }
}

impl Verdict {
    /// The verdict on a condition.
    pub fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// An interval counts this many times: batches of a short run depend on each other, which makes it
/// too narrow, and of two hundred figures ten lie outside of a perfect one.
const DOUBT: f64 = 2.0;

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5}  {}: {}", self.verdict, self.what, self.seen)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<5}  {:<44} ours {:>9.4} ± {:<7.4} expected {:>9.4}  error {:>+7.2} % of {:.0} %",
            self.verdict(),
            self.what,
            self.ours,
            self.half_width,
            self.expected,
            self.error() * 100.0,
            self.tolerance * 100.0
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(claim) => claim.fmt(f),
            Self::Figure(figure) => figure.fmt(f),
            Self::Note(note) => write!(f, "       {note}"),
        }
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let [holding, open, failing] =
            [Verdict::Holds, Verdict::Open, Verdict::Fails].map(|v| self.lines_that(v).len());
        let verdict = self.verdict();
        writeln!(
            f,
            "{verdict:<5}  {holding} as expected, {open} open, {failing} not"
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fails => "FAILS",
            Self::Holds => "holds",
            Self::Open => "open",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64) -> Figure {
        Figure {
            what: "a".into(),
            ours,
            half_width: 0.1,
            expected: 2.0,
            tolerance: 0.01,
        }
    }

    #[test]
    fn a_sheet_holds_when_every_line_does_and_there_is_one() {
        let mut sheet = Sheet::new("t");
        sheet.note("only text");
        assert_eq!(sheet.verdict(), Verdict::Fails);
        sheet.figure(figure(2.01));
        assert_eq!(sheet.verdict(), Verdict::Holds);
        sheet.figure(figure(2.05));
        assert_eq!(sheet.verdict(), Verdict::Open);
        sheet.claim("b", "c".into(), Verdict::Fails);
        assert_eq!(sheet.verdict(), Verdict::Fails);
        assert_eq!(sheet.lines_that(Verdict::Fails), ["FAILS  b: c"]);
        let end = "FAILS  1 as expected, 1 open, 1 not\n";
        assert!(sheet.to_string().ends_with(end), "{sheet}");
    }

    #[test]
    fn what_is_off_or_no_number_fails_and_what_may_be_chance_is_open() {
        for (ours, verdict) in [
            (1.985, Verdict::Holds),
            (1.97, Verdict::Open),
            (1.77, Verdict::Fails),
            (2.11, Verdict::Open),
            (2.23, Verdict::Fails),
            (f64::NAN, Verdict::Fails),
            (f64::INFINITY, Verdict::Fails),
        ] {
            assert_eq!(figure(ours).verdict(), verdict, "{ours}");
        }
    }
}
