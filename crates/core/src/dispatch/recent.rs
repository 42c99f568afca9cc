//! What clients were answered a moment ago.
//!
//! A client that returns for the same content says something: that the member it was sent to cannot
//! be reached from there, or cut it short; or only that it fetches a file in pieces and should be
//! answered alike. A redirect shows a server nothing of what follows, so this is where it learns. One
//! entry for each address and content, in a table whose size is fixed: a newer entry takes the place
//! of an older one, and what is forgotten costs a lesson, nothing else. It must never blame a member
//! on the word of a client that was not sent there.

use core::net::IpAddr;
use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};

use super::{DispatchId, Flow, Part};
use crate::{
    fleet::{Fleet, MemberId},
    root::Root,
};

/// The table.
#[derive(Debug)]
pub(super) struct Recent {
    entries: Box<[Option<Entry>]>,
    hasher: foldhash::fast::FixedState,
}

#[derive(Debug)]
struct Entry {
    client: IpAddr,
    root: Root,
    member: Option<MemberId>,
    dispatch: Option<DispatchId>,
    part: Part,
    at: Instant,
    is_blamed: bool,
}

/// Where a client was served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer<'a> {
    Here,
    Member(&'a MemberId),
}

/// What a return says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Return {
    /// Nothing.
    Nothing,
    /// The client never got to this member.
    NeverArrived(MemberId),
    /// The member ended its body early.
    CutShort(MemberId),
}

/// Entries of the table.
const ENTRIES: usize = 4096;
/// How long answers stay alike.
const STABLE_FOR: Duration = Duration::from_secs(5);
/// Within so long a client that comes back has not been served where it was sent.
const RETURNS_WITHIN: Duration = Duration::from_secs(30);
/// Before that it may still be on its way, or there are several clients behind one address.
const ARRIVES_WITHIN: Duration = Duration::from_secs(1);
/// How long a client may take to complain: downloads are long.
const BLAMED_WITHIN: Duration = Duration::from_secs(3600);

impl Default for Recent {
    fn default() -> Self {
        Self {
            entries: (0..ENTRIES).map(|_| None).collect(),
            hasher: foldhash::fast::FixedState::default(),
        }
    }
}

impl Recent {
    /// Notes an answer.
    pub(super) fn note(
        &mut self,
        now: Instant,
        flow: &Flow<'_>,
        answer: Answer<'_>,
        dispatch: Option<DispatchId>,
    ) {
        let at = self.place(flow.client, &flow.root);
        self.entries[at] = Some(Entry {
            client: flow.client,
            root: flow.root,
            member: match answer {
                Answer::Here => None,
                Answer::Member(id) => Some(id.clone()),
            },
            dispatch,
            part: flow.part,
            at: now,
            is_blamed: false,
        });
    }

