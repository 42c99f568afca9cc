//! The last minutes of the node and its members, second by second.
//!
//! Ten minutes: 600 times 32 bytes for the node, and 600 times 4 for each of at most 1024 members,
//! 2.5 MiB in all when there are that many. It must never grow with time.

use std::collections::{HashMap, HashSet, VecDeque};

use overspill_wire::{
    live::{History, MemberHistory, Second},
    status::MemberStatus,
};

/// Seconds kept.
pub(crate) const SECONDS_MAX: usize = 600;
/// Members of whom they are kept.
const MEMBERS_MAX: usize = 1024;
/// What a member's figures are rounded to, so that 32 bits hold 4 TiB/s.
const UNIT_BYTES: u64 = 1 << 10;

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    seconds: VecDeque<Second>,
    /// By name, in units; the last is of the last second.
    members: HashMap<String, VecDeque<u32>>,
}

impl Ring {
    /// Takes a second in.
    pub(crate) fn push(&mut self, second: Second, members: &[MemberStatus]) {
        push_capped(&mut self.seconds, second);
        let names: HashSet<&str> = members.iter().map(|one| one.name.as_str()).collect();
        self.members.retain(|name, _| names.contains(name.as_str()));
        for member in members {
            let units = member.egress_bytes_per_s.div_ceil(UNIT_BYTES);
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            if let Some(ring) = self.members.get_mut(&member.name) {
                push_capped(ring, units);
            } else if self.members.len() < MEMBERS_MAX {
                self.members
                    .insert(member.name.clone(), VecDeque::from([units]));
            }
        }
    }

    /// The node's last minutes.
    pub(crate) fn of_node(&self) -> History {
        let mut history = History::default();
        for second in &self.seconds {
            history.push(*second);
        }
        history
    }

    /// A member's last minutes, if it is known.
    pub(crate) fn of_member(&self, name: &str) -> Option<MemberHistory> {
        let units = self.members.get(name)?;
        let skipped = self.seconds.len().saturating_sub(units.len());
        let seconds = self.seconds.iter().skip(skipped);
        Some(MemberHistory {
            member: name.to_owned(),
            at_unix_ms: seconds.map(|second| second.at_unix_ms).collect(),
            egress_bytes_per_s: units
                .iter()
                .map(|&units| u64::from(units) * UNIT_BYTES)
                .collect(),
        })
    }
}

fn push_capped<T>(ring: &mut VecDeque<T>, value: T) {
    if ring.len() >= SECONDS_MAX {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: u64) -> Second {
        Second {
            at_unix_ms: at * 1000,
            egress_bytes_per_s: at,
            ..Second::default()
        }
    }

    fn member(name: &str, egress_bytes_per_s: u64) -> MemberStatus {
        MemberStatus {
            name: name.to_owned(),
            egress_bytes_per_s,
            ..MemberStatus::default()
        }
    }

    #[test]
    fn the_last_minutes_are_kept_and_members_who_came_later_are_aligned() {
        let mut ring = Ring::default();
        for at in 0..SECONDS_MAX as u64 + 5 {
            let late = (at > 600).then(|| member("late", at << 10));
            let members: Vec<_> = [member("m", at << 10)].into_iter().chain(late).collect();
            ring.push(second(at), &members);
        }
        let node = ring.of_node();
        assert_eq!(
            (node.at_unix_ms.len(), node.at_unix_ms[0]),
            (SECONDS_MAX, 5000)
        );
        let late = ring.of_member("late").unwrap();
        assert_eq!(late.at_unix_ms, [601_000, 602_000, 603_000, 604_000]);
        assert_eq!(late.egress_bytes_per_s[3], 604 << 10);
        assert_eq!(ring.of_member("m").unwrap().at_unix_ms.len(), SECONDS_MAX);
        ring.push(second(605), &[member("m", 0)]);
        assert_eq!(ring.of_member("late"), None, "it has gone");
    }

    #[test]
    fn a_huge_fleet_has_a_cap() {
        let mut ring = Ring::default();
        let members: Vec<_> = (0..2000).map(|at| member(&format!("m-{at}"), 1)).collect();
        ring.push(second(1), &members);
        assert_eq!(ring.members.len(), MEMBERS_MAX);
    }
}
