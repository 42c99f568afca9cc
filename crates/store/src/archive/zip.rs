//! ZIP: stored entries with their CRC-32 in front, ZIP64 where 32 bits are too few.
//!
//! By PKWARE's APPNOTE 6.3.10. Nothing is compressed, so the bytes of a file are those on disk. A
//! hot file's CRC-32 is not known before it is sent: then a data descriptor follows it, and the
//! archive has no identity. Each item has its permissions and its time to the second. It must never
//! write a 32-bit field that does not fit, nor a ZIP64 field that is not needed.

mod dos_time;

use super::contents::Item;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;

const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: u64 = 46;
const END_BYTES: u64 = 22;
const END64_BYTES: u64 = 56;
const LOCATOR64_BYTES: u64 = 20;
/// Identifier and length of an extra field.
const EXTRA_HEAD_BYTES: u64 = 4;

/// A 32-bit field that says: look into the ZIP64 extra field.
const SEE_ZIP64: u32 = u32::MAX;
/// The same of a 16-bit field.
const SEE_ZIP64_SHORT: u16 = u16::MAX;
/// General purpose bit 3: the CRC-32 and the sizes follow the content.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// General purpose bit 11: the name is UTF-8.
const FLAG_UTF8: u16 = 1 << 11;
/// 2.0: folders; 4.5: ZIP64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made by Unix, so the external attributes hold a mode.
const MADE_BY: u16 = 3 << 8 | VERSION_ZIP64;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIME: u16 = 0x5455;
/// Only the modification time is there.
const TIME_MODIFIED: u8 = 1;
const MODE_FILE: u32 = 0o100_000;
const MODE_FOLDER: u32 = 0o040_000;
const DOS_FOLDER: u32 = 0x10;

/// Bytes before the content of `item`.
pub(super) fn lead_bytes(item: &Item) -> u64 {
    let wide = if is_wide(item) {
        EXTRA_HEAD_BYTES + 16
    } else {
        0
    };
    LOCAL_BYTES + item.name_bytes() as u64 + time_bytes(item) + wide
}

/// Bytes behind the content of `item`.
pub(super) fn tail_bytes(item: &Item) -> u64 {
    match (item.crc32(), is_wide(item)) {
        (Some(_), _) => 0,
        (None, false) => 16,
        (None, true) => 24,
    }
}

/// Bytes of the central directory's header for `item`, which begins at `offset`.
pub(super) fn central_bytes(item: &Item, offset: u64) -> u64 {
    let wide = match 16 * u64::from(is_wide(item)) + 8 * u64::from(is_far(offset)) {
        0 => 0,
        bytes => EXTRA_HEAD_BYTES + bytes,
    };
    CENTRAL_BYTES + item.name_bytes() as u64 + time_bytes(item) + wide
}

/// Where the central directory lies and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    pub(super) items: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Directory {
    /// Bytes behind the central directory.
    pub(super) fn end_bytes(self) -> u64 {
        if self.is_wide() {
            END64_BYTES + LOCATOR64_BYTES + END_BYTES
        } else {
            END_BYTES
        }
    }

    /// Writes what stands behind the central directory.
    pub(super) fn push_end(self, out: &mut Vec<u8>) {
        if self.is_wide() {
            self.push_end64(out);
        }
        let items = u16::try_from(self.items).unwrap_or(SEE_ZIP64_SHORT);
        put32(END_SIGNATURE, out);
        put16(0, out);
        put16(0, out);
        put16(items, out);
        put16(items, out);
        put32(narrow(self.bytes), out);
        put32(narrow(self.offset), out);
        put16(0, out);
    }

    fn push_end64(self, out: &mut Vec<u8>) {
        put32(END64_SIGNATURE, out);
        // What follows this very field.
        put64(END64_BYTES - 12, out);
        put16(MADE_BY, out);
        put16(VERSION_ZIP64, out);
        put32(0, out);
        put32(0, out);
        put64(self.items, out);
        put64(self.items, out);
        put64(self.bytes, out);
        put64(self.offset, out);
        put32(LOCATOR64_SIGNATURE, out);
        put32(0, out);
        put64(self.offset + self.bytes, out);
        // One disk.
        put32(1, out);
    }

    fn is_wide(self) -> bool {
        self.items >= u64::from(SEE_ZIP64_SHORT) || is_far(self.offset) || is_far(self.bytes)
    }
}

