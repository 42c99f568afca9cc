//! The walk along an archive, or a range of it.
//!
//! Headers come out as bytes, contents as the range of the item that is meant. A few dozen items
//! are taken from the catalog at a time. It must never come out one byte longer or shorter than the
//! range it was asked for.

use std::{collections::VecDeque, ops::Range, sync::Arc, vec};

use overspill_core::path::CatalogPath;

use super::{
    contents::Item,
    layout::{Container, Layout},
    zip,
};

/// Items taken from the catalog at a time.
const BATCH_ITEMS: usize = 64;

/// A stretch of an archive.
#[derive(Debug)]
pub enum Section {
    /// Bytes that only the archive has.
    Bytes(Vec<u8>),
    /// A part of an item's content, never empty.
    Content {
        /// The item.
        item: Item,
        /// Which bytes of it.
        range: Range<u64>,
    },
}

/// Goes from section to section; see [`Layout::sections`].
#[derive(Debug)]
pub struct Sections {
    layout: Arc<Layout>,
    items: Items,
    next: Next,
    /// Where the item to come begins.
    offset: u64,
    /// Bytes yet to be walked past.
    skipped: u64,
    /// Bytes yet to be given out.
    left: u64,
    /// Of hot files that were sent, for the central directory.
    checksums: VecDeque<u32>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Lead,
    Content(Item),
    Tail(Item),
    Central,
    End,
    Nothing,
}

impl Sections {
    pub(super) fn new(layout: Arc<Layout>, range: Range<u64>) -> Self {
        debug_assert!(
            range.start == 0 || !layout.needs_checksums(),
            "checksums are learnt on the way"
        );
        let sums = layout.sums;
        let central_end = sums.bytes + sums.central_bytes;
        let (next, mark, base) = if range.start < sums.bytes {
            (Next::Lead, layout.mark_of_item(range.start), 0)
        } else if range.start < central_end {
            let mark = layout.mark_of_header(range.start - sums.bytes);
            (Next::Central, mark, sums.bytes)
        } else {
            (Next::End, None, central_end)
        };
        let walked = match (&next, mark) {
            (Next::Lead, Some(mark)) => mark.offset,
            (Next::Central, Some(mark)) => base + mark.central_offset,
            _ => base,
        };
        Self {
            items: Items::after(mark.and_then(|mark| mark.after.clone())),
            next,
            offset: mark.map_or(0, |mark| mark.offset),
            skipped: range.start - walked,
            left: range.end - range.start,
            checksums: VecDeque::new(),
            layout,
        }
    }

    /// The next section; `None` at the end of the range.
    pub fn next_section(&mut self) -> Option<Section> {
        while self.left > 0 {
            let whole = self.next_whole()?;
            let bytes = whole.bytes();
            if self.skipped >= bytes {
                self.skipped -= bytes;
                continue;
            }
            let start = std::mem::take(&mut self.skipped);
            let end = bytes.min(start + self.left);
            self.left -= end - start;
            return Some(whole.part(start..end));
        }
        None
    }

    /// Tells the CRC-32 of the content that was just given out and sent.
    ///
    /// To be called for each content of a layout that [`Layout::needs_checksums`] and whose item has
    /// none, before the next section is asked for.
    pub fn note_crc32(&mut self, crc32: u32) {
        self.checksums.push_back(crc32);
    }

    /// The next section as it is in the whole archive; it may be empty.
    fn next_whole(&mut self) -> Option<Section> {
        let mut bytes = Vec::new();
        let container = self.layout.container;
        self.next = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Lead => match self.items.next(&self.layout) {
                Some(item) => {
                    container.push_lead(&item, &mut bytes);
                    Next::Content(item)
                }
                None => {
                    (self.items, self.offset) = (Items::after(None), 0);
                    Next::Central
                }
            },
            Next::Content(item) => {
                self.next = Next::Tail(item.clone());
                let range = 0..item.size();
                return Some(Section::Content { item, range });
            }
            Next::Tail(item) => {
                let crc32 = self.checksums.back().copied().unwrap_or(0);
                container.push_tail(&item, crc32, &mut bytes);
                Next::Lead
            }
            Next::Central => self.push_central(&mut bytes),
            Next::End => {
                self.layout.push_end(&mut bytes);
                Next::Nothing
            }
            Next::Nothing => return None,
        };
        Some(Section::Bytes(bytes))
    }

    /// Writes the central directory's header of the next item.
    fn push_central(&mut self, out: &mut Vec<u8>) -> Next {
        if self.layout.container == Container::Tar {
            return Next::End;
        }
        let Some(item) = self.items.next(&self.layout) else {
            return Next::End;
        };
        let learnt = || {
            let crc32 = self.checksums.pop_front();
            debug_assert!(crc32.is_some(), "no checksum for {:?}", item.path);
            crc32.unwrap_or(0)
        };
        let crc32 = item.crc32().unwrap_or_else(learnt);
        zip::push_central(&item, self.offset, crc32, out);
        self.offset += Container::Zip.item_bytes(&item);
        Next::Central
    }
}

impl Section {
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Content { range, .. } => range.end - range.start,
        }
    }

    fn part(self, part: Range<u64>) -> Self {
        match self {
            Self::Bytes(mut bytes) => {
                bytes.truncate(part.end as usize);
                bytes.drain(..part.start as usize);
                Self::Bytes(bytes)
            }
            Self::Content { item, range } => Self::Content {
                item,
                range: range.start + part.start..range.start + part.end,
            },
        }
    }
}

/// The items, batch by batch.
#[derive(Debug)]
struct Items {
    batch: vec::IntoIter<Item>,
    last: Option<CatalogPath>,
}

impl Items {
    fn after(last: Option<CatalogPath>) -> Self {
        Self {
            batch: Vec::new().into_iter(),
            last,
        }
    }

    fn next(&mut self, layout: &Layout) -> Option<Item> {
        if self.batch.len() == 0 {
            let after = layout.contents.after(self.last.as_ref());
            let batch: Vec<Item> = after.take(BATCH_ITEMS).collect();
            self.last = Some(batch.last()?.path.clone());
            self.batch = batch.into_iter();
        }
        self.batch.next()
    }
}
