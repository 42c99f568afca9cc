//! tar: POSIX ustar, with a PAX header before what ustar cannot say.
//!
//! An item is a header block, the content, and zeros up to the next block. A path that is ASCII and
//! fits needs no more. Other text goes into a PAX record, which is UTF-8 by definition: in a ustar
//! field a reader takes it for its own locale's. A name that is no text at all stays in the ustar
//! field while it fits, for no reader is known to refuse that, and becomes a PAX record marked
//! `hdrcharset=BINARY` when it is longer. No owner, no device, no access time: whatever is not
//! content would make two nodes' archives differ. Fractions of a second are left out too, since
//! they would cost each file another two blocks.

use super::contents::Item;

/// Unit of everything in a tar.
const BLOCK_BYTES: u64 = 512;
/// GNU tar reads and writes twenty blocks at a time and warns of a lone shorter record.
const RECORD_BYTES: u64 = 20 * BLOCK_BYTES;
/// Two blocks of zeros end the archive.
const END_BYTES: u64 = 2 * BLOCK_BYTES;
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
/// Eleven octal digits: 8 GiB less one, and the year 2242.
const OCTAL_MAX: u64 = 0o777_7777_7777;
/// What GNU tar and Python call a PAX header, too; readers show it only if they know no PAX.
const PAX_NAME: &[u8] = b"././@PaxHeader";
const CHECKSUM_AT: usize = 148;

/// Bytes before the content of `item`.
pub(super) fn lead_bytes(item: &Item) -> u64 {
    match pax_bytes(item) {
        0 => BLOCK_BYTES,
        pax => BLOCK_BYTES + padded(pax) + BLOCK_BYTES,
    }
}

/// Zeros behind the content of `item`.
pub(super) fn tail_bytes(item: &Item) -> u64 {
    padded(item.size()) - item.size()
}

/// Bytes behind the last item, if it ends at `offset`.
pub(super) fn end_bytes(offset: u64) -> u64 {
    (offset + END_BYTES).next_multiple_of(RECORD_BYTES) - offset
}

/// Writes what stands before the content of `item`.
pub(super) fn push_lead(item: &Item, out: &mut Vec<u8>) {
    let pax = pax_records(item);
    if !pax.is_empty() {
        let size = pax.len() as u64;
        out.extend_from_slice(&header(PAX_NAME, b"", b'x', 0o644, size, 0));
        out.extend_from_slice(&pax);
        push_zeros(padded(size) - size, out);
    }
    let mut name = Vec::with_capacity(item.name_bytes());
    item.push_name(&mut name);
    // What does not fit is cut; the whole stands in the PAX header.
    let cut = &name[..name.len().min(NAME_BYTES)];
    let (prefix, short) = split(&name).unwrap_or((b"", cut));
    let kind = if item.is_folder() { b'5' } else { b'0' };
    // A time that does not fit stands in the PAX header.
    let mtime_s = octal_mtime(item).unwrap_or(0);
    let header = header(
        short,
        prefix,
        kind,
        item.permissions(),
        item.size(),
        mtime_s,
    );
    out.extend_from_slice(&header);
}

/// Writes so many zeros.
pub(super) fn push_zeros(bytes: u64, out: &mut Vec<u8>) {
    out.resize(out.len() + bytes as usize, 0);
}

fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES)
}

fn octal_mtime(item: &Item) -> Option<u64> {
    u64::try_from(item.mtime_s())
        .ok()
        .filter(|&mtime_s| mtime_s <= OCTAL_MAX)
}

/// How the path of an item is written.
enum Path {
    Binary,
    Text,
    Ustar,
}

fn path_form(item: &Item) -> Path {
    let name = item.name();
    if name.is_ascii() && fits(item) {
        return Path::Ustar;
    }
    match std::str::from_utf8(name) {
        Ok(_) => Path::Text,
        Err(_) if fits(item) => Path::Ustar,
        Err(_) => Path::Binary,
    }
}

fn fits(item: &Item) -> bool {
    if item.name_bytes() <= NAME_BYTES {
        return true;
    }
    let mut name = Vec::with_capacity(item.name_bytes());
    item.push_name(&mut name);
    split(&name).is_some()
}

/// The prefix and name fields of a path that fits: it is divided at a slash, which neither holds.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_BYTES {
        return Some((b"", name));
    }
    // The last byte may be the slash of a folder, where nothing would be left for the name.
    let end = (PREFIX_BYTES + 1).min(name.len() - 1);
    let slash = name[..end].iter().rposition(|&byte| byte == b'/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!prefix.is_empty() && rest.len() <= NAME_BYTES).then_some((prefix, rest))
}

/// The records of the PAX header of `item`; nothing if it needs none.
fn pax_records(item: &Item) -> Vec<u8> {
    let mut out = Vec::new();
    let path = path_form(item);
    if matches!(path, Path::Binary) {
        push_record("hdrcharset", b"BINARY", &mut out);
    }
    if matches!(path, Path::Binary | Path::Text) {
        let mut name = Vec::with_capacity(item.name_bytes());
        item.push_name(&mut name);
        push_record("path", &name, &mut out);
    }
    if item.size() > OCTAL_MAX {
        push_record("size", item.size().to_string().as_bytes(), &mut out);
    }
    if octal_mtime(item).is_none() {
        push_record("mtime", item.mtime_s().to_string().as_bytes(), &mut out);
    }
    out
}

fn pax_bytes(item: &Item) -> u64 {
    let is_plain = matches!(path_form(item), Path::Ustar)
        && item.size() <= OCTAL_MAX
        && octal_mtime(item).is_some();
    if is_plain {
        0
    } else {
        pax_records(item).len() as u64
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn push_record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let bare_bytes = key.len() + value.len() + 3;
    let mut bytes = bare_bytes;
    // Settles at once: a number has few digits, and each more needs nine times what it adds.
    for _ in 0..3 {
        bytes = bare_bytes + bytes.to_string().len();
    }
    out.extend_from_slice(bytes.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn header(
    name: &[u8],
    prefix: &[u8],
    kind: u8,
    mode: u32,
    size: u64,
    mtime_s: u64,
) -> [u8; BLOCK_BYTES as usize] {
    let mut block = [0; BLOCK_BYTES as usize];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, &size_field(size));
    put(136, format!("{mtime_s:011o}").as_bytes());
    put(CHECKSUM_AT, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000");
    put(337, b"0000000");
    put(345, prefix);
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[CHECKSUM_AT..CHECKSUM_AT + 7].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// Octal digits, or for what is larger the big-endian number of GNU tar: some readers, `BusyBox`
/// among them, know it and not the PAX record, which rules where it is known.
fn size_field(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if size <= OCTAL_MAX {
        field[..11].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
    }
    field
}

#[cfg(test)]
mod tests;
