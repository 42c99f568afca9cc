//! Content types by extension.
//!
//! The table of `mime_guess`, with what it lacks or names in a way that harms: browsers must never
//! run what a publisher did not mean to be run, so anything unknown is bytes.

use overspill_core::path::CatalogPath;

/// Types that differ from the table's, or are missing there.
const OVERRIDES: &[(&str, &str)] = &[
    ("asc", "text/plain; charset=utf-8"),
    ("br", "application/x-brotli"),
    ("conf", "text/plain; charset=utf-8"),
    ("deb", "application/vnd.debian.binary-package"),
    ("img", "application/octet-stream"),
    ("iso", "application/x-iso9660-image"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("meta4", "application/metalink4+xml"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("qcow2", "application/octet-stream"),
    ("rpm", "application/x-rpm"),
    ("sha256", "text/plain; charset=utf-8"),
    ("sig", "application/pgp-signature"),
    ("wasm", "application/wasm"),
    ("zst", "application/zstd"),
];

/// The `Content-Type` of the file at `path`; text is said to be UTF-8.
pub(crate) fn content_type(path: &CatalogPath) -> String {
    let name = String::from_utf8_lossy(path.name()).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if let Ok(at) = OVERRIDES.binary_search_by_key(&extension, |&(extension, _)| extension) {
        return OVERRIDES[at].1.to_owned();
    }
    let guess = mime_guess::from_ext(extension).first_or_octet_stream();
    let charset = if guess.type_() == "text" {
        "; charset=utf-8"
    } else {
        ""
    };
    format!("{}{charset}", guess.essence_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overrides_are_sorted() {
        assert!(OVERRIDES.is_sorted_by_key(|&(extension, _)| extension));
    }

    #[test]
    fn types_by_extension() {
        for (name, expected) in [
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.ISO", "application/x-iso9660-image"),
            ("a.tar.zst", "application/zstd"),
            ("a.html", "text/html; charset=utf-8"),
            ("a.json", "application/json"),
            ("README", "application/octet-stream"),
            ("dir.d/README", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
        ] {
            assert_eq!(
                content_type(&CatalogPath::parse(name.as_bytes()).unwrap()),
                expected
            );
        }
    }
}
