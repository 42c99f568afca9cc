//! `Content-Disposition` for a download with a name (RFC 6266, RFC 8187).
//!
//! It must never let a byte of a folder's name end the quoted text or the field.

use overspill_core::path::encode_component;

/// The value that saves the answer as `name.extension`.
///
/// Programs that know no `filename*` get the name with `_` for what is not plain ASCII. A percent
/// sign counts as such: some decode it there.
pub(crate) fn attachment(name: &[u8], extension: &str) -> String {
    let name = format!("{}.{extension}", String::from_utf8_lossy(name));
    let is_plain = |char: char| (' '..='~').contains(&char) && !matches!(char, '"' | '%' | '\\');
    let plain: String = name
        .chars()
        .map(|char| if is_plain(char) { char } else { '_' })
        .collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    let encoded = encode_component(name.as_bytes());
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_encoded() {
        for (name, value) in [
            (&b"pub"[..], "attachment; filename=\"pub.zip\""),
            (b"a b;c", "attachment; filename=\"a b;c.zip\""),
            (
                "a\"\\%\r\nb".as_bytes(),
                "attachment; filename=\"a_____b.zip\"; filename*=UTF-8''a%22%5C%25%0D%0Ab.zip",
            ),
            (
                "mü".as_bytes(),
                "attachment; filename=\"m_.zip\"; filename*=UTF-8''m%C3%BC.zip",
            ),
            (
                b"x\xff",
                "attachment; filename=\"x_.zip\"; filename*=UTF-8''x%EF%BF%BD.zip",
            ),
        ] {
            assert_eq!(attachment(name, "zip"), value);
        }
    }
}
