//! Fleets known from a server's view.

use super::*;

#[test]
fn a_view_makes_members_and_unmakes_them() {
    let mut scene = Scene::new();
    let view = |name: &str, state| MemberView {
        hello: Hello {
            member: name.parse().unwrap(),
            url: "http://m".into(),
            epoch: 1,
            version: String::new(),
            zone: None,
            reach: Reach::default(),
        },
        state,
        report: Some(Report {
            complete: Revision(5),
            ..Report::idle(1, 1, Rate::GIGABIT)
        }),
    };
    let seen = [
        view("m-1", MemberState::Ready),
        view("m-2", MemberState::Suspect),
    ];
    let now = scene.start;
    scene.fleet.handle(now, &Input::Viewed(&seen)).unwrap();
    assert_eq!(scene.member().exclusion(Revision(5), &Root([0; 32])), None);
    scene.tick(GONE_AFTER * 2);
    assert_eq!(
        scene.member().state(),
        MemberState::Ready,
        "the last view stands while the server is away"
    );
    scene.fleet.member_takes(now + GONE_AFTER * 2, 0, 500);
    scene
        .fleet
        .handle(now + GONE_AFTER * 2, &Input::Viewed(&seen[..1]))
        .unwrap();
    assert_eq!(scene.fleet.members().len(), 1);
    assert_eq!(
        scene.member().load().bytes(),
        500,
        "own dispatches stay counted"
    );
}

/// Nothing but a report ended it, and where members are known from views none ever comes.
#[test]
fn probation_ends_by_a_view_of_flows_that_went_well() {
    let mut scene = Scene::new();
    let mut view = |at: Duration, flows_served| {
        let report = Report {
            flows_served,
            ..Report::idle(1, 1, Rate::GIGABIT)
        };
        let now = scene.start + at;
        let input = [seen(Some(report))];
        scene.fleet.handle(now, &Input::Viewed(&input)).unwrap();
        if at == SECOND {
            let wrong = Input::Weighed(&input[0].hello.member, Evidence::Corrupt);
            scene.fleet.handle(now, &wrong).unwrap();
        }
        scene.fleet.handle(now, &Input::Tick).unwrap();
        scene.fleet.members()[0].standing()
    };
    assert!(matches!(view(SECOND, 1), Standing::Ejected(_)));
    assert!(matches!(view(SECOND * 2, 2), Standing::Ejected(_)));
    assert_eq!(view(SECOND * 10, 3), Standing::Probation);
    assert_eq!(view(SECOND * 11, 3), Standing::Probation, "none since");
    assert_eq!(view(SECOND * 12, 4), Standing::Trusted);
}

/// The dispatches were forgotten and their bytes stayed on the member.
#[test]
fn a_view_without_a_report_forgets_old_dispatches_with_their_load() {
    let mut scene = Scene::new();
    let now = scene.start + SECOND;
    scene
        .fleet
        .handle(now, &Input::Viewed(&[seen(None)]))
        .unwrap();
    scene.fleet.member_takes(now, 0, 500);
    assert_eq!(
        (scene.member().pending(), scene.member().load().bytes()),
        (1, 500)
    );
    let later = now + SECOND * 3;
    scene
        .fleet
        .handle(later, &Input::Viewed(&[seen(None)]))
        .unwrap();
    assert_eq!(
        (scene.member().pending(), scene.member().load().bytes()),
        (0, 0)
    );
}
