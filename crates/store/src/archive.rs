//! Archives of a folder or a selection, laid out before a byte of them exists.
//!
//! A stored tar or zip is headers of a few hundred bytes between files that lie on the disk as they
//! are. So its length, every offset in it and its identity follow from the catalog alone: it can be
//! resumed, asked for in ranges and sent by the kernel, and each node makes the same bytes of it.
//! [`Layout`] is that arithmetic and [`Sections`] the walk along it.
//!
//! Nothing here may open a file, read a clock or look at any byte of a content. Whoever sends the
//! sections must check that a file still is what the catalog said, and cut the answer if not.

mod contents;
mod layout;
#[cfg(test)]
mod samples;
mod sections;
mod tar;
mod zip;

pub use self::{
    contents::{Contents, Item},
    layout::{Container, Identity, Layout, LayoutError, MAX_ITEMS},
    sections::{Section, Sections},
};
