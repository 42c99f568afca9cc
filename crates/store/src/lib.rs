//! Everything that touches a disk: the live tree, the object store of a mirror, the index.
//!
//! The invariants the rest of Overspill builds on:
//!
//! - **The live tree is never written.** It is the user's own folder; [`tree`] opens it read-only
//!   and the kernel confines every path to it, whatever symlinks it holds.
//! - **An object's name exists only if its bytes were verified and synced.** [`objects`] renames a
//!   file to its root last of all, so a name that is there after a crash can be served.
//! - **The index is a cache.** [`index`] can be deleted at any time; damage costs a rebuild, never
//!   wrong bytes.
//! - **An outboard proves itself.** [`outboards`] keeps them as side files that may be lost or damaged
//!   at any time: each is held against its root when it is read.
//! - **A watch is a hint.** [`watch`] says where to look; only a listing says what is there.
//!
//! All calls block. Callers run them on threads of their own, never on one that serves. Nothing
//! here may talk to a network or decide what is published.

pub mod archive;
pub mod hash;
pub mod index;
pub mod objects;
pub mod outboard;
pub mod outboards;
pub mod tree;
pub mod watch;
