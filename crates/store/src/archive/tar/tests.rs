//! Headers against POSIX, byte by byte.

use super::*;
use crate::archive::samples::Tree;

fn lead(tree: Tree) -> Vec<u8> {
    let item = tree.item();
    let mut out = Vec::new();
    push_lead(&item, &mut out);
    assert_eq!(out.len() as u64, lead_bytes(&item), "{:?}", item.path);
    out
}

/// The text of the PAX records, and the header block behind them.
fn pax(tree: Tree) -> (Vec<u8>, Vec<u8>) {
    let out = lead(tree);
    let (header, rest) = out.split_at(512);
    assert!(header.starts_with(b"././@PaxHeader\0") && header[156] == b'x');
    let size = std::str::from_utf8(&header[124..135]).unwrap();
    let size = usize::from_str_radix(size, 8).unwrap();
    let (records, block) = rest.split_at(rest.len() - 512);
    assert!(records[size..].iter().all(|&byte| byte == 0));
    assert_eq!(records.len() % 512, 0);
    (records[..size].to_vec(), block.to_vec())
}

#[test]
fn a_plain_header_is_one_block_of_ustar() {
    let tree = Tree::default()
        .file(b"a.txt", 5)
        .with(|entry| entry.mode = 0o4755);
    let mut expected = vec![0; 512];
    for (at, field) in [
        (0, &b"a.txt"[..]),
        (
            100,
            b"0000755\x000000000\x000000000\x0000000000005\x0015137367300\0",
        ),
        (148, b"010230\0 0"),
        (257, b"ustar\x0000"),
        (329, b"0000000\x000000000\0"),
    ] {
        expected[at..at + field.len()].copy_from_slice(field);
    }
    let header = lead(tree);
    assert_eq!(header[148..156], expected[148..156], "checksum");
    assert_eq!(header, expected);
}

#[test]
fn long_ascii_paths_are_divided_while_they_fit() {
    let folder = "f".repeat(155);
    let name = "n".repeat(100);
    let header = lead(Tree::default().file(format!("{folder}/{name}").as_bytes(), 1));
    assert_eq!(header.len(), 512);
    assert_eq!(&header[..100], name.as_bytes());
    assert_eq!(&header[345..500], folder.as_bytes());
    // A folder's slash counts, and is no place to divide at.
    let header = lead(Tree::default().folder(format!("{folder}/{}", &name[1..]).as_bytes()));
    assert_eq!(&header[..100], format!("{}/", &name[1..]).as_bytes());
    for path in [
        format!("{folder}/{name}n"),
        format!("f{folder}/{name}"),
        "n".repeat(101),
    ] {
        let (records, header) = pax(Tree::default().file(path.as_bytes(), 1));
        let bytes = path.len() + " path=\n".len() + 3;
        assert_eq!(records, format!("{bytes} path={path}\n").as_bytes());
        assert_eq!(&header[..100], &path.as_bytes()[..100]);
    }
}

#[test]
fn other_text_is_a_pax_path_and_other_bytes_are_as_they_are() {
    let (records, _) = pax(Tree::default().file("ä".as_bytes(), 1));
    assert_eq!(records, "11 path=ä\n".as_bytes());
    let (records, _) = pax(Tree::default().folder("ä".as_bytes()));
    assert_eq!(records, "12 path=ä/\n".as_bytes());
    let header = lead(Tree::default().file(b"\xff", 1));
    assert_eq!((header.len(), &header[..2]), (512, &b"\xff\0"[..]));
    let long = [0xff; 101];
    let (records, _) = pax(Tree::default().file(&long, 1));
    let expected = [&b"21 hdrcharset=BINARY\n111 path="[..], &long, b"\n"].concat();
    assert_eq!(records, expected);
}

#[test]
fn a_record_counts_its_own_digits() {
    for value_bytes in [1, 88, 89, 90, 91, 983, 984, 985, 986, 4096] {
        let mut out = Vec::new();
        push_record("path", &vec![b'x'; value_bytes], &mut out);
        let digits = out.iter().position(|&byte| byte == b' ').unwrap();
        let told: usize = std::str::from_utf8(&out[..digits])
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(told, out.len(), "{value_bytes}");
    }
}

#[test]
fn sizes_and_times_beyond_octal_digits_are_told_twice_or_apart() {
    let (records, header) = pax(Tree::default().file(b"a", OCTAL_MAX + 1));
    assert_eq!(records, b"19 size=8589934592\n");
    assert_eq!(header[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    let header = lead(Tree::default().file(b"a", OCTAL_MAX));
    assert_eq!(&header[124..136], b"77777777777\0");
    let old = Tree::default()
        .file(b"a", 1)
        .with(|entry| entry.mtime_ns = -1);
    let (records, header) = pax(old);
    assert_eq!(records, b"12 mtime=-1\n");
    assert_eq!(&header[136..148], b"00000000000\0");
}

#[test]
fn an_archive_is_a_whole_number_of_records() {
    for (offset, end) in [
        (0, 10_240),
        (9_216, 1_024),
        (9_728, 10_752),
        (10_240, 10_240),
    ] {
        assert_eq!(end_bytes(offset), end, "{offset}");
    }
}
