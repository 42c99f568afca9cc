//! Who else has something, for lists that clients keep: Metalink documents and lists of mirrors.
//!
//! It is asked as dispatch is, so a list names only nodes that have proved to hold the version and
//! that this client may be sent to. A list is used for a while, and by many: those that are about as
//! good come in an order of each client's own, or all would go to the one that was best when they
//! asked. It must never count anything.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

use overspill_core::{
    dispatch::{Considered, Dispatcher, Explanation, Offload},
    fleet::{MemberId, Zone},
};
use overspill_wire::view::SERVER;

use crate::role::{Ask, Holder, Role};

/// Most members in one list. More would only be read by a client that nobody answers.
const MAX_MEMBERS: usize = 16;
/// Up to this factor of the least cost, nodes are about as good.
const NEAR_FACTOR: f64 = 2.0;

/// How good a holder is, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rank {
    /// Among the best.
    Best,
    /// Farther, or busier.
    Good,
    /// This node.
    Own,
    /// The server, where that is another node: what everybody falls back to.
    Last,
}

/// A holder, and how good it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) holder: Holder,
    pub(crate) rank: Rank,
}

/// Whether this node is among the holders.
#[derive(Clone, Debug)]
pub(crate) enum Own {
    /// No.
    Absent,
    /// At this scheme and authority.
    At(String),
    /// The same, if there is nobody else.
    OnlyAt(String),
}

/// Who may serve `ask`, best first; this node by `own`, and the server last.
pub(crate) fn holders<R: Role>(role: &R, ask: &Ask<'_>, own: Own) -> Vec<Ranked> {
    let (mut holders, zone) = match role.dispatcher() {
        Some(dispatcher) => dispatcher.explain(ask, |explanation, dispatcher| {
            let members = members(explanation, dispatcher, ask.client);
            (members, dispatcher.settings().zone.clone())
        }),
        None => (Vec::new(), None),
    };
    let url = match own {
        Own::At(url) => Some(url),
        Own::OnlyAt(url) => Some(url).filter(|_| holders.is_empty()),
        Own::Absent => None,
    };
    holders.extend(url.map(|url| Ranked {
        holder: Holder { url, zone },
        rank: Rank::Own,
    }));
    // Stable: the order of each client's own stays.
    holders.sort_by_key(|ranked| ranked.rank);
    holders
}

/// The members, best first, the server among them if this is not it.
fn members(explanation: &Explanation, dispatcher: &Dispatcher, client: IpAddr) -> Vec<Ranked> {
    if dispatcher.settings().offload == Offload::Never {
        // The others are only copies.
        return Vec::new();
    }
    let (zone, least_cost_s) = (explanation.client_zone.as_ref(), least_cost_s(explanation));
    let considered = explanation.considered.iter();
    let mut able: Vec<(Rank, u64, &MemberId)> = considered
        .filter_map(|one| {
            let id = one.member.as_ref().filter(|_| one.is_open_to_client())?;
            let rank = rank(one, id, least_cost_s, zone);
            Some((rank, affinity(client, id), id))
        })
        .collect();
    able.sort_unstable();
    // The server is the last of them, and never left out.
    let is_extra = |at: usize, rank| at >= MAX_MEMBERS && rank != Rank::Last;
    let listed = able.into_iter().enumerate();
    let listed = listed.filter(|&(at, (rank, ..))| !is_extra(at, rank));
    listed
        .filter_map(|(_, (rank, _, id))| {
            let member = dispatcher.fleet().member(id)?;
            let holder = Holder::of(member);
            Some(Ranked { holder, rank })
        })
        .collect()
}

fn rank(one: &Considered, id: &MemberId, least_cost_s: f64, client_zone: Option<&Zone>) -> Rank {
    let is_far = client_zone.is_some() && one.zone.as_ref() != client_zone;
    if id.as_str() == SERVER {
        Rank::Last
    } else if is_far || one.terms.total_s() > least_cost_s * NEAR_FACTOR {
        Rank::Good
    } else {
        Rank::Best
    }
}

/// What the flow would cost on the cheapest member.
fn least_cost_s(explanation: &Explanation) -> f64 {
    let members = explanation.considered.iter();
    let members = members.filter(|one| one.member.is_some() && one.is_open_to_client());
    members
        .map(|one| one.terms.total_s())
        .fold(f64::INFINITY, f64::min)
}

/// Orders members for one client, each client differently, and always the same.
fn affinity(client: IpAddr, member: &MemberId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, member.as_str()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
