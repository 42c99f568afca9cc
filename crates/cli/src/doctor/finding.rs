//! What a check found, and what to do about it.
//!
//! One line for a person, one object for a program. It must never say that something is wrong
//! without saying what helps.

use std::fmt::Write as _;

use serde::Serialize;

use crate::terminal::printable;

/// How a check went. The graver is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or not for long.
    Warn,
    /// It does not work.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// The check.
    pub(crate) check: &'static str,
    /// How it went.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) text: String,
    /// What to do; absent if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// All findings, for a program.
#[derive(Debug, Serialize)]
struct Report<'a> {
    verdict: Verdict,
    findings: &'a [Finding],
}

/// Width of the column of checks.
const CHECK_CHARS: usize = 16;

impl Finding {
    /// All is well.
    pub(crate) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            text: text.into(),
            remedy: None,
        }
    }

    /// It could be better, by this.
    pub(crate) fn warn(
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict: Verdict::Warn,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// It does not work; this helps.
    pub(crate) fn fail(
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(check, text, remedy)
        }
    }
}

/// The gravest verdict; ok if there are no findings.
pub(crate) fn worst(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::Ok)
}

/// A line for each finding.
pub(crate) fn lines(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let text = printable(&finding.text);
        // Writing to a string cannot fail.
        let _ = write!(out, "{mark}  {:<CHECK_CHARS$}  {text}", finding.check);
        if let Some(remedy) = &finding.remedy {
            let _ = write!(out, "; {}", printable(remedy));
        }
        out.push('\n');
    }
    out
}

/// All findings as one JSON object in one line.
pub(crate) fn json(findings: &[Finding]) -> serde_json::Result<String> {
    let report = Report {
        verdict: worst(findings),
        findings,
    };
    Ok(serde_json::to_string(&report)? + "\n")
}
