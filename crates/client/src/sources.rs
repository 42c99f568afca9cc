//! Where to pull a file from.
//!
//! Today that is always one place, the URL the user gave, whose server may send us on to a mirror;
//! members that failed us are named in its `avoid` parameter so that it chooses another. A download
//! must never know this: it asks here before every request, and says here what failed.

use overspill_wire::paths::AVOID;

use crate::url::{HttpUrl, UrlError};

/// The ways to one file.
#[derive(Debug)]
pub(crate) struct Sources {
    origin: HttpUrl,
    avoided: Vec<String>,
}

impl Sources {
    pub(crate) fn new(origin: HttpUrl) -> Self {
        Self {
            origin,
            avoided: Vec::new(),
        }
    }

    /// The URL the user gave.
    pub(crate) fn origin(&self) -> &HttpUrl {
        &self.origin
    }

    /// The URL for the next request.
    pub(crate) fn next(&self) -> Result<HttpUrl, UrlError> {
        if self.avoided.is_empty() {
            return Ok(self.origin.clone());
        }
        self.origin.with_parameter(AVOID, &self.avoided.join(","))
    }

    /// Never again from this member, unless more than [`AVOIDED_MAX`] fail after it.
    pub(crate) fn avoid(&mut self, member: &str) {
        if self.avoided.iter().any(|avoided| avoided == member) {
            return;
        }
        if self.avoided.len() == AVOIDED_MAX {
            self.avoided.remove(0);
        }
        self.avoided.push(member.to_owned());
    }
}

/// Most members avoided at once: with names of 64 characters their list stays near 2 KiB, far below
/// what servers take for a request line.
const AVOIDED_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_failed_accumulate_in_one_parameter() {
        let origin = HttpUrl::parse("http://h/a?x=1").unwrap();
        let mut sources = Sources::new(origin.clone());
        assert_eq!(sources.next().unwrap(), origin);
        for (member, expected) in [
            ("m1", "http://h/a?x=1&avoid=m1"),
            ("m2", "http://h/a?x=1&avoid=m1%2Cm2"),
            ("m1", "http://h/a?x=1&avoid=m1%2Cm2"),
        ] {
            sources.avoid(member);
            assert_eq!(sources.next().unwrap().to_string(), expected);
        }
        assert_eq!(*sources.origin(), origin);
    }

    #[test]
    fn the_oldest_is_forgiven_when_there_are_too_many() {
        let mut sources = Sources::new(HttpUrl::parse("http://h/a").unwrap());
        (0..=AVOIDED_MAX).for_each(|at| sources.avoid(&format!("m{at}")));
        let next = sources.next().unwrap().to_string();
        assert!(next.starts_with("http://h/a?avoid=m1%2Cm2%2C"), "{next}");
        assert!(next.ends_with("%2Cm32"), "{next}");
    }
}
