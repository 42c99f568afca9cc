//! What each mirror is told of the fleet.
//!
//! The server itself, and the members that follow the listener in the order of joining, up to a cap:
//! always the same ones, so that a mirror's own counts are not thrown away at each view. It must never
//! grow with the square of the fleet: large fleets are told more rarely.

use std::time::Duration;

use overspill_core::{
    catalog::Revision,
    fleet::{Fleet, Hello, Member, MemberId, MemberState, MemberView, Reach, Report, Zone},
};
use overspill_wire::{
    fleet::Event,
    view::{MAX_MEMBERS, MemberMessage, SERVER},
};

/// How often a view is told in a small fleet.
const EVERY: Duration = Duration::from_secs(1);
/// Members for each of which a hundredth of that is added.
const SMALL_FLEET: usize = 100;

/// How long a view is good for in a fleet of so many.
pub(super) fn view_every(members: usize) -> Duration {
    EVERY.mul_f64((members as f64 / SMALL_FLEET as f64).clamp(1.0, 10.0))
}

/// The fleet as `listener` is told of it.
pub(super) fn view_for(listener: &MemberId, fleet: &Fleet, zone: Option<&Zone>) -> Event {
    let members = fleet.members();
    let own = members.iter().position(|member| member.id() == listener);
    let (before, after) = members.split_at(own.unwrap_or(0));
    let others = after.iter().chain(before);
    let others = others
        // Nobody but the server can reach the private ones.
        .filter(|member| member.id() != listener && member.reach() == Reach::Public)
        .take(MAX_MEMBERS - 1)
        .map(seen);
    let server = server(fleet, zone).into_iter();
    let views = server.chain(others);
    Event::Fleet {
        members: views.map(|view| MemberMessage::from(&view)).collect(),
        is_drained: fleet
            .member(listener)
            .is_some_and(|member| member.state() == MemberState::Draining),
    }
}

fn seen(member: &Member) -> MemberView {
    MemberView {
        hello: member.hello().clone(),
        state: match member.is_able() {
            true => member.state(),
            // An ejection is the server's own finding; to others it is a suspicion.
            false if member.state() == MemberState::Ready => MemberState::Suspect,
            false => member.state(),
        },
        report: member.report().map(|report| Report {
            load: member.load().clone(),
            capacity: member.capacity(),
            ..report.clone()
        }),
    }
}

/// The server, as if it were a member that holds everything.
fn server(fleet: &Fleet, zone: Option<&Zone>) -> Option<MemberView> {
    let here = fleet.here();
    let report = Report {
        load: here.load.clone(),
        flows_limited_by_client: here.flows_limited_by_client,
        pressure: here.pressure,
        complete: Revision(u64::MAX),
        ..Report::idle(0, 0, here.capacity)
    };
    Some(MemberView {
        hello: Hello {
            member: SERVER.parse().ok()?,
            url: String::new(),
            epoch: 0,
            version: String::new(),
            zone: zone.cloned(),
            reach: Reach::default(),
        },
        state: MemberState::Ready,
        report: Some(report),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use overspill_core::{
        fleet::{Input, Orders},
        units::Rate,
    };

    use super::*;

    fn fleet(members: usize) -> Fleet {
        let now = Instant::now();
        let mut fleet = Fleet::new(now, Orders::default(), 1);
        for at in 0..members {
            let hello = Hello {
                member: format!("m-{at}").parse().unwrap(),
                url: format!("http://m-{at}"),
                epoch: 1,
                version: String::new(),
                zone: None,
                reach: Reach::default(),
            };
            let report = Report::idle(1, 1, Rate::GIGABIT);
            fleet.handle(now, &Input::Joined(&hello)).unwrap();
            let id = &hello.member;
            fleet.handle(now, &Input::StreamOpened(id)).unwrap();
            fleet.handle(now, &Input::Reported(id, &report)).unwrap();
        }
        fleet
    }

    fn names(listener: &str, fleet: &Fleet) -> Vec<String> {
        match view_for(&listener.parse().unwrap(), fleet, None) {
            Event::Fleet { members, .. } => members.into_iter().map(|m| m.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mirror_is_told_of_the_server_and_everybody_else() {
        assert_eq!(names("m-1", &fleet(3)), ["server", "m-2", "m-0"]);
        assert_eq!(
            names("m-9", &fleet(2)),
            ["server", "m-0", "m-1"],
            "before it is one"
        );
    }

    #[test]
    fn large_fleets_are_told_in_parts_and_more_rarely() {
        let fleet = fleet(200);
        let told = names("m-150", &fleet);
        assert_eq!((told.len(), told[1].as_str()), (MAX_MEMBERS, "m-151"));
        assert!(told.contains(&"m-3".to_owned()), "it goes round");
        assert_eq!(view_every(5), EVERY);
        assert_eq!(view_every(200), EVERY * 2);
        assert_eq!(view_every(1_000_000), EVERY * 10);
    }
}
