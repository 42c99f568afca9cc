//! The outboard of a content: its BLAKE3 tree above groups of 64 KiB, kept beside the bytes.
//!
//! With it any span of groups can be checked against the root alone, whoever sent it, while the
//! bytes themselves travel by plain ranges. It comes to 0.1 % of the content. The form is that of
//! bao's outboards, cut off above the groups:
//!
//! ```text
//! 8 bytes   size of the content in bytes, little-endian
//! 64 bytes  for each parent node, in pre-order (node, left subtree, right subtree):
//!           the chaining values of its left and its right child
//! ```
//!
//! So `8 + 64 × (groups - 1)` bytes, and the size of the groups, a power of two, follows from the
//! length. Contents of up to one group have no nodes: their root says it all.
//!
//! An [`Outboard`] exists only if its tree leads to its root, so it may come from anybody. It must
//! never be taken as proof of a *size*: that is proved by the last group, once it is verified.

mod builder;
mod verify;

use std::fmt;

use blake3::hazmat::{ChainingValue, Mode, merge_subtrees_non_root, merge_subtrees_root};
use overspill_core::root::Root;
use thiserror::Error;

pub use self::{
    builder::OutboardBuilder,
    verify::{SpanVerifier, VerifyError},
};

/// Bytes of a group in an outboard as it is stored.
///
/// Measured: they cost 0.098 % of the content and no speed that shows beside plain BLAKE3 (4.3 GB/s
/// each, one thread, in one run); groups of 16 KiB 0.39 % and a quarter of the speed.
pub const GROUP_BYTES: u64 = 64 << 10;

/// How many bytes one group has: a power of two, [`GROUP_BYTES`] or more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GroupSize(u64);

/// The verified tree of one content, down to groups of one size.
#[derive(Clone, Eq, PartialEq)]
pub struct Outboard {
    root: Root,
    size: u64,
    group: GroupSize,
    /// One for each group; empty if there is only one, which is checked by the root.
    leaves: Vec<ChainingValue>,
}

/// Why bytes are not the outboard of a content.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OutboardError {
    /// No group size gives that many bytes for this content.
    #[error("an outboard of {got} bytes cannot belong to a content of {size} bytes")]
    Length {
        /// Size of the content in bytes.
        size: u64,
        /// Bytes of the outboard.
        got: usize,
    },
    /// It says that it belongs to a content of another size.
    #[error("expected the outboard of a content of {expected} bytes, and this is for {got}")]
    Size {
        /// Size of the content in bytes.
        expected: u64,
        /// The size that the outboard names.
        got: u64,
    },
    /// A node is not the one that the node above it, or the root, stands for.
    #[error("node {node} of the outboard is wrong; ask another source for it")]
    Wrong {
        /// Its position in the file, counted from 0.
        node: usize,
    },
}

impl GroupSize {
    /// 64 KiB, as stored.
    pub const FINE: Self = Self(GROUP_BYTES);
    /// 1 MiB, the size of a piece: a sixteenth of the outboard, for large contents.
    pub const PIECE: Self = Self(1 << 20);

    /// The group size of so many bytes; `None` unless it is a power of two and at least
    /// [`GROUP_BYTES`].
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes.is_power_of_two() && bytes >= GROUP_BYTES).then_some(Self(bytes))
    }

    /// Bytes of a group; the last one of a content may have fewer.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Groups of a content of `size` bytes. An empty one has one, of no bytes.
    pub fn groups_of(self, size: u64) -> u64 {
        size.div_ceil(self.0).max(1)
    }

    fn doubled(self) -> Option<Self> {
        self.0.checked_mul(2).map(Self)
    }

    /// The smallest size that cuts a content of `size` bytes into so many groups.
    fn that_gives(groups: u64, size: u64) -> Option<Self> {
        let mut sizes = std::iter::successors(Some(Self::FINE), |group| group.doubled());
        sizes.find(|group| group.groups_of(size) == groups)
    }
}

impl Outboard {
    /// Reads an outboard and checks every node of it against the root.
    ///
    /// Takes outboards of any group size. What it returns is right, whoever sent the bytes; see the
    /// module about `size`.
    pub fn parse(root: Root, size: u64, bytes: &[u8]) -> Result<Self, OutboardError> {
        let length = OutboardError::Length {
            size,
            got: bytes.len(),
        };
        let (header, nodes) = bytes.split_first_chunk().ok_or(length)?;
        let named = u64::from_le_bytes(*header);
        if named != size {
            return Err(OutboardError::Size {
                expected: size,
                got: named,
            });
        }
        let (nodes, []) = nodes.as_chunks::<NODE_BYTES>() else {
            return Err(length);
        };
        let groups = nodes.len() as u64 + 1;
        let group = GroupSize::that_gives(groups, size).ok_or(length)?;
        let leaves = Nodes::new(nodes).leaves(&root)?;
        Ok(Self {
            root,
            size,
            group,
            leaves,
        })
    }

