//! What became of the flows that were sent to a member, in whole numbers.
//!
//! For people who look at it later; decisions are taken by what decays. It must never be read by a
//! policy.

/// Sums since this node knows the member, over all its restarts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MemberCounts {
    /// Flows sent its way by this node.
    pub dispatched: u64,
    /// Of these, those whose clients never arrived there.
    pub lost: u64,
    /// Flows that failed there: errors that it told, clients that came back from it, wrong bytes.
    pub failed: u64,
    /// How often it was ejected.
    pub ejected: u64,
}
