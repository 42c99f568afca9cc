//! Who feeds the windows of a striped body.
//!
//! Each window is a dispatch of its own, counted on whoever gets it, and goes to somebody who feeds no
//! other window as long as there is such a one. It must never end a body because a member is slow.

use std::{cell::RefCell, error::Error, fmt, rc::Rc, sync::Arc};

use overspill_core::{
    dispatch::{Holding, Manner, Part, Turn},
    fleet::MemberId,
    relay::{Fault, Lanes, Span},
};
use overspill_net::{
    AheadMemory, Choice, FileBody, Guide, Relayer, Reservation, StripeGuide, Striped,
};

use super::{Chosen, Feeder, Subject};
use crate::role::{Ask, Role, Route};

/// How large bodies are striped, if they are: by how many, and within which memory.
#[derive(Clone, Debug)]
pub struct Striping {
    /// How many members feed one body.
    pub lanes: Lanes,
    /// What all bodies of the node may have read ahead.
    pub memory: Arc<AheadMemory>,
}

impl Striping {
    /// By so many, with a memory of its own: there is to be one for each node.
    pub fn new(lanes: Lanes) -> Self {
        let memory = Arc::default();
        Self { lanes, memory }
    }
}

/// What the windows of one response share.
struct Windows<R> {
    role: Arc<R>,
    subject: Subject,
    /// This node's own file, while it is good.
    own: Option<FileBody>,
    /// Who was chosen for the body, to begin with.
    first: Option<Chosen>,
    /// Who feeds a window now; one entry for each window.
    feeding: Vec<Feeding>,
    /// Members that failed this response.
    failed: Vec<MemberId>,
}

#[derive(Clone, Eq, PartialEq)]
enum Feeding {
    Here,
    Member(MemberId),
}

/// The [`StripeGuide`] of one response.
pub(crate) struct Steer<R>(Rc<RefCell<Windows<R>>>);

/// The [`Guide`] of one window.
struct WindowSteer<R> {
    windows: Rc<RefCell<Windows<R>>>,
    feeder: Feeder,
    /// Members that were too slow for this window.
    slow: Vec<MemberId>,
}

impl<R> fmt::Debug for Steer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steer")
    }
}

impl<R> fmt::Debug for WindowSteer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowSteer")
    }
}

impl<R: Role> Steer<R> {
    /// A choice that begins with `chosen`; `own` is this node's own file, if it has it.
    pub(crate) fn new(
        role: &Arc<R>,
        subject: Subject,
        own: Option<FileBody>,
        chosen: Chosen,
    ) -> Self {
        Self(Rc::new(RefCell::new(Windows {
            role: Arc::clone(role),
            subject,
            own,
            first: Some(chosen),
            feeding: Vec::new(),
            failed: Vec::new(),
        })))
    }

    /// A body of `span` by this choice.
    pub(crate) fn striped(
        self,
        span: Span,
        relayer: Rc<Relayer>,
        reservation: Reservation,
    ) -> Striped {
        let root = self.0.borrow().subject.root;
        Striped::new(span, root, Box::new(self), relayer, reservation)
    }
}

impl<R: Role> StripeGuide for Steer<R> {
    fn window(&mut self) -> Box<dyn Guide> {
        Box::new(WindowSteer {
            windows: Rc::clone(&self.0),
            feeder: Feeder::Nobody,
            slow: Vec::new(),
        })
    }
}

impl<R: Role> Guide for WindowSteer<R> {
    fn next(&mut self, failed: Option<Fault>, rest: Span) -> Choice {
        let mut windows = self.windows.borrow_mut();
        let before = std::mem::replace(&mut self.feeder, Feeder::Nobody);
        windows.release(&before);
        let gave_up = failed.and_then(|fault| windows.note(&before, fault, rest));
        if let (Some(Fault::Slow), Some(member)) = (failed, &gave_up) {
            self.slow.push(member.clone());
        }
        self.feeder = windows.choose(rest, &self.slow, gave_up);
        windows.take(&self.feeder)
    }

    fn gave_up(&mut self, rest: Span, why: &dyn Error) {
        let windows = self.windows.borrow();
        let (path, offset) = (&windows.subject.path, rest.start);
        tracing::error!(
            event = "body-cut", %path, offset, reason = %why,
            "a striped body is cut; the client has to ask for the rest"
        );
    }
}

impl<R> Drop for WindowSteer<R> {
    fn drop(&mut self) {
        self.windows.borrow_mut().release(&self.feeder);
    }
}

