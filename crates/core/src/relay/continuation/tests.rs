//! Bodies fed by many, held against a model that keeps the bytes.

use proptest::prelude::*;

use super::*;

const TAG: &str = "\"b3-x\"";

fn span(start: u64, end: u64) -> Span {
    Span {
        start,
        end,
        size: 100,
    }
}

/// A body that a member has begun to feed.
fn fed(now: Instant) -> Continuation {
    let mut body = Continuation::new(span(0, 100));
    body.handle(now, Input::Asked(Feeder::Member)).unwrap();
    answer(&mut body, now).unwrap();
    body
}

/// The one right answer.
fn answer(body: &mut Continuation, now: Instant) -> Result<(), Fault> {
    let rest = body.rest();
    let range = format!("bytes {}-{}/{}", rest.start, rest.end - 1, rest.size);
    let head = AnswerHead {
        status: 206,
        content_length: Some(rest.len()),
        content_range: Some(range.as_bytes()),
        etag: Some(TAG.as_bytes()),
        content_encoding: None,
    };
    body.handle(now, Input::Head(&head, &rest, TAG))
}

#[test]
fn what_came_is_not_asked_for_again() {
    let now = Instant::now();
    let mut body = fed(now);
    body.handle(now, Input::Came(37)).unwrap();
    assert_eq!(body.handle(now, Input::Ended), Err(Fault::Short));
    assert_eq!((body.step(), body.rest()), (Step::Choose, span(37, 100)));
    assert_eq!(body.rest().to_range_field(), "bytes=37-");
    body.handle(now, Input::Asked(Feeder::Here)).unwrap();
    body.handle(now, Input::Came(63)).unwrap();
    assert_eq!((body.step(), body.switches()), (Step::Finish, 1));
}

#[test]
fn an_end_after_the_last_byte_is_no_fault() {
    let now = Instant::now();
    for end in [Input::Ended, Input::Failed(Fault::Reset)] {
        let mut body = fed(now);
        body.handle(now, Input::Came(100)).unwrap();
        assert_eq!(body.handle(now, end), Ok(()));
        assert_eq!((body.step(), body.switches()), (Step::Finish, 0));
    }
}

#[test]
fn only_waiting_for_the_feeder_counts_as_a_stall() {
    let now = Instant::now();
    let mut body = fed(now);
    body.handle(now, Input::Holding).unwrap();
    let later = now + STALLED_AFTER * 10;
    assert_eq!(body.handle(later, Input::Tick), Ok(()), "the client rests");
    body.handle(later, Input::Waiting).unwrap();
    let almost = later + STALLED_AFTER / 2;
    body.handle(almost, Input::Waiting).unwrap();
    assert_eq!(body.handle(almost, Input::Tick), Ok(()));
    body.handle(almost, Input::Came(1)).unwrap();
    assert_eq!(body.deadline(), Some(almost + STALLED_AFTER), "a byte came");
    let stalled = body.handle(almost + STALLED_AFTER, Input::Tick);
    assert_eq!(stalled, Err(Fault::Stalled));
    assert_eq!(body.step(), Step::Choose);
}

#[test]
fn a_head_that_never_comes_is_a_stall() {
    let now = Instant::now();
    let mut body = Continuation::new(span(0, 100));
    body.handle(now, Input::Asked(Feeder::Member)).unwrap();
    assert_eq!(body.step(), Step::ReadHead);
    let stalled = body.handle(now + STALLED_AFTER, Input::Tick);
    assert_eq!(stalled, Err(Fault::Stalled));
}

#[test]
fn our_own_disk_is_waited_for() {
    let now = Instant::now();
    let mut body = Continuation::new(span(0, 100));
    body.handle(now, Input::Asked(Feeder::Here)).unwrap();
    body.handle(now, Input::Waiting).unwrap();
    assert_eq!(body.deadline(), None);
}

#[test]
fn feeders_are_changed_so_often_and_no_oftener() {
    let now = Instant::now();
    let mut body = Continuation::new(span(0, 100));
    for round in 0..=MAX_SWITCHES {
        assert_eq!(body.step(), Step::Choose, "round {round}");
        body.handle(now, Input::Asked(Feeder::Member)).unwrap();
        let refused = body.handle(now, Input::Failed(Fault::Connect));
        assert_eq!(refused, Err(Fault::Connect));
    }
    assert_eq!(body.step(), Step::Cut(Cut::TooManySwitches));
}

#[test]
fn a_body_that_nobody_has_is_cut() {
    let now = Instant::now();
    let mut body = fed(now);
    body.handle(now, Input::Came(1)).unwrap();
    let _ = body.handle(now, Input::Ended);
    body.handle(now, Input::Nobody).unwrap();
    assert_eq!(body.step(), Step::Cut(Cut::Nobody));
}

