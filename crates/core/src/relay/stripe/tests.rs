//! Striped bodies whose members do what they like, on a virtual clock, held against the bytes.

use proptest::prelude::*;

use super::*;
use crate::relay::{AnswerHead, Continuation, Cut, Fault, Feeder, Input, Step};

const MIB: u64 = 1 << 20;
const TAG: &str = "\"b3-x\"";

fn lanes(count: u8) -> Lanes {
    Lanes::new(count).unwrap()
}

fn whole(size: u64) -> Span {
    let (start, end) = (0, size);
    Span { start, end, size }
}

/// A body of 48 MiB by two: windows of 4 MiB, four of them held at most.
fn stripe() -> Stripe {
    let size = 48 * MIB;
    Stripe::new(whole(size), Plan::new(lanes(2), size, u64::MAX).unwrap())
}

#[test]
fn a_body_is_striped_by_two_to_eight_and_not_by_others() {
    for (count, is_some) in [(0, false), (1, false), (2, true), (8, true), (9, false)] {
        assert_eq!(Lanes::new(count).is_some(), is_some, "{count}");
    }
}

#[test]
fn windows_shrink_to_their_memory_and_what_is_too_little_is_no_plan() {
    let long = MIN_STRIPED_BYTES;
    for (count, bytes, free_bytes, expected) in [
        (2, long, u64::MAX, Some(16 * MIB)),
        (3, long, u64::MAX, Some(24 * MIB)),
        (8, long, u64::MAX, Some(24 * MIB)),
        (2, long, 4 * MIB, Some(4 * MIB)),
        (2, long, 4 * MIB - 1, None),
        (8, long, 15 * MIB, None),
        (2, long - 1, u64::MAX, None),
    ] {
        let plan = Plan::new(lanes(count), bytes, free_bytes);
        let ahead_bytes = plan.map(|plan| plan.ahead_bytes());
        assert_eq!(ahead_bytes, expected, "{count} {bytes} {free_bytes}");
    }
}

#[test]
fn no_window_is_asked_for_while_what_came_is_not_taken() {
    let (mut stripe, now) = (stripe(), Instant::now());
    let mut starts = Vec::new();
    // Nobody takes anything: all that may be asked for comes, and then no more is.
    while let Some((id, span)) = stripe.cut() {
        starts.push(span.start / MIB);
        stripe.came(id, now, span.len());
    }
    assert_eq!(
        (starts, stripe.ahead_bytes()),
        (vec![0, 4, 8, 12], 16 * MIB)
    );
    assert_eq!(stripe.advance(), Some(WindowId(0)));
    assert_eq!(stripe.cut(), None, "it is on its way, not gone");
    assert_eq!(stripe.advance(), Some(WindowId(1)));
    assert_eq!(stripe.cut().map(|(id, _)| id), Some(WindowId(4)));
}

#[test]
fn no_more_are_asked_at_once_than_there_are_lanes() {
    let (mut stripe, now) = (stripe(), Instant::now());
    let (first, span) = stripe.cut().unwrap();
    assert!(stripe.cut().is_some());
    assert_eq!(stripe.cut(), None);
    stripe.came(first, now, span.len());
    assert!(stripe.cut().is_some());
}

