//! After the noise: everybody is up, reports, and has nothing to do. Then all has to become well.
//!
//! It must never help: what the operator ordered is lifted and nodes join again, as they would, and
//! nothing else.

use std::time::Duration;

use overspill_core::{
    dispatch::{Flow, Holding, Manner, Part, Turn},
    fleet::{MemberId, MemberState, MemberView, Scheme, Standing},
};

use super::{
    model::IsOpen,
    node::File,
    world::{Checked, Role, World},
};

/// The longest ejection (300 s and a twentieth), slow start (60 s), and a brown-out's end.
const CALM_S: u32 = 420;
/// Factors of cost that are as good as none.
const PENALTY_MAX: f64 = 1.01;

/// Stops the noise, waits, and looks whether all is well.
pub(super) fn settle(world: &mut World) -> Checked {
    rejoin(world)?;
    for _ in 0..CALM_S {
        world.later(Duration::from_secs(1));
        hear_all(world)?;
        world.measure(&[]);
        world.tick()?;
    }
    is_well(world)?;
    offers_are_exact(world)
}

/// Reports still under way arrive, orders are lifted, and nodes come back.
fn rejoin(world: &mut World) -> Checked {
    for (_, id, report) in std::mem::take(&mut world.post) {
        world.deliver(&id, &report)?;
    }
    for at in 0..world.nodes.len() {
        let id = world.nodes[at].id().clone();
        if !world.nodes[at].is_up {
            world.nodes[at].boot();
        }
        if world.role == Role::Server {
            world.undrain(&id)?;
            world.join(at)?;
            world.stream(at, IsOpen::Yes)?;
        }
    }
    Ok(())
}

fn hear_all(world: &mut World) -> Checked {
    let calm = world.nodes.iter_mut().map(|node| {
        let report = node.calm_report();
        (node.hello.clone(), report)
    });
    let reports: Vec<_> = calm.collect();
    if world.role == Role::Server {
        for (hello, report) in &reports {
            world.deliver(&hello.member, report)?;
        }
        return Ok(());
    }
    let view = reports.into_iter().map(|(hello, report)| MemberView {
        hello,
        state: MemberState::Ready,
        report: Some(report),
    });
    world.view(&view.collect::<Vec<_>>())
}

fn is_well(world: &World) -> Checked {
    let members = world.dispatcher.fleet().members();
    if members.len() != world.nodes.len() {
        return Err(format!("{} of {} there", members.len(), world.nodes.len()));
    }
    for member in members {
        let faults = [
            (member.state() != MemberState::Ready, "is not ready"),
            (member.standing() != Standing::Trusted, "is not trusted"),
            (
                member.capacity() != member.told_capacity(),
                "is still in slow start",
            ),
            (member.pending() > 0, "has dispatches pending"),
            (member.load().flows() > 0, "has flows"),
            (member.penalty() > PENALTY_MAX, "is dearer than its record"),
        ];
        for (is_so, what) in faults {
            if is_so {
                return Err(format!("{} {what}", member.id()));
            }
        }
    }
    let dispatcher = &world.dispatcher;
    if dispatcher.waiting() > 0 || dispatcher.is_browned_out() || dispatcher.is_full() {
        return Err("there is no work, but no calm either".into());
    }
    Ok(())
}

/// For each file exactly those members are offered that have it.
fn offers_are_exact(world: &mut World) -> Checked {
    for at in 0..world.files.len() {
        let file = world.files[at];
        let holders: Vec<MemberId> = world
            .nodes
            .iter()
            .filter(|node| is_told(world.role, node.holds(&file), &file, node.complete))
            .map(|node| node.id().clone())
            .collect();
        let explanation = world.dispatcher.explain(world.now, &probe(&file));
        let mut offered: Vec<MemberId> = explanation
            .considered
            .into_iter()
            .filter_map(|considered| considered.member)
            .collect();
        offered.sort();
        let mut expected = holders;
        expected.sort();
        if offered != expected {
            return Err(format!("{file:?}: offers {offered:?}, not {expected:?}"));
        }
    }
    Ok(())
}

/// A view tells revisions only; what a member holds beyond, its server alone knows.
fn is_told(
    role: Role,
    holds: bool,
    file: &File,
    complete: overspill_core::catalog::Revision,
) -> bool {
    match role {
        Role::Mirror => file.revision <= complete,
        Role::Server => holds,
    }
}

/// A client nobody has seen before, whom every member can serve.
fn probe(file: &File) -> Flow<'static> {
    Flow {
        revision: file.revision,
        root: file.root,
        bytes: 1 << 20,
        part: Part::Whole,
        holding: Holding::Here,
        client: core::net::IpAddr::from([203, 0, 113, 1]),
        avoid: &[],
        scheme: Scheme::Http,
        turn: Turn::First,
        manner: Manner::AsSet,
    }
}
