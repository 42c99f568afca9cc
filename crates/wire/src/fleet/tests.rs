//! Messages survive the wire, and what is not proved is refused.

use overspill_core::root::Root;

use super::*;

#[test]
fn reports_survive_the_wire() {
    let mut load = LoadHistogram::empty();
    [1, 5000, 1 << 40]
        .into_iter()
        .for_each(|bytes| load.add(bytes));
    let report = Report {
        epoch: 3,
        seq: 9,
        condition: Condition::DiskFull,
        load,
        flows_limited_by_client: 2,
        egress_bytes_per_s: 5.5,
        capacity: Rate::from_bytes_per_s(77.0),
        footing: Footing::Proved,
        pressure: Pressure::new(0.25, 0.5, 0.75),
        complete: Revision(8),
        catalog: Revision(9),
        held: Held::Replace(vec![Root([4; 32])]),
        acknowledged: vec![DispatchId(1), DispatchId(2)],
        clients: vec![ClientSample {
            address: IpAddr::from([192, 0, 2, 1]),
            bytes_per_s: 2.5,
            rtt: Duration::from_micros(1500),
            limited_by: Limit::Client,
        }],
        missing_objects: 1,
        missing_bytes: 2,
        flows_served: 3,
        flows_cut: 5,
        errors: 6,
        bytes_served: 4,
    };
    let text = serde_json::to_string(&ReportMessage::from(&report)).unwrap();
    let message: ReportMessage = serde_json::from_str(&text).unwrap();
    assert_eq!(message.into_report(), Ok(report));
}

#[test]
fn events_are_believed_only_with_the_sessions_signature() {
    let token = FleetToken::from_random([1; 32]);
    let (ours, other) = (session_key(&token, "a", "b"), session_key(&token, "a", "c"));
    let event = Event::Catalog {
        instance: "1".into(),
        revision: 4,
        listing: ListingState::Whole,
    };
    let signed = SignedEvent::sign(&ours, 2, &event);
    assert_eq!(signed.open(&ours), Ok(event));
    assert!(signed.open(&other).is_err());
    assert!(
        SignedEvent {
            seq: 3,
            ..signed.clone()
        }
        .open(&ours)
        .is_err()
    );
    assert!(
        SignedEvent {
            body: r#"{"event":"ping"}"#.into(),
            ..signed
        }
        .open(&ours)
        .is_err()
    );
}

#[test]
fn the_two_sides_prove_different_things() {
    let token = FleetToken::from_random([1; 32]);
    let join = JoinRequest {
        nonce: "s".into(),
        member: "m-1".into(),
        url: String::new(),
        port: 1,
        scheme: SchemeName::Http,
        epoch: 2,
        version: "v".into(),
        zone: "north".into(),
        reach: ReachName::Public,
        proof: String::new(),
    };
    let proof = join.proof(&token, "m");
    assert_ne!(proof, server_proof(&token, "m", "s", "m-1"));
    assert_ne!(
        proof,
        JoinRequest {
            port: 2,
            ..join.clone()
        }
        .proof(&token, "m")
    );
    let private = JoinRequest {
        reach: ReachName::Private,
        ..join.clone()
    };
    assert_ne!(proof, private.proof(&token, "m"));
    assert_ne!(proof, join.proof(&token, "other nonce"));
    assert_ne!(proof, join.proof(&FleetToken::from_random([2; 32]), "m"));
}