/// A head of the line that gave `head_bytes` in a second, beside one that gave `other_bytes`.
fn verdict(head_bytes: u64, other_bytes: u64) -> (Stripe, Verdict) {
    let (mut stripe, now) = (stripe(), Instant::now());
    let ids = [stripe.cut().unwrap().0, stripe.cut().unwrap().0];
    stripe.advance();
    for id in ids {
        stripe.asked(id);
        stripe.waiting(id, now);
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(stripe.came(ids[1], later, other_bytes), Verdict::GoOn);
    let verdict = stripe.came(ids[0], later, head_bytes);
    (stripe, verdict)
}

#[test]
fn whoever_holds_all_up_is_given_up_once() {
    assert_eq!(verdict(MIB, 3 * MIB).1, Verdict::GoOn);
    assert_eq!(verdict(MIB, 4 * MIB).1, Verdict::GoOn, "a quarter will do");
    let (mut stripe, verdict) = verdict(MIB / 2, 4 * MIB);
    assert_eq!(verdict, Verdict::TooSlow);
    let (now, head) = (Instant::now() + Duration::from_secs(9), WindowId(0));
    stripe.asked(head);
    stripe.waiting(head, now);
    let crawling = stripe.came(head, now + Duration::from_secs(60), 1);
    assert_eq!(crawling, Verdict::GoOn, "not a second time");
}

#[test]
fn a_client_that_rests_does_not_make_its_feeder_slow() {
    let (mut stripe, now) = (stripe(), Instant::now());
    let (head, other) = (stripe.cut().unwrap().0, stripe.cut().unwrap().0);
    stripe.advance();
    stripe.waiting(other, now);
    stripe.came(other, now + Duration::from_secs(1), 4 * MIB);
    for minute in 1..10 {
        // The bytes are there at once, whenever they are wanted.
        let now = now + Duration::from_mins(minute);
        stripe.waiting(head, now);
        let soon = now + Duration::from_millis(1);
        assert_eq!(stripe.came(head, soon, 1000), Verdict::GoOn);
    }
}

/// What happens next in a random body.
#[derive(Clone, Debug)]
enum Event {
    /// The member of one of the windows that are asked for sends so much.
    Sends(usize, u64),
    /// It ends, or breaks.
    Fails(usize),
    /// It answers something else.
    Lies(usize),
    /// It is silent until it is given up.
    Stalls(usize),
    /// The client takes so much.
    Takes(u64),
    /// Time passes.
    Waits(u64),
    /// Nobody can be found for a window that has to be asked for elsewhere.
    NobodyIsLeft(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0_usize..8, 1..6 * MIB).prop_map(|(at, bytes)| Event::Sends(at, bytes)),
        1 => (0_usize..8).prop_map(Event::Fails),
        1 => (0_usize..8).prop_map(Event::Lies),
        1 => (0_usize..8).prop_map(Event::Stalls),
        8 => (1..12 * MIB).prop_map(Event::Takes),
        2 => (0_u64..3_000).prop_map(Event::Waits),
        1 => (0_usize..40).prop_map(Event::NobodyIsLeft),
    ]
}

/// One window, and where its bytes are.
struct Lane {
    id: WindowId,
    body: Continuation,
    /// What the client was not given yet; the bytes between here and what is to come are held.
    start: u64,
}

/// A node that relays: members and a client in front of the state machines that ship.
struct World {
    now: Instant,
    stripe: Stripe,
    plan: Plan,
    lanes: VecDeque<Lane>,
    /// Whether `lanes[0]` is the head of the line.
    has_head: bool,
    /// The next byte the client is to get.
    sent: u64,
    cut: Option<Cut>,
}

impl World {
    fn new(count: u8, size: u64) -> Self {
        let plan = Plan::new(lanes(count), size, u64::MAX).unwrap();
        Self {
            now: Instant::now(),
            stripe: Stripe::new(whole(size), plan),
            plan,
            lanes: VecDeque::new(),
            has_head: false,
            sent: 0,
            cut: None,
        }
    }

    /// Asks for what may be asked for, and for what has to be asked again.
    fn ask(&mut self) {
        while let Some((id, span)) = self.stripe.cut() {
            let body = Continuation::new(span);
            let start = span.start;
            self.lanes.push_back(Lane { id, body, start });
        }
        if !self.has_head && !self.lanes.is_empty() {
            assert_eq!(self.stripe.advance(), Some(self.lanes[0].id));
            self.has_head = true;
        }
        for at in 0..self.lanes.len() {
            if self.lanes[at].body.step() == Step::Choose {
                self.begin(at, 206);
            }
        }
    }

    fn begin(&mut self, at: usize, status: u16) {
        let Lane { id, body, .. } = &mut self.lanes[at];
        self.stripe.asked(*id);
        body.handle(self.now, Input::Asked(Feeder::Member)).unwrap();
        let rest = body.rest();
        let range = format!("bytes {}-{}/{}", rest.start, rest.end - 1, rest.size);
        let head = AnswerHead {
            status,
            content_length: Some(rest.len()),
            content_range: Some(range.as_bytes()),
            etag: Some(TAG.as_bytes()),
            content_encoding: None,
        };
        let _ = body.handle(self.now, Input::Head(&head, &rest, TAG));
        self.wait(at);
    }

    fn wait(&mut self, at: usize) {
        let Lane { id, body, .. } = &mut self.lanes[at];
        body.handle(self.now, Input::Waiting).unwrap();
        self.stripe.waiting(*id, self.now);
    }

    /// The window that is meant by a number, if it is being fetched.
    fn fetched(&self, at: usize) -> Option<usize> {
        let is_fed = |at: &usize| matches!(self.lanes[*at].body.step(), Step::Read(_));
        (at < self.lanes.len()).then_some(at).filter(is_fed)
    }

    fn sends(&mut self, at: usize, bytes: u64) {
        let Lane { id, body, .. } = &mut self.lanes[at];
        let bytes = bytes.min(body.rest().len());
        body.handle(self.now, Input::Came(bytes)).unwrap();
        if self.stripe.came(*id, self.now, bytes) == Verdict::TooSlow {
            assert!(at == 0 && self.has_head, "only the head holds others up");
            let _ = body.handle(self.now, Input::Failed(Fault::Slow));
        }
        if self.fetched(at).is_some() {
            self.wait(at);
        }
    }

