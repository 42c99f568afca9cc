//! Dates of HTTP as ISO 8601, by their text alone.
//!
//! It knows the one form that servers must send (RFC 9110 section 5.6.7), not the obsolete ones.

/// `Sun, 06 Nov 1994 08:49:37 GMT` as `1994-11-06T08:49:37Z`.
pub(super) fn to_iso_8601(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = 1 + MONTHS.iter().position(|&name| name == month)?;
    let (day, year): (u8, u16) = (day.parse().ok()?, year.parse().ok()?);
    let is_time = time.len() == 8
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':');
    is_time.then(|| format!("{year:04}-{month:02}-{day:02}T{time}Z"))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_turn_or_are_refused() {
        for (text, expected) in [
            (
                "Sun, 06 Nov 1994 08:49:37 GMT",
                Some("1994-11-06T08:49:37Z"),
            ),
            (
                "Sat, 31 Jan 2026 12:00:00 GMT",
                Some("2026-01-31T12:00:00Z"),
            ),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 8h GMT", None),
            ("", None),
        ] {
            assert_eq!(to_iso_8601(text).as_deref(), expected, "{text}");
        }
    }
}
