//! Compressed forms of a file that lie beside it: `app.js.br` for `app.js`.
//!
//! Whoever publishes them has compressed once what we would compress again for every client. They
//! are representations of the same resource (RFC 9110 section 8.4), each with its own bytes, length
//! and entity tag. Never offered where the pair may be a coincidence: only for kinds of files that
//! are published this way, or where a rule says so, and never one that is older than its file.

use overspill_core::{
    catalog::{Catalog, Kind},
    path::CatalogPath,
};
use overspill_http1::negotiate::Coding;

/// The codings that may lie beside a file, with the ending of their names.
const ENDINGS: [(Coding, &[u8]); 3] = [
    (Coding::Zstd, b".zst"),
    (Coding::Brotli, b".br"),
    (Coding::Gzip, b".gz"),
];

/// Media types that are published compressed: what browsers load to show or run.
const USUAL_TYPES: [&str; 8] = [
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "font/ttf",
    "image/svg+xml",
];

/// Whether the compressed forms beside a file are taken for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Offer {
    /// For the usual types.
    #[default]
    Usual,
    /// Whatever its type.
    Always,
    /// Not at all.
    Never,
}

/// The path of the form of `path` in `coding`.
pub(crate) fn path_of(path: &CatalogPath, coding: Coding) -> Option<CatalogPath> {
    let (_, ending) = ENDINGS.iter().find(|(known, _)| *known == coding)?;
    CatalogPath::parse(&[path.as_bytes(), ending].concat()).ok()
}

/// The codings in which the catalog has a sound form of the file at `path`.
pub(crate) fn codings(
    catalog: &Catalog,
    path: &CatalogPath,
    content_type: &str,
    offer: Offer,
) -> Vec<Coding> {
    let is_offered = match offer {
        Offer::Always => true,
        Offer::Never => false,
        Offer::Usual => is_usual(content_type),
    };
    if !is_offered {
        return Vec::new();
    }
    let Some(file) = catalog.entry(path) else {
        return Vec::new();
    };
    let is_sound = |coding: &Coding| {
        let form = path_of(path, *coding);
        let form = form.and_then(|form| catalog.entry(&form));
        form.is_some_and(|form| {
            form.kind == Kind::File && form.content.is_some() && form.mtime_ns >= file.mtime_ns
        })
    };
    let all = ENDINGS.iter().map(|&(coding, _)| coding);
    all.filter(is_sound).collect()
}

fn is_usual(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || USUAL_TYPES.contains(&essence)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use overspill_core::{
        catalog::{Content, Entry, InstanceId, Revision},
        root::{Root, Sha256},
    };

    use super::*;

    /// Files by name and modification time; hot ones have a time below 0.
    fn catalog(files: &[(&str, i64)]) -> Catalog {
        let files: Vec<_> = files
            .iter()
            .map(|&(name, time)| (path(name), time))
            .collect();
        let entry = |time: i64| {
            Arc::new(Entry {
                kind: Kind::File,
                size: 1,
                mtime_ns: time.abs(),
                mode: 0o644,
                revision: Revision(1),
                content: (time >= 0).then_some(Content {
                    root: Root([1; 32]),
                    sha256: Sha256([1; 32]),
                    crc32: 0,
                }),
                stamp: None,
            })
        };
        let entries: Vec<_> = files
            .iter()
            .map(|(path, time)| (path, entry(*time)))
            .collect();
        let mut catalog = Catalog::new(InstanceId(1));
        let changes = entries.iter().map(|(path, entry)| (*path, Some(entry)));
        catalog.apply(Revision(1), changes);
        catalog
    }

    fn path(name: &str) -> CatalogPath {
        CatalogPath::parse(name.as_bytes()).unwrap()
    }

    fn found(files: &[(&str, i64)], content_type: &str, offer: Offer) -> Vec<Coding> {
        codings(&catalog(files), &path("d/a"), content_type, offer)
    }

    #[test]
    fn sound_forms_are_found_in_the_order_of_preference() {
        let all = [("d/a", 5), ("d/a.gz", 5), ("d/a.br", 6), ("d/a.zst", 5)];
        let ordered = [Coding::Zstd, Coding::Brotli, Coding::Gzip];
        for usual in [
            "text/css; charset=utf-8",
            "application/wasm",
            "image/svg+xml",
        ] {
            assert_eq!(found(&all, usual, Offer::Usual), ordered, "{usual}");
        }
        let older_or_hot = [("d/a", 5), ("d/a.gz", 4), ("d/a.br", -6), ("d/a.zst", 9)];
        assert_eq!(
            found(&older_or_hot, "text/css", Offer::Usual),
            [Coding::Zstd]
        );
    }

    #[test]
    fn a_pair_that_may_be_a_coincidence_is_left_alone() {
        let pair = [("d/a", 5), ("d/a.gz", 5)];
        assert!(found(&pair, "application/x-tar", Offer::Usual).is_empty());
        assert_eq!(
            found(&pair, "application/x-tar", Offer::Always),
            [Coding::Gzip]
        );
        assert!(found(&pair, "text/css", Offer::Never).is_empty());
        assert!(found(&[("d/a", 5)], "text/css", Offer::Always).is_empty());
        assert!(found(&[("d/a.gz", 5)], "text/css", Offer::Always).is_empty());
    }

    #[test]
    fn a_form_lies_beside_its_file() {
        assert_eq!(path_of(&path("d/a"), Coding::Zstd), Some(path("d/a.zst")));
        assert_eq!(path_of(&path("d/a"), Coding::Identity), None);
    }
}
