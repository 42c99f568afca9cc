//! What can happen, and how often.
//!
//! One step is one thing that happens, some time after the last. It must never skip what is unlikely:
//! that is what the seeds are for.

use std::time::Duration;

use overspill_core::{
    dispatch::{Flow, Holding, Manner, Part, Turn},
    fleet::{Evidence, MemberState, MemberView, Scheme},
};

use super::{
    model::IsOpen,
    world::{Asked, Checked, Role, World},
};

/// Lets some time pass, and one thing happen.
pub(super) fn step(world: &mut World) -> Checked {
    pass_time(world);
    deliver_due(world)?;
    match world.random.u32(0..100) {
        0..30 => request(world),
        30..34 => burst(world),
        34..52 => world.tick(),
        52..54 => ticks(world),
        54..76 => hear(world),
        76..79 => stream(world),
        79..82 => life(world),
        82..84 => evidence(world),
        84..85 => order(world),
        85..91 => change(world),
        91..95 => {
            let count = world.random.usize(0..20);
            let flows: Vec<u64> = (0..count).map(|_| size(world)).collect();
            world.measure(&flows);
            Ok(())
        }
        95..97 if !world.asked.is_empty() => {
            let at = world.random.usize(0..world.asked.len());
            world.leave(at)
        }
        _ => complaint(world),
    }
}

/// Mostly little; now and then as long as a suspended machine sleeps.
fn pass_time(world: &mut World) {
    let ms = match world.random.u32(0..1000) {
        0..800 => world.random.u64(0..100),
        800..980 => 0,
        980..997 => world.random.u64(100..6_000),
        _ => world.random.u64(6_000..900_000),
    };
    world.later(Duration::from_millis(ms));
}

fn deliver_due(world: &mut World) -> Checked {
    let now = world.now;
    let mut at = 0;
    while at < world.post.len() {
        if world.post[at].0 <= now {
            let (_, id, report) = world.post.swap_remove(at);
            world.deliver(&id, &report)?;
        } else {
            at += 1;
        }
    }
    Ok(())
}

fn size(world: &mut World) -> u64 {
    let bits = world.random.u32(8..world.size_bits_max);
    world.random.u64(1..1 << bits)
}

/// A client that comes, or comes again, for some of a file or all of it.
fn asked(world: &mut World) -> Asked {
    let file = world.files[world.random.usize(0..world.files.len())];
    let avoids = world.random.usize(0..6).saturating_sub(3);
    let avoid = (0..avoids).map(|_| {
        let at = world.random.usize(0..world.nodes.len());
        world.nodes[at].id().clone()
    });
    let avoid = avoid.collect();
    let random = &mut world.random;
    let part = match random.u32(0..4) {
        0 | 1 => Part::Whole,
        2 => Part::Rest(random.u64(0..1 << 20)),
        _ => Part::Span,
    };
    let holding = if random.u32(0..5) == 0 {
        Holding::Elsewhere
    } else {
        Holding::Here
    };
    let scheme = if random.u32(0..4) == 0 {
        Scheme::Https
    } else {
        Scheme::Http
    };
    Asked {
        flow: Flow {
            revision: file.revision,
            root: file.root,
            bytes: size(world),
            part,
            holding,
            client: world.a_client(),
            avoid: &[],
            scheme,
            turn: Turn::First,
            manner: Manner::AsSet,
        },
        avoid,
    }
}

fn request(world: &mut World) -> Checked {
    let asked = asked(world);
    world.ask(asked)
}

fn burst(world: &mut World) -> Checked {
    for _ in 0..world.random.usize(2..60) {
        request(world)?;
    }
    Ok(())
}

/// A shell that was held up makes up for it.
fn ticks(world: &mut World) -> Checked {
    for _ in 0..world.random.usize(2..20) {
        world.tick()?;
    }
    Ok(())
}

