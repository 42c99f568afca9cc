//! The life of members, on a clock that the test moves.

use std::time::Duration;

use super::*;
use crate::{catalog::Revision, root::Root};

mod views;

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    fleet: Fleet,
    start: Instant,
    seq: u64,
}

impl Scene {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            fleet: Fleet::new(start, Orders::default(), 1),
            start,
            seq: 0,
        }
    }

    fn join(&mut self, at: Duration, epoch: u64) {
        let hello = Hello {
            member: id(),
            url: "http://m".into(),
            epoch,
            version: String::new(),
            zone: None,
            reach: Reach::default(),
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
            complete: Revision(5),
            catalog: Revision(5),
            ..Report::idle(1, self.seq, Rate::GIGABIT)
        };
        change(&mut report);
        self.fleet
            .handle(self.start + at, &Input::Reported(&id(), &report))
            .unwrap();
    }

    fn tick(&mut self, at: Duration) -> Vec<(MemberState, MemberState)> {
        self.fleet.handle(self.start + at, &Input::Tick).unwrap();
        std::iter::from_fn(|| self.fleet.poll_output())
            .filter_map(|event| match event.change {
                Change::State { from, to, .. } => Some((from, to)),
                _ => None,
            })
            .collect()
    }

    fn weigh(&mut self, at: Duration, evidence: Evidence) {
        let now = self.start + at;
        let input = Input::Weighed(&id(), evidence);
        self.fleet.handle(now, &input).unwrap();
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
    let exclusion = scene.member().exclusion(Revision(1), &Root([0; 32]));
    assert_eq!(exclusion, Some(Exclusion::NotReady(MemberState::Draining)));
}

#[test]
fn only_proved_content_makes_a_candidate() {
    let (old, new) = (Root([1; 32]), Root([2; 32]));
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    let exclusion =
        |scene: &Scene, revision, root| scene.member().exclusion(Revision(revision), root);
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
    assert_eq!(scene.member().penalty(), 1.0);
    scene.report(SECOND * 9, |_| {});
    scene.tick(SECOND * 12);
    assert_eq!(scene.member().load().bytes(), 0);
    assert!(scene.member().penalty() > 1.1, "a soft failure");
    assert_eq!(
        scene.member().error_ratio(start + SECOND * 12),
        0.0,
        "and no evidence: who does not follow redirects ejects nobody"
    );
}

#[test]
fn a_rejoin_starts_over_but_remembers_failures() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| {
        report.held = Held::Add(vec![Root([9; 32])])
    });
    scene.weigh(SECOND, Evidence::Failure);
    scene.join(SECOND, 2);
    assert_eq!(scene.member().state(), MemberState::Joining);
    assert!(!scene.member().holds(Revision(5), &Root([9; 32])));
    assert!(scene.member().error_ratio(scene.start + SECOND) > 0.0);
}

#[test]
fn strangers_and_crowds_are_refused() {
    let now = Instant::now();
    let mut fleet = Fleet::new(now, Orders::default(), 1);
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
            zone: None,
            reach: Reach::default(),
        };
        let joined = fleet.handle(now, &Input::Joined(&hello));
        assert_eq!(joined.is_ok(), at < Fleet::MAX_MEMBERS, "{at}");
    }
}

