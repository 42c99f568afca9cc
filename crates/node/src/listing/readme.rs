//! The folder's README, shown under its table.
//!
//! Found in the catalog, opened through the role and read up to a cap. Only bytes whose hash is known
//! are shown, so that what a page shows is some published version of the file and never half of a
//! write. It must never wait for another node.

use std::os::unix::fs::FileExt;

use overspill_core::{
    catalog::{Catalog, Kind},
    path::{CatalogPath, encode_component},
    root::Root,
};

use super::{html::escape, markdown};
use crate::{
    file::FoundFile,
    role::{Found, Role},
};

/// Names that are looked for, the best first, and how they are written.
const NAMES: [(&str, Style); 7] = [
    ("README.md", Style::Markdown),
    ("Readme.md", Style::Markdown),
    ("readme.md", Style::Markdown),
    ("README.markdown", Style::Markdown),
    ("README", Style::Plain),
    ("README.txt", Style::Plain),
    ("readme.txt", Style::Plain),
];
/// Bytes of it that are read and shown.
const MAX_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    Markdown,
    Plain,
}

/// A README that can be shown.
pub(super) struct Readme {
    name: &'static str,
    style: Style,
    root: Root,
    file: FoundFile,
}

/// A README as HTML that is safe to stand in a page.
pub(super) struct Rendered {
    /// Its name.
    pub(super) name: String,
    /// Its name as a reference.
    pub(super) href: String,
    /// What it says.
    pub(super) html: String,
    /// Whether the file goes on.
    pub(super) is_cut: bool,
}

impl Readme {
    /// The README of a folder, if it has one and its bytes are here and known.
    pub(super) fn find<R: Role>(role: &R, catalog: &Catalog, folder: &CatalogPath) -> Option<Self> {
        let is_file = |path: &CatalogPath| {
            let entry = catalog.entry(path);
            entry.is_some_and(|entry| entry.kind == Kind::File)
        };
        let (path, name, style) = NAMES.into_iter().find_map(|(name, style)| {
            let path = folder.join(name.as_bytes()).ok()?;
            is_file(&path).then_some((path, name, style))
        })?;
        let Found::File(file) = role.find(&path) else {
            return None;
        };
        let (content, _) = file.version.content?;
        Some(Self {
            name,
            style,
            root: content.root,
            file,
        })
    }

    /// Which version it is.
    pub(super) fn root(&self) -> Root {
        self.root
    }

    /// What it says; `None` when it cannot be read or changed meanwhile.
    pub(super) fn render(&self) -> Option<Rendered> {
        let size = self.file.version.size;
        let mut bytes = vec![0; size.min(MAX_BYTES as u64) as usize];
        let body = &self.file.body;
        body.file().read_exact_at(&mut bytes, 0).ok()?;
        if bytes.is_empty() || !body.is_unchanged() {
            return None;
        }
        let is_cut = (bytes.len() as u64) < size;
        if is_cut {
            // What is left of a line, or of a character, would only look broken.
            let end = bytes.iter().rposition(|&byte| byte == b'\n');
            bytes.truncate(end.map_or(bytes.len(), |end| end + 1));
        }
        let text = String::from_utf8_lossy(&bytes);
        Some(Rendered {
            name: self.name.to_owned(),
            href: encode_component(self.name.as_bytes()),
            html: match self.style {
                Style::Markdown => markdown::render(&text),
                Style::Plain => format!("<pre>{}</pre>\n", escape(&text)),
            },
            is_cut,
        })
    }
}
