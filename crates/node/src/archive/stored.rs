//! The body of a stored archive: headers from memory, contents from where they lie.
//!
//! Headers that follow each other go out together. It must never read a file: the connection sends
//! them, and looks at each again before its last bytes.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use overspill_http1::range::ByteRange;
use overspill_net::{Part, Parts};
use overspill_store::archive::{Item, Layout, Section, Sections};

use super::files;
use crate::role::Role;

/// Bytes of headers after which they are sent, though more follow: a central directory may have
/// a hundred megabytes.
const BATCH_BYTES: usize = 64 << 10;

/// What is yet to be sent of an archive.
pub(super) struct StoredParts<R> {
    role: Arc<R>,
    sections: Sections,
    /// The content whose header has just been given out.
    content: Option<(Item, ByteRange)>,
}

impl<R: Role> StoredParts<R> {
    pub(super) fn new(role: Arc<R>, layout: Arc<Layout>, range: ByteRange) -> Self {
        Self {
            role,
            sections: layout.sections(range.start..range.end),
            content: None,
        }
    }

    fn open(&self, item: &Item, range: ByteRange) -> io::Result<Part> {
        let file = files::open(self.role.as_ref(), item).map_err(io::Error::other)?;
        Ok(Part::File { file, range })
    }
}

impl<R: Role> Parts for StoredParts<R> {
    fn next_part(&mut self) -> io::Result<Option<Part>> {
        if let Some((item, range)) = self.content.take() {
            return self.open(&item, range).map(Some);
        }
        let mut bytes = Vec::new();
        while bytes.len() < BATCH_BYTES {
            match self.sections.next_section() {
                Some(Section::Bytes(more)) => bytes.extend(more),
                Some(Section::Content { item, range }) => {
                    self.content =
                        ByteRange::new(range.start, range.end).map(|range| (item, range));
                    break;
                }
                None => break,
            }
        }
        match self.content.take() {
            Some((item, range)) if bytes.is_empty() => self.open(&item, range).map(Some),
            content => {
                self.content = content;
                Ok((!bytes.is_empty()).then(|| Part::Bytes(Bytes::from(bytes))))
            }
        }
    }
}

impl<R> fmt::Debug for StoredParts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredParts").finish_non_exhaustive()
    }
}
