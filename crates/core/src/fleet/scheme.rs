//! Whether bytes go in the clear or under TLS, as far as choosing a node goes.

use std::fmt;

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    /// The scheme of a member's URL; anything that is not `https://` is in the clear.
    pub fn of_url(url: &str) -> Self {
        match url.get(..8) {
            Some(start) if start.eq_ignore_ascii_case("https://") => Self::Https,
            _ => Self::Http,
        }
    }

    /// Whether a client that asked by `self` may be sent to a node that is asked by `other`.
    ///
    /// Never from https to http: browsers block it as mixed content, curl follows only when told
    /// to, and whoever listens on the way would see what was asked for in confidence. From http to
    /// https is fine; every client we know follows.
    pub fn may_lead_to(self, other: Self) -> bool {
        self == Self::Http || other == Self::Https
    }

    /// As a URL begins.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Scheme::{self, Http, Https};

    #[test]
    fn the_scheme_of_a_url_is_read() {
        for (url, expected) in [
            ("http://m:1", Http),
            ("https://m", Https),
            ("HTTPS://m", Https),
            ("https:/", Http),
            ("", Http),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", Http),
        ] {
            assert_eq!(Scheme::of_url(url), expected, "{url}");
        }
    }

    #[test]
    fn no_client_is_led_out_of_https() {
        let ways = [(Http, Http), (Http, Https), (Https, Https), (Https, Http)];
        let allowed = ways.map(|(from, to)| from.may_lead_to(to));
        assert_eq!(allowed, [true, true, true, false]);
    }
}