#[test]
fn a_failing_member_is_ejected_put_on_probation_and_trusted_again() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    (0..5).for_each(|_| scene.weigh(SECOND, Evidence::Failure));
    let why = |scene: &Scene| scene.member().exclusion(Revision(1), &Root([0; 32]));
    assert_eq!(why(&scene), Some(Exclusion::Ejected));
    scene.report(SECOND * 7, |_| {});
    scene.tick(SECOND * 7);
    assert_eq!(why(&scene), None, "one flow may try");
    let dispatch = scene.fleet.member_takes(scene.start + SECOND * 7, 0, 1000);
    let dispatch = dispatch.unwrap();
    assert_eq!(why(&scene), Some(Exclusion::Probation));
    scene.report(SECOND * 8, |report| {
        report.acknowledged = vec![dispatch];
        report.flows_served = 1;
    });
    assert_eq!(scene.member().standing(), Standing::Trusted);
    let share = scene.member().capacity().bytes_per_s() / Rate::GIGABIT.bytes_per_s();
    assert!(share < 0.2, "it ramps up: {share}");
    let trusted = std::iter::from_fn(|| scene.fleet.poll_output())
        .filter(|event| event.change == Change::Trusted)
        .count();
    assert_eq!(trusted, 1, "and it is told once");
    let counts = MemberCounts {
        dispatched: 1,
        lost: 0,
        failed: 5,
        ejected: 1,
    };
    assert_eq!(scene.member().counts(), counts);
    scene.join(SECOND * 9, 2);
    assert_eq!(scene.member().counts(), counts, "a restart forgets nothing");
}

#[test]
fn errors_that_a_member_counts_are_evidence() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| report.errors = 100);
    assert_eq!(
        scene.member().standing(),
        Standing::Trusted,
        "from before it joined"
    );
    scene.report(SECOND * 2, |report| report.errors = 106);
    assert!(matches!(scene.member().standing(), Standing::Ejected(_)));
}

#[test]
fn flows_that_get_nothing_eject_and_paused_clients_do_not() {
    for (limited_by_client, ejected) in [(0, true), (2, false)] {
        let mut scene = Scene::new();
        scene.join(Duration::ZERO, 1);
        for second in 1..12 {
            scene.report(SECOND * second, |report| {
                report.load.extend([1 << 30, 1 << 30]);
                report.flows_limited_by_client = limited_by_client;
            });
        }
        let standing = scene.member().standing();
        assert_eq!(matches!(standing, Standing::Ejected(_)), ejected);
    }
}

/// A fleet of so many equal members, all reporting once a second what `told` says of each.
fn farm(members: u64, seconds: u32, told: impl Fn(u64, &mut Report)) -> Fleet {
    let start = Instant::now();
    let mut fleet = Fleet::new(start, Orders::default(), 1);
    let name = |at: u64| -> MemberId { format!("m-{at}").parse().unwrap() };
    for second in 0..seconds {
        let now = start + SECOND * second;
        for at in 0..members {
            if second == 0 {
                let hello = Hello {
                    member: name(at),
                    url: String::new(),
                    epoch: 1,
                    version: String::new(),
                    zone: None,
                    reach: Reach::default(),
                };
                fleet.handle(now, &Input::Joined(&hello)).unwrap();
                fleet.handle(now, &Input::StreamOpened(&name(at))).unwrap();
            }
            let mut report = Report::idle(1, u64::from(second) + 1, Rate::GIGABIT);
            report.flows_served = u64::from(second) * 10;
            told(at, &mut report);
            fleet
                .handle(now, &Input::Reported(&name(at), &report))
                .unwrap();
        }
        fleet.handle(now, &Input::Tick).unwrap();
    }
    fleet
}

fn ejected(fleet: &Fleet) -> Vec<usize> {
    let members = fleet.members().iter().enumerate();
    members
        .filter(|(_, member)| matches!(member.standing(), Standing::Ejected(_)))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_member_far_slower_than_the_others_is_ejected() {
    let slow = farm(5, 9, |at, report| {
        report.load.extend([1 << 30; 8]);
        report.egress_bytes_per_s = if at == 2 { 1e6 } else { 1e8 };
        report.flows_served = 0;
    });
    assert_eq!(ejected(&slow), [2]);
}

#[test]
fn a_member_that_cuts_its_flows_is_ejected_unless_all_do() {
    let cuts = |who: fn(u64) -> bool| {
        farm(5, 20, move |at, report| {
            if who(at) {
                report.flows_cut = report.flows_served * 9;
                report.flows_served /= 10;
            }
        })
    };
    assert_eq!(ejected(&cuts(|at| at == 3)), [3]);
    assert_eq!(ejected(&cuts(|_| true)), []);
}

#[test]
fn no_more_than_half_of_the_capacity_is_ejected() {
    let failing = farm(8, 14, |_, report| report.errors = report.flows_served * 10);
    let count = ejected(&failing).len();
    assert_eq!(count, 4, "of eight and the server");
}

#[test]
fn wrong_bytes_eject_whatever_is_left() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |report| {
        report.capacity = Rate::from_bytes_per_s(1e12)
    });
    scene.weigh(SECOND, Evidence::Corrupt);
    assert!(matches!(scene.member().standing(), Standing::Ejected(_)));
}

