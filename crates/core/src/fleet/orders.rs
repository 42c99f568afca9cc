//! What the operator has ordered for members, whether or not they are there now.
//!
//! Orders outlive members and restarts: a drained mirror that is rebooted comes back drained, a
//! removed one does not come back. It must never hold more than it is told.

use std::collections::BTreeSet;

use super::MemberId;

/// Standing orders.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Orders {
    drained: BTreeSet<MemberId>,
    removed: BTreeSet<MemberId>,
}

impl Orders {
    /// Most members with an order; further ones are not kept.
    pub const MAX: usize = 4096;

    /// The orders that were kept.
    pub fn new(
        drained: impl IntoIterator<Item = MemberId>,
        removed: impl IntoIterator<Item = MemberId>,
    ) -> Self {
        Self {
            drained: drained.into_iter().take(Self::MAX).collect(),
            removed: removed.into_iter().take(Self::MAX).collect(),
        }
    }

    /// Members that are to get no new work.
    pub fn drained(&self) -> impl Iterator<Item = &MemberId> {
        self.drained.iter()
    }

    /// Members that are not to join.
    pub fn removed(&self) -> impl Iterator<Item = &MemberId> {
        self.removed.iter()
    }

    pub(super) fn is_drained(&self, id: &MemberId) -> bool {
        self.drained.contains(id)
    }

    pub(super) fn is_removed(&self, id: &MemberId) -> bool {
        self.removed.contains(id)
    }

    pub(super) fn drain(&mut self, id: &MemberId) {
        if self.drained.len() < Self::MAX {
            self.drained.insert(id.clone());
        }
    }

    pub(super) fn remove(&mut self, id: &MemberId) {
        self.drained.remove(id);
        if self.removed.len() < Self::MAX {
            self.removed.insert(id.clone());
        }
    }

    /// Lifts all orders for a member; says whether there were any.
    pub(super) fn lift(&mut self, id: &MemberId) -> bool {
        self.drained.remove(id) | self.removed.remove(id)
    }
}
