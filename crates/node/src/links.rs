//! `Link` fields of a redirect: who else has the file, and where it is described (RFC 6249).
//!
//! Clients differ in what they make of them, so the form is exact: the target of the redirect comes
//! first and in the same bytes, or wget2 downloads twice; one field for each link, or all but the
//! first are lost; `rel=duplicate` without quotes, or aria2 passes it over; no empty `geo`. They must
//! never name anybody who was not a candidate for this very request.

use crate::role::Holder;

/// Room for a line without the target: the URL of a node and the parameters.
const USUAL_BYTES: usize = 100;

/// Adds a line with its CRLF for each holder, best first. `target` is the path, with the query that
/// the redirect carries.
///
/// Adds none at all if the URL of a holder could end its link: the redirect does without. Piece by
/// piece because every redirect pays for it: `write!` took more than twice the time.
pub(crate) fn push_duplicates(holders: &[Holder], target: &str, lines: &mut String) {
    if !holders.iter().all(|holder| is_plain(&holder.url)) {
        return;
    }
    lines.reserve(holders.len() * (target.len() + USUAL_BYTES));
    for (priority, holder) in (1_usize..).zip(holders) {
        let mut buffer = itoa::Buffer::new();
        let priority = buffer.format(priority);
        for part in [
            "Link: <",
            &holder.url,
            target,
            ">; rel=duplicate; pri=",
            priority,
        ] {
            lines.push_str(part);
        }
        if let Some(country) = holder.country() {
            lines.push_str("; geo=");
            lines.push_str(country);
        }
        lines.push_str("\r\n");
    }
}

/// The line that names the Metalink document of a file, for whoever can read one.
pub(crate) fn description(url: &str) -> String {
    if !is_plain(url) {
        return String::new();
    }
    format!("Link: <{url}>; rel=describedby; type=\"application/metalink4+xml\"\r\n")
}

fn is_plain(url: &str) -> bool {
    url.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(url: &str, zone: Option<&str>) -> Holder {
        Holder {
            url: url.to_owned(),
            zone: zone.map(|zone| zone.parse().unwrap()),
        }
    }

    fn duplicates(holders: &[Holder], target: &str) -> String {
        let mut lines = String::new();
        push_duplicates(holders, target, &mut lines);
        lines
    }

    #[test]
    fn each_holder_has_a_line_of_its_own() {
        let holders = [
            holder("https://m1", Some("de")),
            holder("http://m2:8080", Some("north")),
            holder("http://[::1]:1", None),
        ];
        let lines = duplicates(&holders, "/d/f.iso?ticket=T&avoid=m-1,m-2");
        assert_eq!(
            lines,
            "Link: <https://m1/d/f.iso?ticket=T&avoid=m-1,m-2>; rel=duplicate; pri=1; geo=de\r\n\
             Link: <http://m2:8080/d/f.iso?ticket=T&avoid=m-1,m-2>; rel=duplicate; pri=2\r\n\
             Link: <http://[::1]:1/d/f.iso?ticket=T&avoid=m-1,m-2>; rel=duplicate; pri=3\r\n"
        );
        assert_eq!(duplicates(&[], "/f"), "");
    }

    #[test]
    fn nobody_gets_out_of_a_link() {
        for url in [
            "http://m>; rel=x",
            "http://m\r\nX: y",
            "http://m\"",
            "http://é",
        ] {
            let holders = [holder("http://m1", None), holder(url, None)];
            assert_eq!(duplicates(&holders, "/f"), "", "{url:?}");
            assert_eq!(description(url), "", "{url:?}");
        }
        assert_eq!(
            description("http://h/f.meta4"),
            "Link: <http://h/f.meta4>; rel=describedby; type=\"application/metalink4+xml\"\r\n"
        );
    }
}