#[test]
fn who_is_assumed_to_be_fast_is_taken_for_one_like_those_proved() {
    let of = |footing: fn(u64) -> Footing| {
        let fleet = farm(3, 3, move |at, report| {
            report.footing = footing(at);
            let is_assumed = report.footing == Footing::Assumed;
            report.capacity = Rate::from_bytes_per_s(if is_assumed { 1e9 } else { 1e7 });
            report.egress_bytes_per_s = if at == 2 { 3e7 } else { 0.0 };
        });
        let capacities = fleet
            .members()
            .iter()
            .map(|member| member.capacity().bytes_per_s());
        capacities.collect::<Vec<_>>()
    };
    let first = |at| {
        if at == 0 {
            Footing::Proved
        } else {
            Footing::Assumed
        }
    };
    assert_eq!(of(first), [1e7, 1e7, 3e7], "one has shown more");
    let first = |at| {
        if at == 0 {
            Footing::Told
        } else {
            Footing::Assumed
        }
    };
    assert_eq!(
        of(first),
        [1e7, 1e9, 1e9],
        "what was told of one says nothing of others"
    );
}

#[test]
fn orders_outlive_members() {
    let mut scene = Scene::new();
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    let order =
        |scene: &mut Scene, input: Input<'_>| scene.fleet.handle(scene.start + SECOND, &input);
    order(&mut scene, Input::Drain(&id())).unwrap();
    assert_eq!(scene.member().state(), MemberState::Draining);
    scene.join(SECOND * 2, 2);
    scene.report(SECOND * 3, |report| report.epoch = 2);
    assert_eq!(
        scene.member().state(),
        MemberState::Draining,
        "after a restart, too"
    );
    order(&mut scene, Input::Undrain(&id())).unwrap();
    assert_eq!(scene.member().state(), MemberState::Ready);
    order(&mut scene, Input::Remove(&id())).unwrap();
    assert!(scene.fleet.members().is_empty());
    let hello = Hello {
        member: id(),
        url: String::new(),
        epoch: 3,
        version: String::new(),
        zone: None,
        reach: Reach::default(),
    };
    let refused = order(&mut scene, Input::Joined(&hello)).unwrap_err();
    assert!(
        refused.to_string().contains("overspill undrain m-1"),
        "{refused}"
    );
    order(&mut scene, Input::Undrain(&id())).unwrap();
    order(&mut scene, Input::Joined(&hello)).unwrap();
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

/// A member that was ejected for wrong bytes and is tried again, ten seconds later.
fn on_probation(scene: &mut Scene) {
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    scene.weigh(SECOND, Evidence::Corrupt);
    scene.report(SECOND * 10, |report| report.flows_served = 1);
    scene.tick(SECOND * 10);
    assert_eq!(scene.member().standing(), Standing::Probation);
}

/// The simulation of whole fleets found members on probation being sent whatever was asked for.
#[test]
fn probation_does_not_make_up_for_content_or_overload() {
    let mut scene = Scene::new();
    on_probation(&mut scene);
    let exclusion = |scene: &Scene, revision| {
        let member = scene.member();
        member.exclusion(Revision(revision), &Root([0; 32]))
    };
    assert_eq!(exclusion(&scene, 5), None);
    assert_eq!(exclusion(&scene, 6), Some(Exclusion::LacksContent));
    scene.report(SECOND * 11, |report| {
        (report.flows_served, report.condition) = (1, Condition::Overloaded);
    });
    assert_eq!(exclusion(&scene, 5), Some(Exclusion::Full));
}

/// It ended without a word and without slow start when it was not a report that ended it.
#[test]
fn probation_ends_alike_by_report_and_by_evidence() {
    let ends: [fn(&mut Scene); 2] = [
        |scene| scene.report(SECOND * 11, |report| report.flows_served = 2),
        |scene| scene.weigh(SECOND * 11, Evidence::Success),
    ];
    for end in ends {
        let mut scene = Scene::new();
        on_probation(&mut scene);
        while scene.fleet.poll_output().is_some() {}
        end(&mut scene);
        let event = scene.fleet.poll_output().map(|event| event.change);
        assert_eq!(event, Some(Change::Trusted));
        assert_eq!(scene.member().standing(), Standing::Trusted);
        let share = scene.member().capacity().bytes_per_s() / Rate::GIGABIT.bytes_per_s();
        assert!(share < 0.2, "no slow start: {share}");
    }
}

/// A suspect counted for nothing when its own report asked for its ejection, and was ready after it.
#[test]
fn a_suspect_whose_report_makes_it_ready_counts_for_what_the_fleet_needs() {
    let mut scene = Scene::new();
    let told = |report: &mut Report| report.capacity = Rate::from_bytes_per_s(1e12);
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, told);
    scene.tick(SECOND + SUSPECT_AFTER);
    assert_eq!(scene.member().state(), MemberState::Suspect);
    scene.report(SECOND * 5, |report| {
        told(report);
        report.errors = 60;
    });
    assert_eq!(scene.member().state(), MemberState::Ready);
    assert_eq!(scene.member().standing(), Standing::Trusted, "spared");
}

