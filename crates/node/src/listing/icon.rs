//! What kind of thing a file is, for its icon.
//!
//! By its name alone, as people tell; the kinds are classes of the style sheet. It must never open a
//! file.

use overspill_core::catalog::{Child, Kind};

use crate::mime;

/// Kinds that the content type does not tell, by extension.
const BY_EXTENSION: &[(&str, &str)] = &[
    ("7z", "pack"),
    ("apk", "pack"),
    ("asc", "sum"),
    ("b3", "sum"),
    ("bz2", "pack"),
    ("cab", "pack"),
    ("deb", "pack"),
    ("gz", "pack"),
    ("img", "disk"),
    ("iso", "disk"),
    ("jar", "pack"),
    ("json", "text"),
    ("md5", "sum"),
    ("ova", "disk"),
    ("qcow2", "disk"),
    ("rar", "pack"),
    ("rpm", "pack"),
    ("sha1", "sum"),
    ("sha256", "sum"),
    ("sha512", "sum"),
    ("sig", "sum"),
    ("tar", "pack"),
    ("tgz", "pack"),
    ("txz", "pack"),
    ("vdi", "disk"),
    ("vmdk", "disk"),
    ("xml", "text"),
    ("xz", "pack"),
    ("zip", "pack"),
    ("zst", "pack"),
];

/// The class of an entry's row: `dir`, `disk`, `file`, `image`, `media`, `pack`, `sum` or `text`.
pub(super) fn class((path, entry): Child<'_>) -> &'static str {
    if entry.kind == Kind::Folder {
        return "dir";
    }
    let name = String::from_utf8_lossy(path.name()).to_ascii_lowercase();
    if name.ends_with("sums") {
        return "sum";
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if let Ok(at) = BY_EXTENSION.binary_search_by_key(&extension, |&(extension, _)| extension) {
        return BY_EXTENSION[at].1;
    }
    match mime::content_type(path).split('/').next() {
        Some("audio" | "video") => "media",
        Some("image") => "image",
        Some("text") => "text",
        _ => "file",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use overspill_core::{
        catalog::{Entry, Revision},
        path::CatalogPath,
    };

    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(BY_EXTENSION.is_sorted_by_key(|&(extension, _)| extension));
    }

    #[test]
    fn kinds_by_name() {
        for (name, kind, expected) in [
            ("d.iso", Kind::Folder, "dir"),
            ("a.ISO", Kind::File, "disk"),
            ("a.tar.gz", Kind::File, "pack"),
            ("a.webm", Kind::File, "media"),
            ("a.png", Kind::File, "image"),
            ("README.md", Kind::File, "text"),
            ("SHA256SUMS", Kind::File, "sum"),
            ("Makefile", Kind::File, "file"),
        ] {
            let path = CatalogPath::parse(name.as_bytes()).unwrap();
            let entry = Arc::new(Entry {
                kind,
                size: 0,
                mtime_ns: 0,
                mode: 0,
                revision: Revision(1),
                content: None,
                stamp: None,
            });
            assert_eq!(class((&path, &entry)), expected, "{name}");
        }
    }
}