    /// Gives the client what has come, in order, at most so much.
    fn takes(&mut self, mut bytes: u64) {
        while bytes > 0 && self.has_head {
            let head = &mut self.lanes[0];
            assert_eq!(head.start, self.sent, "out of order");
            let now = bytes.min(head.body.rest().start - head.start);
            head.start += now;
            self.sent += now;
            bytes -= now;
            match head.body.step() {
                Step::Cut(cut) if now == 0 => self.cut = Some(cut),
                Step::Finish if head.start == head.body.rest().end => {
                    self.lanes.pop_front();
                    self.has_head = false;
                    self.ask();
                    continue;
                }
                _ if now > 0 => continue,
                _ => {}
            }
            return;
        }
    }

    fn handle(&mut self, event: &Event) {
        match *event {
            Event::Waits(ms) => self.now += Duration::from_millis(ms),
            Event::Takes(bytes) => self.takes(bytes),
            Event::Sends(at, bytes) => {
                if let Some(at) = self.fetched(at) {
                    self.sends(at, bytes);
                }
            }
            Event::Fails(at) => self.fail(at, |body, now| body.handle(now, Input::Ended)),
            Event::Stalls(at) => self.fail(at, |body, now| {
                let late = body.deadline().unwrap_or(now);
                body.handle(late, Input::Tick)
            }),
            Event::Lies(at) => {
                self.fail(at, |body, now| body.handle(now, Input::Ended));
                if at < self.lanes.len() && self.lanes[at].body.step() == Step::Choose {
                    self.begin_badly(at);
                }
            }
            Event::NobodyIsLeft(at) => {
                self.fail(at, |body, now| body.handle(now, Input::Ended));
                if at < self.lanes.len() && self.lanes[at].body.step() == Step::Choose {
                    let body = &mut self.lanes[at].body;
                    body.handle(self.now, Input::Nobody).unwrap();
                }
            }
        }
        self.ask();
        self.check();
    }

    fn fail(
        &mut self,
        at: usize,
        how: impl FnOnce(&mut Continuation, Instant) -> Result<(), Fault>,
    ) {
        if let Some(at) = self.fetched(at) {
            let _ = how(&mut self.lanes[at].body, self.now);
        }
    }

    /// A head that is not the right one: the answer is not read.
    fn begin_badly(&mut self, at: usize) {
        let body = &mut self.lanes[at].body;
        body.handle(self.now, Input::Asked(Feeder::Member)).unwrap();
        let wrong = AnswerHead {
            status: 503,
            ..AnswerHead::default()
        };
        let rest = body.rest();
        let refused = body.handle(self.now, Input::Head(&wrong, &rest, TAG));
        assert_eq!(refused, Err(Fault::Status(503)));
    }

    fn check(&self) {
        let held = |lane: &Lane| lane.body.rest().start - lane.start;
        let held_bytes: u64 = self.lanes.iter().map(held).sum();
        assert!(held_bytes <= self.plan.ahead_bytes(), "{held_bytes}");
        assert!(self.stripe.ahead_bytes() <= self.plan.ahead_bytes());
        assert!(self.plan.ahead_bytes() <= FLOW_AHEAD_BYTES);
        let fetched = (0..self.lanes.len()).filter(|at| self.fetched(*at).is_some());
        assert!(fetched.count() <= self.plan.lanes);
        // The windows lie one behind the other, without a gap.
        for (before, after) in self.lanes.iter().zip(self.lanes.iter().skip(1)) {
            assert_eq!(before.body.rest().end, after.start);
        }
    }

    /// From here on everybody behaves: the body ends.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.takes(u64::MAX);
            if self.cut.is_some() || self.lanes.is_empty() {
                return;
            }
            self.now += Duration::from_millis(10);
            for at in 0..self.lanes.len() {
                if let Some(at) = self.fetched(at) {
                    self.sends(at, MIB);
                }
            }
            self.ask();
            self.check();
        }
        panic!("neither complete nor cut");
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_bytes_are_exact_or_the_body_is_cut(
        count in 2_u8..=MAX_LANES,
        extra in 0..64 * MIB,
        events in proptest::collection::vec(event(), 0..200),
    ) {
        let size = MIN_STRIPED_BYTES + extra;
        let mut world = World::new(count, size);
        world.ask();
        for event in &events {
            world.handle(event);
            if world.cut.is_some() {
                break;
            }
        }
        world.settle();
        match world.cut {
            Some(_) => prop_assert!(world.sent < size),
            None => {
                prop_assert_eq!(world.sent, size);
                prop_assert!(world.stripe.is_complete());
            }
        }
    }
}