/// What `Scene`'s only member is to another node.
fn seen(report: Option<Report>) -> MemberView {
    MemberView {
        hello: Hello {
            member: id(),
            url: "http://m".into(),
            epoch: 1,
            version: String::new(),
            zone: None,
            reach: Reach::default(),
        },
        state: MemberState::Ready,
        report,
    }
}

#[test]
fn each_change_of_state_says_why() {
    let mut scene = Scene::new();
    let told = |scene: &mut Scene| -> Vec<String> {
        std::iter::from_fn(|| scene.fleet.poll_output())
            .filter_map(|event| match event.change {
                Change::State { to, reason, .. } => Some(format!("{to}: {reason}")),
                _ => None,
            })
            .collect()
    };
    fn tell(scene: &mut Scene, at: Duration, input: &Input<'_>) {
        scene.fleet.handle(scene.start + at, input).unwrap();
    }
    scene.join(Duration::ZERO, 1);
    scene.report(SECOND, |_| {});
    assert_eq!(told(&mut scene), ["ready: it reports"]);
    tell(&mut scene, SECOND, &Input::Drain(&id()));
    tell(&mut scene, SECOND, &Input::Undrain(&id()));
    let ordered = "draining: the operator has it drained";
    assert_eq!(told(&mut scene), [ordered, "ready: it reports"]);
    scene.report(SECOND * 2, |report| report.condition = Condition::Draining);
    assert_eq!(
        told(&mut scene),
        ["draining: it is ending and takes no new work"]
    );
    tell(&mut scene, SECOND * 3, &Input::StreamClosed(&id()));
    assert_eq!(
        told(&mut scene),
        ["suspect: its connection to the server broke"]
    );
    tell(&mut scene, SECOND * 2 + DOWN_AFTER, &Input::Tick);
    assert_eq!(told(&mut scene), ["down: no report for 10 s"]);
    scene.join(SECOND * 15, 2);
    assert_eq!(
        told(&mut scene),
        ["joining: it has joined again and not reported yet"]
    );
}
