//! The rules of the house as a program: what CONTRIBUTING.md marks as mechanical and no compiler
//! checks. It only reads, never repairs; and it knows no rule that CONTRIBUTING.md, LEXICON.md or
//! the table of layers does not state.
//!
//! The same checks run as a test of this package, so `cargo test --workspace` enforces them.

use std::{fmt, num::NonZeroUsize, path::Path, thread};

use anyhow::Result;

use self::checkout::{Checkout, TextFile};

mod architecture;
mod checkout;
mod clippy_config;
mod functions;
mod hygiene;
mod layers;
mod layout;
mod lexicon;
mod manifest;
mod purity;
mod syntax;
#[cfg(test)]
mod tests;

/// One breach of a rule, printed as `path:line: message (remedy)`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Finding {
    /// Relative to the checkout, with slashes.
    path: String,
    /// Counted from 1; 1 also when the whole file is meant.
    line: usize,
    message: String,
    remedy: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            message,
            remedy,
        } = self;
        write!(f, "{path}:{line}: {message} ({remedy})")
    }
}

/// Checks the checkout at `root` and returns what it finds, ordered by path and line.
///
/// An error means that the checkout could not be read, not that it breaks a rule.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>> {
    Ok(check(&Checkout::read(root)?))
}

fn check(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = architecture::check(checkout);
    findings.extend(clippy_config::check(checkout));
    findings.extend(layers::check(checkout));
    findings.extend(lexicon::check(checkout));
    findings.extend(in_parallel(checkout.files(), check_file));
    findings.sort();
    findings
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let mut findings = hygiene::check(file);
    findings.extend(layout::check(file));
    findings.extend(purity::check_manifest(file));
    findings.extend(syntax::check(file));
    findings
}

/// Runs `check` over all files on all cores: parsing Rust in a debug build is what costs here.
fn in_parallel(files: &[TextFile], check: fn(&TextFile) -> Vec<Finding>) -> Vec<Finding> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        // Every n-th file rather than runs of files: large ones lie together in one folder.
        let shares = (0..threads).map(|first| files.iter().skip(first).step_by(threads));
        let workers: Vec<_> = shares
            .map(|share| scope.spawn(move || share.flat_map(check).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().expect("no check panics"))
            .collect()
    })
}