    /// Where a client that fetches in pieces was sent for the last one; `None` for whole files, which
    /// many clients behind one address may want.
    pub(super) fn last_answer(&self, now: Instant, flow: &Flow<'_>) -> Option<Answer<'_>> {
        if flow.part == Part::Whole {
            return None;
        }
        let entry = self.find(flow)?;
        let is_fresh = now.saturating_duration_since(entry.at) <= STABLE_FOR;
        is_fresh.then(|| entry.member.as_ref().map_or(Answer::Here, Answer::Member))
    }

    /// What it says that this client asks again. Each answer is held against a member once.
    pub(super) fn consider_return(
        &mut self,
        now: Instant,
        flow: &Flow<'_>,
        fleet: &Fleet,
    ) -> Return {
        let place = self.place(flow.client, &flow.root);
        let Some(entry) = self.entries[place]
            .as_mut()
            .filter(|entry| entry.is_of(flow))
        else {
            return Return::Nothing;
        };
        let age = now.saturating_duration_since(entry.at);
        let (Some(id), Some(dispatch)) = (&entry.member, entry.dispatch) else {
            return Return::Nothing;
        };
        // A list of members to avoid says it plainly, and is heard elsewhere.
        if entry.is_blamed || !flow.avoid.is_empty() || age < ARRIVES_WITHIN {
            return Return::Nothing;
        }
        let is_expected = fleet
            .member(id)
            .is_some_and(|member| member.expects(dispatch));
        let goes_on = entry.part.is_continued_by(flow.part);
        let id = id.clone();
        if is_expected && age <= RETURNS_WITHIN {
            entry.is_blamed = true;
            Return::NeverArrived(id)
        } else if goes_on && age <= BLAMED_WITHIN {
            entry.is_blamed = true;
            Return::CutShort(id)
        } else {
            Return::Nothing
        }
    }

    /// Whether this client may blame this member: it was sent there for this content, and has not
    /// said so before.
    pub(super) fn take_blame(&mut self, now: Instant, flow: &Flow<'_>, member: &MemberId) -> bool {
        let place = self.place(flow.client, &flow.root);
        let entry = self.entries[place].as_mut();
        let Some(entry) = entry.filter(|entry| entry.is_of(flow)) else {
            return false;
        };
        let is_theirs = entry.member.as_ref() == Some(member)
            && now.saturating_duration_since(entry.at) <= BLAMED_WITHIN;
        is_theirs && !std::mem::replace(&mut entry.is_blamed, true)
    }

    fn find(&self, flow: &Flow<'_>) -> Option<&Entry> {
        let entry = self.entries[self.place(flow.client, &flow.root)].as_ref();
        entry.filter(|entry| entry.is_of(flow))
    }

    fn place(&self, client: IpAddr, root: &Root) -> usize {
        self.hasher.hash_one((client, root.0)) as usize % ENTRIES
    }
}

impl Entry {
    fn is_of(&self, flow: &Flow<'_>) -> bool {
        self.client == flow.client && self.root == flow.root
    }
}

impl Part {
    /// Whether asking for `next` after this was answered means that the answer broke off: it goes on
    /// inside of what was promised, to the same end.
    fn is_continued_by(self, next: Self) -> bool {
        match (self, next) {
            (Self::Whole, Self::Rest(from)) => from > 0,
            (Self::Rest(before), Self::Rest(from)) => from > before,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::{fleet, flow, id};

    const AFTER: Duration = Duration::from_secs(3);

    fn part(part: Part) -> Flow<'static> {
        Flow {
            part,
            ..flow(1 << 20, &[])
        }
    }

    /// A table in which one client was sent to the first of two members.
    fn redirected(now: Instant) -> (Recent, Fleet) {
        let mut fleet = fleet(now, &[1e6, 1e6]);
        let dispatch = fleet.member_takes(now, 0, 1 << 20);
        let mut recent = Recent::default();
        recent.note(now, &part(Part::Whole), Answer::Member(&id(0)), dispatch);
        (recent, fleet)
    }

    #[test]
    fn pieces_are_answered_alike_for_a_while_and_whole_files_are_not() {
        let now = Instant::now();
        let (recent, _) = redirected(now);
        let answer =
            |part_asked, later| recent.last_answer(now + later, &part(part_asked)).is_some();
        assert!(answer(Part::Span, STABLE_FOR));
        assert!(!answer(Part::Span, STABLE_FOR * 2));
        assert!(!answer(Part::Whole, Duration::ZERO));
        let other = Flow {
            client: IpAddr::from([9, 9, 9, 9]),
            ..part(Part::Span)
        };
        assert_eq!(recent.last_answer(now, &other), None);
    }

    #[test]
    fn a_client_that_comes_back_without_having_arrived_could_not() {
        let now = Instant::now();
        let (mut recent, fleet) = redirected(now);
        let mut back = |later| recent.consider_return(now + later, &part(Part::Whole), &fleet);
        assert_eq!(
            back(ARRIVES_WITHIN / 2),
            Return::Nothing,
            "another behind the address"
        );
        assert_eq!(back(AFTER), Return::NeverArrived(id(0)));
        assert_eq!(back(AFTER), Return::Nothing, "said once");
    }

    #[test]
    fn a_client_that_goes_on_where_it_broke_off_was_cut_short() {
        let now = Instant::now();
        for (asked, expected) in [
            (Part::Rest(7), Return::CutShort(id(0))),
            (Part::Rest(0), Return::Nothing),
            (Part::Whole, Return::Nothing),
            (Part::Span, Return::Nothing),
        ] {
            let (mut recent, mut fleet) = redirected(now);
            crate::dispatch::tests::acknowledge_all(&mut fleet, now, 0);
            let said = recent.consider_return(now + AFTER, &part(asked), &fleet);
            assert_eq!(said, expected, "{asked:?}");
        }
    }

    #[test]
    fn only_who_was_sent_there_may_blame_and_only_once() {
        let now = Instant::now();
        let (mut recent, _) = redirected(now);
        let flow = part(Part::Whole);
        assert!(!recent.take_blame(now, &flow, &id(1)));
        let stranger = Flow {
            client: IpAddr::from([9, 9, 9, 9]),
            ..flow
        };
        assert!(!recent.take_blame(now, &stranger, &id(0)));
        assert!(recent.take_blame(now, &flow, &id(0)));
        assert!(!recent.take_blame(now, &flow, &id(0)));
    }
}
