//! Building an outboard while the bytes go by, in the pass that makes the root.
//!
//! It keeps 32 bytes for each group and no more than [`LEAVES_MAX`] of them, whatever the length of
//! the content. It must never need the size beforehand, nor see a byte twice.

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt},
};
use overspill_core::root::Root;

use super::{GroupSize, Outboard, merge_all, parent_of};

/// Makes the root and the outboard of a stream of bytes.
#[derive(Clone, Debug)]
pub struct OutboardBuilder {
    leaves: Vec<ChainingValue>,
    group: GroupSize,
    /// Of the group that is being filled. A full one is closed only when another byte follows: if
    /// none does, it may be the whole content.
    hasher: Hasher,
    size: u64,
    leaves_max: usize,
}

/// Beyond as many groups, 256 GiB at 64 KiB, groups grow to twice their size: 128 MiB of memory for
/// any content.
const LEAVES_MAX: usize = 4 << 20;

impl OutboardBuilder {
    /// A builder that has seen nothing.
    pub fn new() -> Self {
        Self::with_leaves_max(LEAVES_MAX)
    }

    /// `leaves_max` is even and at least 4.
    pub(super) fn with_leaves_max(leaves_max: usize) -> Self {
        Self {
            leaves: Vec::new(),
            group: GroupSize::FINE,
            hasher: Hasher::new(),
            size: 0,
            leaves_max,
        }
    }

    /// Takes the next bytes. Slices that end where groups do are fastest.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut room = self.group.0 - self.hasher.count();
            if room == 0 {
                self.close_group();
                room = self.group.0;
            }
            let taken = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.hasher.update(&bytes[..taken]);
            self.size += taken as u64;
            bytes = &bytes[taken..];
        }
    }

    /// How many bytes have been seen.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of everything seen, and its tree.
    pub fn finish(mut self) -> (Root, Outboard) {
        let root = if self.leaves.is_empty() {
            Root(self.hasher.finalize().into())
        } else {
            self.leaves.push(self.hasher.finalize_non_root());
            merge_all(&self.leaves)
        };
        let outboard = Outboard {
            root,
            size: self.size,
            group: self.group,
            leaves: self.leaves,
        };
        (root, outboard)
    }

    fn close_group(&mut self) {
        self.leaves.push(self.hasher.finalize_non_root());
        if self.leaves.len() == self.leaves_max
            && let Some(doubled) = self.group.doubled()
        {
            self.halve(doubled);
        }
        // `reset` would keep the offset of the group before.
        self.hasher = Hasher::new();
        self.hasher.set_input_offset(self.size);
    }

    /// All leaves are full groups, and even in number, so pairs of them are groups of twice the size.
    fn halve(&mut self, doubled: GroupSize) {
        let (pairs, _) = self.leaves.as_chunks();
        self.leaves = pairs
            .iter()
            .map(|[left, right]| parent_of(left, right))
            .collect();
        self.group = doubled;
    }
}

impl Default for OutboardBuilder {
    fn default() -> Self {
        Self::new()
    }
}