impl<R> Windows<R> {
    /// Counts who feeds a window from now on.
    fn take(&mut self, feeder: &Feeder) -> Choice {
        self.feeding.extend(Feeding::of(feeder));
        match (feeder, &self.own) {
            (Feeder::Here, Some(own)) => Choice::Here(own.clone()),
            (Feeder::Member(chosen), _) => Choice::Member(chosen.source.clone()),
            (Feeder::Here, None) | (Feeder::Nobody, _) => Choice::Nobody,
        }
    }

    /// Forgets who feeds a window no longer.
    fn release(&mut self, feeder: &Feeder) {
        let is_it = |feeding: &Feeding| Some(feeding) == Feeding::of(feeder).as_ref();
        if let Some(at) = self.feeding.iter().position(is_it) {
            self.feeding.swap_remove(at);
        }
    }

    /// Members that feed a window now.
    fn busy(&self) -> impl Iterator<Item = &MemberId> {
        self.feeding.iter().filter_map(|feeding| match feeding {
            Feeding::Here => None,
            Feeding::Member(member) => Some(member),
        })
    }
}

impl<R: Role> Windows<R> {
    /// A feeder was given up: what that says of it, and which member it was.
    fn note(&mut self, feeder: &Feeder, fault: Fault, rest: Span) -> Option<MemberId> {
        let (path, offset) = (&self.subject.path, rest.start);
        let Feeder::Member(Chosen { member, .. }) = feeder else {
            tracing::error!(
                event = "file-failed", %path, offset, reason = %fault,
                "a file of this node cannot be read on; check its disk"
            );
            self.own = None;
            return None;
        };
        tracing::warn!(
            event = "relay-failed", %member, %path, offset, %fault,
            "a member fails a window of a striped body; it goes on from elsewhere"
        );
        if let (Some(evidence), Some(dispatcher)) = (fault.evidence(), self.role.dispatcher()) {
            dispatcher.weigh(member, evidence);
        }
        if fault != Fault::Slow && !self.failed.contains(member) {
            self.failed.push(member.clone());
        }
        Some(member.clone())
    }

    /// Chooses who feeds `rest`: an idle one, else a busy one, and a slow one rather than nobody.
    fn choose(&mut self, rest: Span, slow: &[MemberId], instead_of: Option<MemberId>) -> Feeder {
        if let Some(first) = self.first.take() {
            return Feeder::Member(first);
        }
        let own_is_idle = !self.feeding.contains(&Feeding::Here);
        let sound = self.failed.clone();
        let quick = [&sound, slow].concat();
        let idle = self.busy().chain(&quick).cloned().collect();
        let idle_own = own_is_idle.then_some(Holding::Here);
        let own = Some(Holding::Here);
        for (mut avoid, own) in [(idle, idle_own), (quick.clone(), own), (sound, own)] {
            let turn = instead_last(&mut avoid, instead_of.as_ref());
            if let Some(feeder) = self.ask(rest, &avoid, turn, own) {
                return feeder;
            }
        }
        Feeder::Nobody
    }

    /// Asks dispatch for somebody who is not to be avoided.
    fn ask(
        &self,
        rest: Span,
        avoid: &[MemberId],
        turn: Turn,
        own: Option<Holding>,
    ) -> Option<Feeder> {
        let subject = &self.subject;
        let ask = Ask {
            revision: subject.revision,
            root: subject.root,
            bytes: rest.len(),
            part: match rest.end == rest.size {
                true => Part::Rest(rest.start),
                false => Part::Span,
            },
            holding: own
                .filter(|_| self.own.is_some())
                .unwrap_or(Holding::Elsewhere),
            client: subject.client,
            avoid,
            host: &subject.host,
            scheme: subject.scheme,
            turn,
            links: 0,
            manner: Manner::NotByRedirect,
        };
        match self.role.dispatcher()?.go_on(&ask) {
            Route::Here => Some(Feeder::Here).filter(|_| self.own.is_some()),
            Route::Relay {
                member,
                url,
                ticket,
            } => {
                let chosen = Chosen::new(member, url, &ticket, &subject.path);
                Some(Feeder::Member(chosen))
            }
            _ => None,
        }
    }
}

/// Whom a window goes on instead of stands last, as dispatch wants it; unless that one may go on itself.
fn instead_last(avoid: &mut Vec<MemberId>, instead_of: Option<&MemberId>) -> Turn {
    let Some(member) = instead_of.filter(|member| avoid.contains(member)) else {
        return Turn::Striped;
    };
    avoid.retain(|avoided| avoided != member);
    avoid.push(member.clone());
    Turn::Underway
}

impl Feeding {
    fn of(feeder: &Feeder) -> Option<Self> {
        match feeder {
            Feeder::Here => Some(Self::Here),
            Feeder::Member(chosen) => Some(Self::Member(chosen.member.clone())),
            Feeder::Nobody => None,
        }
    }
}
