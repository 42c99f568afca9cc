//! Outboards against plain BLAKE3, and against every kind of damage.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const GROUP: usize = GROUP_BYTES as usize;

/// Bytes that differ from place to place, so that swapped groups are noticed.
fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn outboard(bytes: &[u8]) -> Outboard {
    let mut builder = OutboardBuilder::new();
    builder.update(bytes);
    builder.finish().1
}

/// Sizes around all boundaries of chunks and groups.
fn size() -> impl Strategy<Value = usize> {
    let near = (0_usize..9, 0_usize..5, -2_isize..3).prop_map(|(groups, chunks, off)| {
        (groups * GROUP + chunks * 1024).saturating_add_signed(off)
    });
    prop_oneof![near, 0..20 * GROUP]
}

#[test]
fn the_form_is_the_one_that_is_written_down() {
    let bytes = content(3 * GROUP + 1, 0);
    let file = outboard(&bytes).to_bytes();
    assert_eq!(file.len(), 8 + 3 * 64);
    assert_eq!(file[..8], (3 * GROUP_BYTES + 1).to_le_bytes());
    let leaf = |at: usize, end: usize| {
        let mut hasher = blake3::Hasher::new();
        let start = at * GROUP;
        blake3::hazmat::HasherExt::set_input_offset(&mut hasher, start as u64);
        hasher.update(&bytes[start..end]);
        blake3::hazmat::HasherExt::finalize_non_root(&hasher)
    };
    // Root, left child, right child: four groups, two and two.
    assert_eq!(file[8 + 64..8 + 96], leaf(0, GROUP));
    assert_eq!(file[8 + 96..8 + 128], leaf(1, 2 * GROUP));
    assert_eq!(file[8 + 128..8 + 160], leaf(2, 3 * GROUP));
    assert_eq!(file[8 + 160..], leaf(3, 3 * GROUP + 1));
    assert_eq!(outboard(b"").to_bytes(), [0; 8]);
    assert_eq!(outboard(&[7; GROUP]).to_bytes().len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_root_is_that_of_plain_blake3(size in size(), seed: u64, cut in 1_usize..200_000) {
        let bytes = content(size, seed);
        let mut builder = OutboardBuilder::new();
        bytes.chunks(cut).for_each(|part| builder.update(part));
        prop_assert_eq!(builder.size(), size as u64);
        let (root, built) = builder.finish();
        prop_assert_eq!(root, Root(blake3::hash(&bytes).into()));
        prop_assert_eq!(built.root(), root);
        let file = built.to_bytes();
        let parsed = Outboard::parse(root, size as u64, &file).unwrap();
        prop_assert_eq!(&parsed, &built);
        prop_assert_eq!(parsed.verify(0, &bytes), Ok(()));
    }

    #[test]
    fn a_flipped_bit_of_the_content_is_found_in_its_group(
        size in size(), seed: u64, at: prop::sample::Index, bit in 0_u32..8,
    ) {
        prop_assume!(size > 0);
        let mut bytes = content(size, seed);
        let built = Arc::new(outboard(&bytes));
        let at = at.index(size);
        bytes[at] ^= 1 << bit;
        let start = at / GROUP * GROUP;
        let end = (start + GROUP).min(size);
        let mismatch = VerifyError::Mismatch {
            offset: start as u64,
            bytes: (end - start) as u64,
        };
        prop_assert_eq!(built.verify(0, &bytes), Err(mismatch));
        prop_assert_eq!(built.verify(start as u64, &bytes[start..end]), Err(mismatch));
        prop_assert_eq!(built.verifier(0).unwrap().update(&bytes), Err(mismatch));
        if end < size {
            prop_assert_eq!(built.verify(end as u64, &bytes[end..]), Ok(()));
        }
    }

    #[test]
    fn a_flipped_bit_of_the_outboard_is_found(
        size in size(), seed: u64, at: prop::sample::Index, bit in 0_u32..8,
    ) {
        let built = outboard(&content(size, seed));
        let mut file = built.to_bytes();
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        prop_assert!(Outboard::parse(built.root(), size as u64, &file).is_err());
    }

    #[test]
    fn a_coarse_outboard_proves_the_same(size in size(), seed: u64, doublings in 0_u32..6) {
        let bytes = content(size, seed);
        let fine = outboard(&bytes);
        let group = GroupSize::new(GROUP_BYTES << doublings).unwrap();
        let coarse = fine.coarsen(group);
        let file = coarse.to_bytes();
        prop_assert_eq!(file.len() as u64, 8 + 64 * (group.groups_of(size as u64) - 1));
        let parsed = Outboard::parse(fine.root(), size as u64, &file).unwrap();
        prop_assert_eq!(&parsed.leaves, &coarse.leaves);
        prop_assert_eq!(parsed.verify(0, &bytes), Ok(()));
        // Contents of one group are the same at every group size.
        if fine.leaves.len() > 1 && !coarse.leaves.is_empty() {
            prop_assert_eq!(&parsed, &coarse);
            prop_assert_eq!(&coarse.coarsen(GroupSize::FINE), &coarse);
        }
    }

    #[test]
    fn a_long_content_makes_groups_grow_and_no_more_memory(
        size in size(), seed: u64, cut in 1_usize..200_000,
    ) {
        let bytes = content(size, seed);
        let mut builder = OutboardBuilder::with_leaves_max(4);
        for part in bytes.chunks(cut) {
            builder.update(part);
        }
        let (root, built) = builder.finish();
        prop_assert!(built.leaves.len() <= 4);
        prop_assert_eq!(root, Root(blake3::hash(&bytes).into()));
        prop_assert_eq!(&built.leaves, &outboard(&bytes).coarsen(built.group()).leaves);
    }

    #[test]
    fn what_arrives_in_parts_counts_group_by_group(
        size in size(), seed: u64, first: prop::sample::Index, cut in 1_usize..200_000,
    ) {
        let bytes = content(size, seed);
        let built = Arc::new(outboard(&bytes));
        let start = first.index(size / GROUP + 1) * GROUP;
        let mut verifier = built.verifier(start as u64).unwrap();
        let mut seen = start;
        for part in bytes[start..].chunks(cut) {
            seen += part.len();
            let whole = if seen == size { size } else { seen / GROUP * GROUP };
            prop_assert_eq!(verifier.update(part), Ok(whole as u64));
        }
        prop_assert_eq!(verifier.verified(), size as u64);
        prop_assert!(verifier.update(b"x").is_err());
    }
}

#[test]
fn an_outboard_of_another_content_is_refused() {
    let (here, there) = (content(5 * GROUP, 1), content(5 * GROUP, 2));
    let (here, there) = (outboard(&here), outboard(&there));
    let parse = |size, file: &[u8]| Outboard::parse(here.root(), size, file);
    let size = here.size();
    assert_eq!(
        parse(size, &there.to_bytes()),
        Err(OutboardError::Wrong { node: 0 })
    );
    let file = here.to_bytes();
    for length in [0, 7, 8 + 64 - 1, file.len() - 64, file.len() - 1] {
        let got = file[..length].len();
        assert_eq!(
            parse(size, &file[..length]),
            Err(OutboardError::Length { size, got }),
            "{length}"
        );
    }
    assert_eq!(
        parse(size + 1, &file),
        Err(OutboardError::Size {
            expected: size + 1,
            got: size
        })
    );
    let longer = [&file[..], &[0; 64]].concat();
    assert!(parse(size, &longer).is_err());
}

#[test]
fn spans_are_whole_groups() {
    let bytes = content(2 * GROUP + 10, 3);
    let built = Arc::new(outboard(&bytes));
    for (offset, length) in [(1, GROUP), (0, GROUP + 1), (0, 0), (2 * GROUP, 9)] {
        let unaligned = built.verify(offset as u64, &bytes[offset..offset + length]);
        assert!(
            matches!(unaligned, Err(VerifyError::Unaligned { .. })),
            "{offset} {length}"
        );
    }
    assert!(built.verify(u64::MAX - 1, b"abc").is_err());
    assert!(built.verify(4 * GROUP_BYTES, &bytes[..GROUP]).is_err());
    assert!(built.verifier(1).is_err());
    assert!(built.verifier(3 * GROUP_BYTES).is_err());
    assert_eq!(built.verify(2 * GROUP_BYTES, &bytes[2 * GROUP..]), Ok(()));
}

#[test]
fn a_piece_is_a_mebibyte_of_whole_groups() {
    let built = outboard(&vec![7; (1 << 20) + 5]);
    assert_eq!(built.piece_around(0), Some(0..1 << 20));
    assert_eq!(built.piece_around((1 << 20) - 1), Some(0..1 << 20));
    assert_eq!(built.piece_around(1 << 20), Some(1 << 20..(1 << 20) + 5));
    assert_eq!(built.piece_around((1 << 20) + 5), None);
    let coarse = built.coarsen(GroupSize::new(1 << 21).unwrap());
    assert_eq!(coarse.piece_around(1 << 20), Some(0..(1 << 20) + 5));
}

#[test]
fn an_empty_content_is_proved_by_its_root() {
    let empty = Arc::new(outboard(b""));
    assert_eq!(empty.verify(0, b""), Ok(()));
    assert!(empty.verifier(0).is_ok());
    let lie = Outboard::parse(outboard(b"abc").root(), 0, &[0; 8]).unwrap();
    let mismatch = VerifyError::Mismatch {
        offset: 0,
        bytes: 0,
    };
    assert_eq!(lie.verify(0, b""), Err(mismatch));
    assert_eq!(Arc::new(lie).verifier(0).err(), Some(mismatch));
}

#[test]
fn group_sizes_are_powers_of_two() {
    assert_eq!(GroupSize::new(1 << 20), Some(GroupSize::PIECE));
    assert_eq!(GroupSize::new(GROUP_BYTES), Some(GroupSize::FINE));
    for bytes in [0, 1, GROUP_BYTES / 2, GROUP_BYTES + 1, 3 << 20] {
        assert_eq!(GroupSize::new(bytes), None, "{bytes}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let root = outboard(b"").root();
    let messages = [
        Outboard::parse(root, 5, &[0; 9]).unwrap_err().to_string(),
        Outboard::parse(root, 5, &[0; 8]).unwrap_err().to_string(),
        OutboardError::Wrong { node: 2 }.to_string(),
        VerifyError::Mismatch {
            offset: 65536,
            bytes: 9,
        }
        .to_string(),
        VerifyError::Unaligned { start: 1, end: 9 }.to_string(),
    ];
    assert_eq!(
        messages,
        [
            "expected the outboard of a content of 5 bytes, and this is for 0",
            "expected the outboard of a content of 5 bytes, and this is for 0",
            "node 2 of the outboard is wrong; ask another source for it",
            "of the 9 bytes at 65536, some are wrong",
            "the span from 1 to 9 is not made of whole groups",
        ]
    );
}
