//! Every entry has one record, and nothing else is one.

use super::*;

/// Splitmix64: the same entries in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Often at one of the ends, where encodings break.
    fn edgy(&mut self) -> u64 {
        match self.next() % 4 {
            0 => 0,
            1 => u64::MAX,
            _ => self.next(),
        }
    }

    fn digest(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.edgy() as u8)
    }

    fn entry(&mut self) -> Entry {
        let content = Content {
            root: Root(self.digest()),
            sha256: Sha256(self.digest()),
            crc32: self.edgy() as u32,
        };
        let stamp = Stamp {
            dev: self.edgy(),
            ino: self.edgy(),
            ctime_ns: self.edgy() as i64,
        };
        Entry {
            kind: if self.next().is_multiple_of(2) {
                Kind::File
            } else {
                Kind::Folder
            },
            size: self.edgy(),
            mtime_ns: self.edgy() as i64,
            mode: self.edgy() as u32,
            revision: Revision(self.edgy()),
            content: (self.next().is_multiple_of(2)).then_some(content),
            stamp: (self.next().is_multiple_of(2)).then_some(stamp),
        }
    }
}

#[test]
fn records_round_trip() {
    let mut numbers = Numbers(1);
    for _ in 0..10_000 {
        let entry = numbers.entry();
        assert_eq!(decode(&encode(&entry)), Ok(entry));
    }
}

#[test]
fn the_encoding_is_the_one_on_disks_out_there() {
    let entry = Entry {
        kind: Kind::File,
        size: 0x0102,
        mtime_ns: -1,
        mode: 0o644,
        revision: Revision(3),
        content: Some(Content {
            root: Root([0xaa; 32]),
            sha256: Sha256([0xbb; 32]),
            crc32: 0x0102_0304,
        }),
        stamp: Some(Stamp {
            dev: 4,
            ino: 5,
            ctime_ns: 6,
        }),
    };
    let number = |low: u8, high: u8| [low, high, 0, 0, 0, 0, 0, 0];
    let expected = [
        &[2, 0, 3, 0, 0xa4, 0x01, 0, 0][..],
        &number(2, 1),
        &[0xff; 8],
        &number(3, 0),
        &[0xaa; 32],
        &[0xbb; 32],
        &number(4, 0),
        &number(5, 0),
        &number(6, 0),
        &[4, 3, 2, 1],
    ]
    .concat();
    assert_eq!(encode(&entry)[..], expected);
}

/// Version 1 had no CRC-32; the file has to be read again anyway.
#[test]
fn a_record_of_the_old_version_is_not_read() {
    let mut record = encode(&Numbers(6).entry());
    record[0] = 1;
    let old = &record[..RECORD_BYTES - 4];
    assert_eq!(decode(old), Err(RecordError::Version(1)));
}

#[test]
fn no_other_length_is_a_record() {
    let record = encode(&Numbers(2).entry());
    assert_eq!(decode(&[]), Err(RecordError::Damaged));
    for end in 1..RECORD_BYTES {
        assert_eq!(decode(&record[..end]), Err(RecordError::Damaged), "{end}");
    }
    let longer = [&record[..], &[0]].concat();
    assert_eq!(decode(&longer), Err(RecordError::Damaged));
}

#[test]
fn what_decodes_is_what_encodes() {
    let mut numbers = Numbers(3);
    let mut decoded = 0;
    for _ in 0..10_000 {
        let mut record = encode(&numbers.entry());
        let at = numbers.next() as usize % RECORD_BYTES;
        record[at] ^= 1 << (numbers.next() % 8);
        match decode(&record) {
            Ok(entry) => {
                decoded += 1;
                assert_eq!(encode(&entry), record);
            }
            Err(RecordError::Version(version)) => assert_eq!((at, version), (0, record[0])),
            Err(error) => assert_eq!(error, RecordError::Damaged),
        }
    }
    assert!((1_000..9_999).contains(&decoded), "{decoded}");
}

#[test]
fn garbage_never_panics() {
    let mut numbers = Numbers(4);
    for _ in 0..10_000 {
        let bytes = numbers.next() as usize % (2 * RECORD_BYTES);
        let mut garbage: Vec<u8> = (0..bytes).map(|_| numbers.next() as u8).collect();
        if let Some(first) = garbage.first_mut() {
            *first = VERSION;
        }
        assert_eq!(decode(&garbage), Err(RecordError::Damaged));
    }
}

#[test]
fn a_row_fits_its_catalog() {
    let entry = Entry {
        revision: Revision(7),
        ..Numbers(5).entry()
    };
    let record = encode(&entry);
    let row = |key: &[u8], last| decode_row(key, &record, Revision(last)).map(|(path, _)| path);
    assert_eq!(row(b"a/b", 7), Ok(CatalogPath::parse(b"a/b").unwrap()));
    assert_eq!(row(b"a/b", 6), Err(RecordError::Ahead));
    assert_eq!(row(b"", 7), Err(RecordError::RootFolder));
    assert_eq!(
        row(b"a/../b", 7),
        Err(RecordError::Path(PathError::DotSegment))
    );
}
