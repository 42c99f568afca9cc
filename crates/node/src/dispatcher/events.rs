//! What happens to members, as events of the log.
//!
//! It only tells: nothing here may change what a member is trusted with.

use std::net::IpAddr;

use overspill_core::fleet::{Change, FleetEvent, MemberId, MemberState, Reason};
use overspill_wire::explain::network_of;

/// Tells what became of a member.
pub(super) fn log(event: &FleetEvent) {
    let member = &event.member;
    match event.change {
        // The node whose view it is has told it, and our own server's absence is told elsewhere.
        Change::State {
            reason: Reason::SeenByServer,
            ..
        } => {}
        Change::State { from, to, reason } => log_state(member, from, to, reason),
        Change::Ejected(length) => {
            let for_s = length.as_secs();
            tracing::warn!(
                event = "member-ejected", %member, for_s,
                "the member fails too often; it gets no clients for a while"
            );
        }
        Change::Spared => {
            tracing::warn!(
                event = "member-spared", %member,
                "the member fails too often, but the fleet cannot do without it; it stays"
            );
        }
        Change::Probation => tracing::info!(
            event = "member-probation", %member,
            "the member is tried again, one flow at a time"
        ),
        Change::Trusted => {
            tracing::info!(event = "member-trusted", %member, "the member is trusted again");
        }
    }
}

/// Losing a member is a warning, whatever else is news.
fn log_state(member: &MemberId, from: MemberState, to: MemberState, reason: Reason) {
    match to {
        MemberState::Suspect | MemberState::Down | MemberState::Gone => tracing::warn!(
            event = "member-state", %member, %from, %to, %reason,
            "the member is {to}: {reason}"
        ),
        MemberState::Draining | MemberState::Joining | MemberState::Ready => tracing::info!(
            event = "member-state", %member, %from, %to, %reason,
            "the member is {to}: {reason}"
        ),
    }
}

/// Tells that a client never arrived; of clients only the network.
pub(super) fn log_unreachable(client: IpAddr, member: &MemberId) {
    let client = network_of(client);
    tracing::info!(
        event = "member-unreachable", %member, client,
        "a client did not arrive at the member it was sent to; clients of its network are sent \
         elsewhere for five minutes"
    );
}
