//! Settings that change while flows are under way.

use super::*;

#[test]
fn decisions_follow_changed_settings_and_what_was_learned_stays() {
    let now = Instant::now();
    let settings = |way, offload| Settings {
        way,
        offload,
        ..unlimited()
    };
    let first = settings(Way::Redirect, Offload::Share);
    let mut dispatcher = dispatcher_at(now, 1e4, &[1e12], "http://m", first);
    let ask = flow(MIB, &[]);
    assert!(matches!(
        dispatcher.decide(now, &ask),
        Decision::Redirect { .. }
    ));
    dispatcher.change_settings(settings(Way::Relay, Offload::Share));
    assert!(matches!(
        dispatcher.decide(now, &ask),
        Decision::Relay { .. }
    ));
    dispatcher.change_settings(settings(Way::Relay, Offload::Never));
    assert_eq!(dispatcher.decide(now, &ask), Decision::Serve);
    assert_eq!(dispatcher.fleet().members().len(), 1);
    assert_eq!(dispatcher.journal().newest_first().count(), 3);
}

#[test]
fn another_least_rate_is_another_number_of_slots() {
    let now = Instant::now();
    let settings = |min_flow_rate: f64| Settings {
        min_flow_rate: Rate::from_bytes_per_s(min_flow_rate),
        policy: PolicyKind::Random,
        ..Settings::default()
    };
    let mut dispatcher = dispatcher_at(now, 1e6, &[], "http://m", settings(1.0));
    let client = IpAddr::from([192, 0, 2, 1]);
    let ask = |dispatcher: &mut Dispatcher| {
        let flow = Flow {
            client,
            ..flow(MIB, &[])
        };
        dispatcher.decide(now, &flow)
    };
    for _ in 0..3 {
        assert_eq!(ask(&mut dispatcher), Decision::Serve);
    }
    dispatcher.change_settings(settings(1e6));
    assert_ne!(ask(&mut dispatcher), Decision::Serve);
    assert_eq!(dispatcher.settings().policy, PolicyKind::Random);
}