    /// The outboard as a file; see the module for the form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let nodes = self.leaves.len().saturating_sub(1);
        let mut bytes = Vec::with_capacity(SIZE_BYTES + nodes * NODE_BYTES);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        if !self.leaves.is_empty() {
            write_subtree(&self.leaves, &mut bytes);
        }
        bytes
    }

    /// The same tree down to larger groups only; unchanged if its groups are that large already.
    pub fn coarsen(&self, group: GroupSize) -> Self {
        let group = group.max(self.group);
        let merged = usize::try_from(group.0 / self.group.0).unwrap_or(usize::MAX);
        let leaves = if merged >= self.leaves.len() {
            Vec::new()
        } else {
            self.leaves.chunks(merged).map(merge).collect()
        };
        Self {
            root: self.root,
            size: self.size,
            group,
            leaves,
        }
    }

    /// The content's root.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The content's size in bytes, as it was told.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The size of its groups: offsets to verify from are multiples of it.
    pub fn group(&self) -> GroupSize {
        self.group
    }
}

impl fmt::Debug for Outboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outboard")
            .field("root", &self.root)
            .field("size", &self.size)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// Parent nodes in pre-order, being read.
struct Nodes<'a> {
    nodes: &'a [[u8; NODE_BYTES]],
    at: usize,
    leaves: Vec<ChainingValue>,
}

impl<'a> Nodes<'a> {
    fn new(nodes: &'a [[u8; NODE_BYTES]]) -> Self {
        Self {
            nodes,
            at: 0,
            leaves: Vec::new(),
        }
    }

    fn leaves(mut self, root: &Root) -> Result<Vec<ChainingValue>, OutboardError> {
        if self.nodes.is_empty() {
            return Ok(Vec::new());
        }
        self.leaves.reserve_exact(self.nodes.len() + 1);
        self.parent(self.nodes.len() + 1, |left, right| {
            root_of(left, right) == *root
        })?;
        Ok(self.leaves)
    }

    /// Reads what is below one chaining value. As deep as the tree, so 48 calls at most.
    fn subtree(&mut self, groups: usize, value: &ChainingValue) -> Result<(), OutboardError> {
        if groups == 1 {
            self.leaves.push(*value);
            return Ok(());
        }
        self.parent(groups, |left, right| parent_of(left, right) == *value)
    }

    fn parent(
        &mut self,
        groups: usize,
        is_right: impl Fn(&ChainingValue, &ChainingValue) -> bool,
    ) -> Result<(), OutboardError> {
        let wrong = OutboardError::Wrong { node: self.at };
        let node = self.nodes.get(self.at).ok_or(wrong)?;
        let (children, _) = node.as_chunks::<{ blake3::OUT_LEN }>();
        let [left, right] = children else {
            return Err(wrong);
        };
        if !is_right(left, right) {
            return Err(wrong);
        }
        self.at += 1;
        let left_groups = left_groups(groups);
        self.subtree(left_groups, left)?;
        self.subtree(groups - left_groups, right)
    }
}

/// Appends the nodes of a subtree in pre-order, and returns its chaining value.
fn write_subtree(leaves: &[ChainingValue], bytes: &mut Vec<u8>) -> ChainingValue {
    if let [leaf] = leaves {
        return *leaf;
    }
    let at = bytes.len();
    bytes.resize(at + NODE_BYTES, 0);
    let (left, right) = leaves.split_at(left_groups(leaves.len()));
    let children = [write_subtree(left, bytes), write_subtree(right, bytes)];
    bytes[at..at + NODE_BYTES].copy_from_slice(children.as_flattened());
    parent_of(&children[0], &children[1])
}

/// The chaining value above some leaves, at least one, that are not the whole content.
fn merge(leaves: &[ChainingValue]) -> ChainingValue {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(left_groups(leaves.len()));
    parent_of(&merge(left), &merge(right))
}

/// The root above all leaves of a content, at least two.
fn merge_all(leaves: &[ChainingValue]) -> Root {
    let (left, right) = leaves.split_at(left_groups(leaves.len()));
    root_of(&merge(left), &merge(right))
}

/// How many of `groups` go to the left: the largest power of two that leaves something for the right
/// (section 2.1 of the BLAKE3 paper).
fn left_groups(groups: usize) -> usize {
    groups.div_ceil(2).next_power_of_two()
}

fn parent_of(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

fn root_of(left: &ChainingValue, right: &ChainingValue) -> Root {
    Root(merge_subtrees_root(left, right, Mode::Hash).into())
}

const NODE_BYTES: usize = 2 * blake3::OUT_LEN;
const SIZE_BYTES: usize = size_of::<u64>();

#[cfg(test)]
mod tests;