/// Writes what stands before the content of `item`.
pub(super) fn push_lead(item: &Item, out: &mut Vec<u8>) {
    let wide = is_wide(item);
    // What the descriptor will tell is zero here (APPNOTE 4.4.4).
    let size = if item.crc32().is_some() {
        item.size()
    } else {
        0
    };
    let short = if wide { SEE_ZIP64 } else { narrow(size) };
    put32(LOCAL_SIGNATURE, out);
    push_common(item, version(wide), out);
    put32(item.crc32().unwrap_or(0), out);
    put32(short, out);
    put32(short, out);
    put16(item.name_bytes() as u16, out);
    put16(
        (lead_bytes(item) - LOCAL_BYTES) as u16 - item.name_bytes() as u16,
        out,
    );
    item.push_name(out);
    push_time(item, out);
    if wide {
        put16(EXTRA_ZIP64, out);
        put16(16, out);
        put64(size, out);
        put64(size, out);
    }
}

/// Writes what stands behind the content of `item`; `crc32` is that of the bytes that were sent.
pub(super) fn push_tail(item: &Item, crc32: u32, out: &mut Vec<u8>) {
    if item.crc32().is_some() {
        return;
    }
    put32(DESCRIPTOR_SIGNATURE, out);
    put32(crc32, out);
    for _ in ["compressed", "uncompressed"] {
        match u32::try_from(item.size()) {
            Ok(size) if !is_wide(item) => put32(size, out),
            _ => put64(item.size(), out),
        }
    }
}

/// Writes the central directory's header for `item`, which begins at `offset`.
pub(super) fn push_central(item: &Item, offset: u64, crc32: u32, out: &mut Vec<u8>) {
    let wide = is_wide(item);
    put32(CENTRAL_SIGNATURE, out);
    put16(MADE_BY, out);
    push_common(item, version(wide || is_far(offset)), out);
    put32(crc32, out);
    put32(narrow(item.size()), out);
    put32(narrow(item.size()), out);
    put16(item.name_bytes() as u16, out);
    let extra = central_bytes(item, offset) - CENTRAL_BYTES - item.name_bytes() as u64;
    put16(extra as u16, out);
    // No comment, first disk, no internal attributes.
    put16(0, out);
    put16(0, out);
    put16(0, out);
    put32(attributes(item), out);
    put32(narrow(offset), out);
    item.push_name(out);
    push_time(item, out);
    push_central_zip64(item, offset, out);
}

/// Writes the extra field with what did not fit, in the order that APPNOTE 4.5.3 gives.
fn push_central_zip64(item: &Item, offset: u64, out: &mut Vec<u8>) {
    let sizes = if is_wide(item) { 2 } else { 0 };
    let offsets = usize::from(is_far(offset));
    if sizes + offsets == 0 {
        return;
    }
    put16(EXTRA_ZIP64, out);
    put16(8 * (sizes + offsets) as u16, out);
    for _ in 0..sizes {
        put64(item.size(), out);
    }
    for _ in 0..offsets {
        put64(offset, out);
    }
}

/// What local and central header have in common: version, flags, method (stored), time and date.
fn push_common(item: &Item, version: u16, out: &mut Vec<u8>) {
    let utf8 = std::str::from_utf8(item.name()).map_or(0, |_| FLAG_UTF8);
    let descriptor = item.crc32().map_or(FLAG_DESCRIPTOR, |_| 0);
    let (date, time) = dos_time::date_and_time(item.mtime_s());
    put16(version, out);
    put16(utf8 | descriptor, out);
    put16(0, out);
    put16(time, out);
    put16(date, out);
}

fn attributes(item: &Item) -> u32 {
    if item.is_folder() {
        (MODE_FOLDER | item.permissions()) << 16 | DOS_FOLDER
    } else {
        (MODE_FILE | item.permissions()) << 16
    }
}

/// The extended timestamp; a time beyond its 32 bits is told by the DOS fields alone.
fn push_time(item: &Item, out: &mut Vec<u8>) {
    if let Ok(mtime_s) = i32::try_from(item.mtime_s()) {
        put16(EXTRA_TIME, out);
        put16(5, out);
        out.push(TIME_MODIFIED);
        out.extend_from_slice(&mtime_s.to_le_bytes());
    }
}

fn time_bytes(item: &Item) -> u64 {
    i32::try_from(item.mtime_s()).map_or(0, |_| EXTRA_HEAD_BYTES + 5)
}

fn version(wide: bool) -> u16 {
    if wide { VERSION_ZIP64 } else { VERSION }
}

fn is_wide(item: &Item) -> bool {
    is_far(item.size())
}

/// Whether a number needs more than 32 bits; the last of them means "look elsewhere".
fn is_far(number: u64) -> bool {
    number >= u64::from(SEE_ZIP64)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(SEE_ZIP64)
}

fn put16(number: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put32(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put64(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests;
