//! The life of members, on a clock that the test moves.

use std::time::Duration;

use super::*;
use crate::{catalog::Revision, root::Root};

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    fleet: Fleet,
    start: Instant,
    seq: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            fleet: Fleet::new(),
            start: Instant::now(),
            seq: 0,
        }
    }

    fn join(&mut self, at: Duration, epoch: u64) {
        let hello = Hello {
            member: id(),
            url: "http://m".into(),
            epoch,
            version: String::new(),
        };
        self.fleet
            .handle(self.start + at, &Input::Joined(&hello))
            .unwrap();
        self.fleet
            .handle(self.start + at, &Input::StreamOpened(&id()))
            .unwrap();
    }

    fn report(&mut self, at: Duration, change: impl FnOnce(&mut Report)) {
        self.seq += 1;
        let mut report = Report {
            epoch: 1,
            seq: self.seq,
            condition: Condition::Normal,
            load: LoadHistogram::empty(),
            egress_bytes_per_s: 0.0,
            capacity: Rate::GIGABIT,
            complete: Revision(5),
            catalog: Revision(5),
            held: Held::Add(Vec::new()),
            acknowledged: Vec::new(),
            missing_objects: 0,
            missing_bytes: 0,
            flows_served: 0,
            bytes_served: 0,
        };
        change(&mut report);
        self.fleet
            .handle(self.start + at, &Input::Reported(&id(), &report))
            .unwrap();
    }

    fn tick(&mut self, at: Duration) -> Vec<(MemberState, MemberState)> {
        self.fleet.handle(self.start + at, &Input::Tick).unwrap();
        std::iter::from_fn(|| self.fleet.poll_output())
            .map(|t| (t.from, t.to))
            .collect()
    }

    fn member(&self) -> &Member {
        self.fleet.member(&id()).unwrap()
    }
}

fn id() -> MemberId {
    "m-1".parse().unwrap()
}

#[test]
fn a_member_becomes_ready_with_its_first_report_and_fades_with_silence() {
    use MemberState::*;
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    assert_eq!(scene.tick(Duration::ZERO), []);
    scene.report(SECOND, |_| {});
    assert_eq!(scene.tick(SECOND), [(Joining, Ready)]);
    assert_eq!(scene.tick(SECOND + SUSPECT_AFTER), [(Ready, Suspect)]);
    scene.report(SECOND * 5, |_| {});
    assert_eq!(scene.tick(SECOND * 5), [(Suspect, Ready)]);
    assert_eq!(scene.tick(SECOND * 5 + DOWN_AFTER), [(Ready, Down)]);
    assert_eq!(scene.tick(SECOND * 5 + GONE_AFTER), [(Down, Gone)]);
    assert!(scene.fleet.members().is_empty());
}

#[test]
fn a_dropped_stream_makes_a_member_suspect_at_once() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    scene
        .fleet
        .handle(scene.start + SECOND, &Input::StreamClosed(&id()))
        .unwrap();
    assert_eq!(scene.member().state(), MemberState::Suspect);
    scene
        .fleet
        .handle(scene.start + SECOND, &Input::StreamOpened(&id()))
        .unwrap();
    assert_eq!(scene.member().state(), MemberState::Ready);
}

#[test]
fn a_draining_member_is_no_candidate() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| report.condition = Condition::Draining);
    let exclusion = scene.member().exclusion(Revision(1), &Root([0; 32]), &[]);
    assert_eq!(exclusion, Some(Exclusion::NotReady(MemberState::Draining)));
}

#[test]
fn only_proved_content_makes_a_candidate() {
    let (old, new) = (Root([1; 32]), Root([2; 32]));
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    let exclusion =
        |scene: &Scene, revision, root| scene.member().exclusion(Revision(revision), root, &[]);
    assert_eq!(exclusion(&scene, 5, &old), None);
    assert_eq!(exclusion(&scene, 6, &new), Some(Exclusion::LacksContent));
    scene.report(SECOND, |report| report.held = Held::Add(vec![new]));
    assert_eq!(exclusion(&scene, 6, &new), None);
    scene.report(SECOND, |report| report.held = Held::Replace(Vec::new()));
    assert_eq!(exclusion(&scene, 6, &new), Some(Exclusion::LacksContent));
    scene.report(SECOND, |report| report.complete = Revision(2));
    assert_eq!(
        exclusion(&scene, 5, &old),
        Some(Exclusion::LacksContent),
        "it lost an object"
    );
    assert_eq!(
        scene.member().exclusion(Revision(1), &old, &[id()]),
        Some(Exclusion::Avoided)
    );
}

#[test]
fn old_reports_and_reports_of_another_life_are_ignored() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| report.bytes_served = 10);
    scene.report(SECOND, |report| (report.seq, report.bytes_served) = (1, 99));
    scene.report(SECOND, |report| {
        (report.epoch, report.bytes_served) = (2, 99)
    });
    assert_eq!(scene.member().report().unwrap().bytes_served, 10);
}

#[test]
fn own_dispatches_count_until_acknowledged_or_expired() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    let start = scene.start;
    let first = scene.fleet.member_takes(start + SECOND, 0, 1000).unwrap();
    let second = scene.fleet.member_takes(start + SECOND, 0, 500).unwrap();
    assert_ne!(first, second);
    assert_eq!(scene.member().load().bytes(), 1500);
    scene.report(SECOND * 2, |report| {
        report.acknowledged = vec![first];
        report.load.add(900);
    });
    assert_eq!(scene.member().load().bytes(), 900 + 500);
    assert_eq!(scene.member().error_ratio(start + SECOND * 2), 0.0);
    scene.report(SECOND * 9, |_| {});
    scene.tick(SECOND * 12);
    assert_eq!(scene.member().load().bytes(), 0);
    assert!(
        scene.member().error_ratio(start + SECOND * 12) > 0.2,
        "a soft failure"
    );
}

#[test]
fn a_rejoin_starts_over_but_remembers_failures() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| {
        report.held = Held::Add(vec![Root([9; 32])])
    });
    scene
        .fleet
        .handle(scene.start + SECOND, &Input::Failed(&id()))
        .unwrap();
    scene.join(SECOND, 2);
    assert_eq!(scene.member().state(), MemberState::Joining);
    assert!(!scene.member().holds(Revision(5), &Root([9; 32])));
    assert!(scene.member().error_ratio(scene.start + SECOND) > 0.0);
}

#[test]
fn strangers_and_crowds_are_refused() {
    let mut fleet = Fleet::new();
    let now = Instant::now();
    let error = fleet.handle(now, &Input::StreamOpened(&id())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m-1 is not a member; it has to join first"
    );
    for at in 0..=Fleet::MAX_MEMBERS {
        let hello = Hello {
            member: format!("m-{at}").parse().unwrap(),
            url: String::new(),
            epoch: 0,
            version: String::new(),
        };
        let joined = fleet.handle(now, &Input::Joined(&hello));
        assert_eq!(joined.is_ok(), at < Fleet::MAX_MEMBERS, "{at}");
    }
}

#[test]
fn names_are_checked() {
    for (text, valid) in [
        ("m-1", true),
        ("", false),
        ("M1", false),
        ("a b", false),
        ("a/b", false),
    ] {
        assert_eq!(text.parse::<MemberId>().is_ok(), valid, "{text}");
    }
    assert!("a".repeat(65).parse::<MemberId>().is_err());
}