#[test]
fn nothing_is_complete_at_once() {
    assert_eq!(Continuation::new(span(7, 7)).step(), Step::Finish);
}

/// What a feeder does, in a random body.
#[derive(Clone, Debug)]
enum Doing {
    Answers { status: u16, shift: u64, tag: bool },
    Sends(u64),
    Ends,
    Breaks,
    Rests(u64),
    ClientRests(u64),
    NobodyIsLeft,
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        4 => (prop_oneof![8 => Just(206_u16), 1 => Just(200), 1 => Just(500)], 0_u64..2, prop::bool::weighted(0.9))
            .prop_map(|(status, shift, tag)| Doing::Answers { status, shift: shift / 2, tag }),
        8 => (1_u64..40).prop_map(Doing::Sends),
        1 => Just(Doing::Ends),
        1 => Just(Doing::Breaks),
        1 => (0_u64..8).prop_map(Doing::Rests),
        1 => (0_u64..100).prop_map(Doing::ClientRests),
        1 => Just(Doing::NobodyIsLeft),
    ]
}

/// A client and the clock, and what a right body is.
struct Model {
    body: Continuation,
    got: Vec<u64>,
    now: Instant,
}

impl Model {
    fn give(&mut self, input: Input<'_>) {
        let before = self.body.rest();
        let given_up = self.body.handle(self.now, input).is_err();
        let can_go_on = matches!(self.body.step(), Step::Choose | Step::Cut(_));
        assert!(!given_up || can_go_on, "given up and still fed");
        if !matches!(input, Input::Came(_)) {
            assert_eq!(before, self.body.rest(), "only bytes move the rest");
        }
    }

    fn act(&mut self, doing: &Doing) {
        match (self.body.step(), doing) {
            (Step::Choose, Doing::NobodyIsLeft) => self.give(Input::Nobody),
            (Step::Choose, _) => self.give(Input::Asked(Feeder::Member)),
            (Step::ReadHead, &Doing::Answers { status, shift, tag }) => {
                self.answer(status, shift, tag);
            }
            (Step::Read(most), &Doing::Sends(bytes)) => {
                let bytes = bytes.min(most);
                let from = self.body.rest().start;
                self.got.extend(from..from + bytes);
                self.give(Input::Came(bytes));
            }
            (Step::ReadHead | Step::Read(_), Doing::Ends) => self.give(Input::Ended),
            (Step::ReadHead | Step::Read(_), Doing::Breaks) => {
                self.give(Input::Failed(Fault::Reset));
            }
            (Step::Read(_), &Doing::ClientRests(seconds)) => {
                self.give(Input::Holding);
                self.now += Duration::from_secs(seconds);
                let is_fed = matches!(self.body.step(), Step::Read(_));
                self.give(Input::Tick);
                assert_eq!(is_fed, matches!(self.body.step(), Step::Read(_)));
            }
            (Step::Read(_), &Doing::Rests(seconds)) => {
                self.give(Input::Waiting);
                self.now += Duration::from_secs(seconds);
                self.give(Input::Tick);
            }
            _ => {}
        }
    }

    fn answer(&mut self, status: u16, shift: u64, tag: bool) {
        let rest = self.body.rest();
        let first = rest.start + shift;
        let range = format!("bytes {first}-{}/{}", rest.end - 1, rest.size);
        let head = AnswerHead {
            status,
            content_length: Some(rest.end - first),
            content_range: (status == 206).then_some(range.as_bytes()),
            etag: Some(if tag { TAG.as_bytes() } else { b"\"other\"" }),
            content_encoding: None,
        };
        self.give(Input::Head(&head, &rest, TAG));
        let is_right = tag && shift == 0 && (status == 206 || status == 200 && rest.is_whole());
        let is_right = is_right && (status == 206 || rest.len() == rest.size);
        assert_eq!(
            is_right,
            matches!(self.body.step(), Step::Read(_)),
            "{head:?} for {rest:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_body_is_whole_in_order_and_without_repetition_or_cut(
        start in 0_u64..60,
        length in 0_u64..40,
        doings in prop::collection::vec(doing(), 0..300),
    ) {
        let wanted = span(start, start + length);
        let mut model = Model {
            body: Continuation::new(wanted),
            got: Vec::new(),
            now: Instant::now(),
        };
        for doing in &doings {
            model.act(doing);
        }
        let body = &model.body;
        let came: Vec<u64> = (start..body.rest().start).collect();
        prop_assert_eq!(&model.got, &came);
        prop_assert!(body.switches() <= MAX_SWITCHES);
        prop_assert_eq!(body.rest().end, wanted.end);
        if body.step() == Step::Finish {
            let all: Vec<u64> = (start..start + length).collect();
            prop_assert_eq!(&model.got, &all);
        }
    }
}
