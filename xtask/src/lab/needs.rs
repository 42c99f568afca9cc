//! What the lab cannot do without.
//!
//! It must never start half of a run: everything is looked for first.

use crate::bench::machine::is_installed;

/// Something that may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// A program, on the search path or where administrators keep servers.
    Program(&'static str),
    /// The superuser.
    Root,
}

/// For a whole run.
pub(super) const ALL: [Need; 5] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("tc"),
    Need::Program("curl"),
    Need::Program("nginx"),
];

/// What is missing of `needs`, in words and with the remedy; `None` if nothing is.
pub(super) fn missing(needs: &[Need]) -> Option<String> {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.absence()).collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

impl Need {
    fn absence(self) -> Option<String> {
        match self {
            Self::Root => (!rustix::process::geteuid().is_root())
                .then(|| "it needs root, to make network namespaces".to_owned()),
            Self::Program(name) => {
                (!is_installed(name)).then(|| format!("{name} is not installed"))
            }
        }
    }
}

/// Whether a test can make hosts; says why not.
///
/// # Panics
/// Under `CI=true` when it cannot: a test that is always skipped must not look like one that passes.
#[cfg(test)]
pub(super) fn can_make_hosts(test: &str) -> bool {
    use std::io::{self, Write};

    let Some(reason) = missing(&[Need::Root, Need::Program("ip"), Need::Program("tc")]) else {
        return true;
    };
    let is_ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(!is_ci, "{test} cannot run: {reason}");
    // In one piece, so that tests beside it do not write into the line.
    let line = format!("skipped {test}: {reason}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let needs = [Need::Program("sh"), Need::Program("overspill-has-no-such")];
        assert_eq!(missing(&needs[..1]), None);
        let reason = missing(&needs).unwrap();
        assert_eq!(reason, "overspill-has-no-such is not installed");
    }
}
