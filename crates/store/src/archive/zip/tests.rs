//! Headers against the APPNOTE, byte by byte.

use super::*;
use crate::archive::samples::Tree;

const GIB: u64 = 1 << 30;

fn lead(item: &Item) -> Vec<u8> {
    let mut out = Vec::new();
    push_lead(item, &mut out);
    assert_eq!(out.len() as u64, lead_bytes(item), "{:?}", item.path);
    out
}

fn central(item: &Item, offset: u64, crc32: u32) -> Vec<u8> {
    let mut out = Vec::new();
    push_central(item, offset, crc32, &mut out);
    assert_eq!(out.len() as u64, central_bytes(item, offset), "{offset}");
    out
}

fn tail(item: &Item, crc32: u32) -> Vec<u8> {
    let mut out = Vec::new();
    push_tail(item, crc32, &mut out);
    assert_eq!(out.len() as u64, tail_bytes(item), "{:?}", item.path);
    out
}

/// 2026-01-31T12:00:00Z: time, date, and the extended timestamp of it.
const DOS: [u8; 4] = [0x00, 0x60, 0x3f, 0x5c];
const TIME: [u8; 9] = [b'U', b'T', 5, 0, 1, 0xc0, 0xee, 0x7d, 0x69];

#[test]
fn a_small_file_is_all_in_its_headers() {
    let item = Tree::default()
        .file(b"a", 5)
        .with(|entry| entry.content.as_mut().unwrap().crc32 = 0x1122_3344)
        .item();
    let common = [
        &[0, 8, 0, 0][..],
        &DOS,
        &[0x44, 0x33, 0x22, 0x11, 5, 0, 0, 0, 5, 0, 0, 0, 1, 0, 9, 0],
    ]
    .concat();
    let local = [&b"PK\x03\x04\x14\0"[..], &common, b"a", &TIME].concat();
    assert_eq!(lead(&item), local);
    assert_eq!(tail(&item, 1), b"");
    let attributes = [0, 0, 0xa4, 0x81];
    let expected = [
        &b"PK\x01\x02\x2d\x03\x14\0"[..],
        &common,
        &[0; 6],
        &attributes,
        &[7, 0, 0, 0, b'a'],
        &TIME,
    ]
    .concat();
    assert_eq!(central(&item, 7, 0x1122_3344), expected);
}

#[test]
fn folders_have_a_slash_and_a_mode() {
    let item = Tree::default()
        .folder(b"d")
        .with(|entry| entry.mode = 0o2755)
        .item();
    assert_eq!(&lead(&item)[26..32], b"\x02\0\x09\0d/");
    assert_eq!(central(&item, 0, 0)[38..42], [0x10, 0, 0xed, 0x41]);
}

#[test]
fn only_utf8_is_called_utf8() {
    for (name, flags) in [(&b"a"[..], 0x0800), ("ä".as_bytes(), 0x0800), (b"\xff", 0)] {
        let header = lead(&Tree::default().file(name, 1).item());
        assert_eq!(
            u16::from_le_bytes([header[6], header[7]]),
            flags,
            "{name:?}"
        );
    }
}

#[test]
fn a_hot_file_is_described_behind_its_content() {
    let item = Tree::default().hot(b"a", 5).item();
    let header = lead(&item);
    assert_eq!(header[6..8], [8, 8]);
    assert_eq!(header[14..26], [0; 12], "neither CRC-32 nor sizes yet");
    let descriptor = b"PK\x07\x08\x04\x03\x02\x01\x05\0\0\0\x05\0\0\0";
    assert_eq!(tail(&item, 0x0102_0304), descriptor);
    let header = central(&item, 0, 0x0102_0304);
    assert_eq!(header[16..28], [4, 3, 2, 1, 5, 0, 0, 0, 5, 0, 0, 0]);
    let wide = Tree::default().hot(b"a", 5 * GIB).item();
    let expected = [
        &b"PK\x07\x08\x01\0\0\0"[..],
        &[0, 0, 0, 0x40, 1, 0, 0, 0].repeat(2),
    ]
    .concat();
    assert_eq!(tail(&wide, 1), expected);
    assert_eq!(lead(&wide)[18..26], [0xff; 8]);
    // Of an empty one everything is known.
    let empty = Tree::default().hot(b"a", 0).item();
    assert_eq!((lead(&empty)[6], tail(&empty, 9).len()), (0, 0));
}

#[test]
fn what_needs_more_than_32_bits_is_in_the_zip64_field() {
    let wide = [0, 0, 0, 0x40, 1, 0, 0, 0];
    let item = Tree::default().file(b"a", 5 * GIB).item();
    let header = lead(&item);
    assert_eq!(header[4..6], [45, 0]);
    assert_eq!(header[18..26], [0xff; 8]);
    assert_eq!(header[40..], [&[1, 0, 16, 0], &wide[..], &wide].concat());
    let near = central(&item, 1, 0);
    assert_eq!(near[56..], [&[1, 0, 16, 0], &wide[..], &wide].concat());
    let far = central(&item, 5 * GIB, 0);
    assert_eq!(
        far[56..],
        [&[1, 0, 24, 0], &wide[..], &wide, &wide].concat()
    );
    let small = Tree::default().file(b"a", 5).item();
    let far = central(&small, 5 * GIB, 0);
    assert_eq!(far[42..46], [0xff; 4]);
    assert_eq!(far[20..28], [5, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(far[56..], [&[1, 0, 8, 0], &wide[..]].concat());
}

#[test]
fn a_number_that_is_the_mark_itself_needs_zip64() {
    for (number, is_wide) in [(0xffff_fffe, false), (0xffff_ffff, true), (1 << 32, true)] {
        let item = Tree::default().file(b"a", number).item();
        assert_eq!(lead_bytes(&item) == 60, is_wide, "{number:#x}");
        let small = Tree::default().file(b"a", 1).item();
        assert_eq!(central_bytes(&small, number) == 68, is_wide, "{number:#x}");
    }
    for (items, is_wide) in [(65_534, false), (65_535, true), (70_000, true)] {
        let directory = Directory {
            items,
            offset: 5,
            bytes: 6,
        };
        assert_eq!(directory.end_bytes() == 98, is_wide, "{items}");
        let mut out = Vec::new();
        directory.push_end(&mut out);
        assert_eq!(out.len() as u64, directory.end_bytes());
    }
}

#[test]
fn the_end_of_a_large_archive_is_told_in_64_bits() {
    let directory = Directory {
        items: 70_000,
        offset: 5 * GIB,
        bytes: 6,
    };
    let wide = [0, 0, 0, 0x40, 1, 0, 0, 0];
    let items = [0x70, 0x11, 1, 0, 0, 0, 0, 0];
    let expected = [
        &b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\x03\x2d\0\0\0\0\0\0\0\0\0"[..],
        &items,
        &items,
        &[6, 0, 0, 0, 0, 0, 0, 0],
        &wide,
        b"PK\x06\x07\0\0\0\0",
        &[6, 0, 0, 0x40, 1, 0, 0, 0],
        &[1, 0, 0, 0],
        b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\x06\0\0\0\xff\xff\xff\xff\0\0",
    ]
    .concat();
    let mut out = Vec::new();
    directory.push_end(&mut out);
    assert_eq!(out, expected);
}
