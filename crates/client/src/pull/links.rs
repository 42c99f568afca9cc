//! What an answer's head says of other sources and of the digest of the whole.
//!
//! `Link: <URL>; rel=duplicate; pri=N` (RFC 6249), `Repr-Digest` (RFC 9530) and the older `Digest`
//! (RFC 3230). What does not parse is not there.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, header};
use overspill_core::root::Sha256;

use crate::url::HttpUrl;

/// The URLs of duplicates, best first, at most [`DUPLICATES_MAX`].
pub(super) fn duplicates(fields: &HeaderMap, base: &HttpUrl) -> Vec<HttpUrl> {
    let values = fields.get_all(header::LINK).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let links = texts.flat_map(|text| split_outside(text, ','));
    let mut ranked: Vec<(u32, HttpUrl)> = links.filter_map(|link| duplicate(link, base)).collect();
    ranked.sort_by_key(|(pri, _)| *pri);
    ranked.truncate(DUPLICATES_MAX);
    ranked.into_iter().map(|(_, url)| url).collect()
}

/// The SHA-256 of the whole file.
pub(super) fn sha256(fields: &HeaderMap) -> Option<Sha256> {
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    let entry = |text: &str, name: &str| {
        let entries = text
            .split(',')
            .filter_map(|entry| entry.trim().split_once('='));
        let mut named = entries.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().to_owned())
    };
    let modern = text("repr-digest").and_then(|text| entry(text, "sha-256"));
    let modern =
        modern.and_then(|value| Some(value.strip_prefix(':')?.strip_suffix(':')?.to_owned()));
    let value = modern.or_else(|| text("digest").and_then(|text| entry(text, "sha-256")))?;
    let bytes = BASE64.decode(value).ok()?;
    Some(Sha256(bytes.try_into().ok()?))
}

fn duplicate(link: &str, base: &HttpUrl) -> Option<(u32, HttpUrl)> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let mut is_duplicate = false;
    let mut pri = PRI_WORST;
    for parameter in split_outside(parameters, ';') {
        let Some((name, value)) = parameter.trim().split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim() {
            "rel" => is_duplicate |= value.split(' ').any(|word| word == "duplicate"),
            "pri" => pri = value.parse().unwrap_or(PRI_WORST),
            _ => {}
        }
    }
    let url = base.redirected(target).ok()?;
    is_duplicate.then_some((pri, url))
}

/// Splits where `at` stands outside of `<>` and quotes.
fn split_outside(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut in_target, mut in_quotes) = (false, false);
    text.split(move |c| {
        match c {
            '<' if !in_quotes => in_target = true,
            '>' if !in_quotes => in_target = false,
            '"' if !in_target => in_quotes = !in_quotes,
            _ => {}
        }
        c == at && !in_target && !in_quotes
    })
}

const DUPLICATES_MAX: usize = 16;
/// RFC 6249 section 3: 1 to 999999, lower is better.
const PRI_WORST: u32 = 999_999;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn duplicates_come_best_first_and_nothing_else_does() {
        let fields = fields(&[
            (
                "link",
                "<http://b/x,y>; rel=duplicate; pri=2, <http://c/x>; rel=\"duplicate\"",
            ),
            ("link", "<http://a/x>; pri=1; rel=duplicate; geo=de"),
            ("link", "<http://d/x>; rel=describedby; title=\"a, <b>\""),
            ("link", "<ftp://e/x>; rel=duplicate"),
            ("link", "http://f/x; rel=duplicate"),
        ]);
        let base = HttpUrl::parse("http://h/x").unwrap();
        let urls: Vec<_> = duplicates(&fields, &base)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(urls, ["http://a/x", "http://b/x,y", "http://c/x"]);
    }

    #[test]
    fn duplicates_never_leave_https() {
        let fields = fields(&[("link", "<http://a/x>; rel=duplicate")]);
        let base = HttpUrl::parse("https://h/x").unwrap();
        assert_eq!(duplicates(&fields, &base), []);
    }

    #[test]
    fn digests_of_either_form() {
        const SUM: &str = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
        for (line, is_there) in [
            (
                (
                    "repr-digest",
                    "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
                ),
                true,
            ),
            (
                (
                    "repr-digest",
                    "sha-512=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
                ),
                true,
            ),
            (
                (
                    "digest",
                    "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
                ),
                true,
            ),
            (
                (
                    "repr-digest",
                    "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
                ),
                false,
            ),
            (("repr-digest", "sha-256=:AAAA:"), false),
            (("digest", "md5=AAAA"), false),
        ] {
            let sum = sha256(&fields(&[line])).map(|sum| sum.to_base64());
            assert_eq!(sum.as_deref(), is_there.then_some(SUM), "{line:?}");
        }
    }
}