/// Some node's report sets out, or a view of all comes.
fn hear(world: &mut World) -> Checked {
    if world.role == Role::Mirror {
        let view = a_view(world);
        return world.view(&view);
    }
    let at = world.random.usize(0..world.nodes.len());
    let (node, random) = (&mut world.nodes[at], &mut world.random);
    if !node.is_up {
        return Ok(());
    }
    if world.dispatcher.fleet().member(node.id()).is_none() {
        // It is told so, and joins.
        world.join(at)?;
        return world.stream(at, IsOpen::Yes);
    }
    node.work(random);
    let id = node.id().clone();
    let report = node.report(random);
    // Arrives now, later, twice or never; what is later overtakes or is overtaken.
    let delays_ms = match random.u32(0..20) {
        0..13 => vec![0],
        13..16 => vec![random.u64(1..5_000)],
        16..18 => vec![random.u64(0..2_000), random.u64(0..20_000)],
        _ => vec![],
    };
    for ms in delays_ms {
        let due = world.now + Duration::from_millis(ms);
        world.post.push((due, id.clone(), report.clone()));
    }
    deliver_due(world)
}

fn a_view(world: &mut World) -> Vec<MemberView> {
    let mut view = Vec::new();
    for node in &mut world.nodes {
        let random = &mut world.random;
        node.work(random);
        if !node.is_up || random.u32(0..20) == 0 {
            continue;
        }
        let state = match random.u32(0..12) {
            0 => MemberState::Suspect,
            1 => MemberState::Joining,
            2 => MemberState::Draining,
            3 => MemberState::Down,
            _ => MemberState::Ready,
        };
        let is_known = random.u32(0..8) > 0;
        let report = is_known.then(|| node.report(random));
        view.push(MemberView {
            hello: node.hello.clone(),
            state,
            report,
        });
    }
    view
}

fn stream(world: &mut World) -> Checked {
    let at = world.random.usize(0..world.nodes.len());
    let is_open = match world.random.u32(0..4) {
        0 => IsOpen::No,
        _ if world.nodes[at].is_up => IsOpen::Yes,
        _ => IsOpen::No,
    };
    world.stream(at, is_open)
}

/// A node dies, starts again, or joins without having died.
fn life(world: &mut World) -> Checked {
    let at = world.random.usize(0..world.nodes.len());
    match world.random.u32(0..3) {
        0 if world.nodes[at].is_up => {
            world.nodes[at].is_up = false;
            if world.role == Role::Server && world.random.bool() {
                return world.stream(at, IsOpen::No);
            }
            return Ok(());
        }
        0 | 1 => world.nodes[at].boot(),
        _ => {}
    }
    if world.role == Role::Mirror || !world.nodes[at].is_up {
        return Ok(());
    }
    world.join(at)?;
    world.stream(at, IsOpen::Yes)
}

fn evidence(world: &mut World) -> Checked {
    let at = world.random.usize(0..world.nodes.len());
    let id = world.nodes[at].id().clone();
    let (evidence, times) = match world.random.u32(0..10) {
        0 => (Evidence::Corrupt, 1),
        1..4 => (Evidence::Success, 1),
        _ => (Evidence::Failure, world.random.usize(1..8)),
    };
    for _ in 0..times {
        world.weigh(&id, evidence)?;
    }
    Ok(())
}

fn order(world: &mut World) -> Checked {
    if world.role == Role::Mirror {
        return Ok(());
    }
    let at = world.random.usize(0..world.nodes.len());
    let id = world.nodes[at].id().clone();
    match world.random.u32(0..8) {
        0 => world.remove(&id),
        1..3 => world.drain(&id),
        _ => world.undrain(&id),
    }
}

/// Something is published, or a node gets or loses content.
fn change(world: &mut World) -> Checked {
    if world.files.len() < FILES_MAX && world.random.u32(0..4) == 0 {
        world.publish();
    }
    let at = world.random.usize(0..world.nodes.len());
    world.nodes[at].change(&world.files, &mut world.random);
    Ok(())
}

const FILES_MAX: usize = 60;

fn complaint(world: &mut World) -> Checked {
    let asked = asked(world);
    let at = world.random.usize(0..world.nodes.len());
    let id = world.nodes[at].id().clone();
    world.complain(&asked, &id)
}
