//! What has to hold, one promise at a time.
//!
//! Each check says what it found. None may change anything.

use overspill_core::{
    dispatch::{Dispatcher, Flow, MAX_RETRY_AFTER_S, MAX_WAIT},
    fleet::{Condition, Exclusion, Fleet, MAX_PENDING, Member, MemberId, MemberState, Standing},
};

use super::{
    model::{Believed, Trust},
    world::{Checked, World},
};

/// Most who wait at once.
const WAITERS_MAX: usize = 1024;
/// A member that fails always, and whose clients never arrive, is so much dearer.
const PENALTY_MAX: f64 = 6.0;

/// Everything that can be checked at any time.
pub(super) fn all(world: &World) -> Checked {
    let fleet = world.dispatcher.fleet();
    let (ours, theirs) = (&world.model.members, fleet.members());
    if ours.len() != theirs.len() || theirs.len() > Fleet::MAX_MEMBERS {
        return Err(format!("{} members, not {}", theirs.len(), ours.len()));
    }
    for (believed, member) in ours.iter().zip(theirs) {
        one(believed, member).map_err(|what| format!("{}: {what}", member.id()))?;
    }
    let waiting = world.dispatcher.waiting();
    if waiting != world.model.waiting.len() || waiting > WAITERS_MAX {
        return Err(format!("{waiting} wait, not {}", world.model.waiting.len()));
    }
    let here = (fleet.here().load.flows(), fleet.here().load.bytes());
    if here != world.model.here {
        return Err(format!("here {here:?}, not {:?}", world.model.here));
    }
    let orders = fleet.orders();
    if !orders.drained().eq(&world.model.drained) || !orders.removed().eq(&world.model.removed) {
        return Err(format!("{orders:?}"));
    }
    Ok(())
}

fn one(believed: &Believed, member: &Member) -> Checked {
    let expect = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    expect(
        member.hello() == &believed.hello,
        format!("{:?}, not {:?}", member.hello(), believed.hello),
    )?;
    expect(
        member.state() == believed.state,
        format!("{}, not {}", member.state(), believed.state),
    )?;
    let trust = match member.standing() {
        Standing::Ejected(_) => Trust::Ejected,
        Standing::Probation => Trust::OneFlow,
        Standing::Trusted => Trust::Full,
    };
    expect(
        trust == believed.trust,
        format!("{trust:?}, but told {:?}", believed.trust),
    )?;
    let (pending, load) = (member.pending(), member.load());
    expect(
        pending == believed.pending.len() && pending <= MAX_PENDING,
        format!("{pending} pending, not {}", believed.pending.len()),
    )?;
    let load = (load.flows(), load.bytes());
    expect(
        load == believed.load(),
        format!("load {load:?}, not {:?}", believed.load()),
    )?;
    expect(
        member.capacity() <= member.told_capacity(),
        format!("capacity {:?}", member.capacity()),
    )?;
    expect(
        (1.0..=PENALTY_MAX).contains(&member.penalty()),
        format!("penalty {}", member.penalty()),
    )
}

/// A redirect to a member that may not serve it breaks the first promise of all.
pub(super) fn may_serve(world: &World, flow: &Flow<'_>, slot: usize) -> Checked {
    let Some(member) = world.dispatcher.fleet().members().get(slot) else {
        return Err(format!("sent to slot {slot}, which nobody has"));
    };
    let believed = world.model.members.iter();
    let Some(believed) = believed.into_iter().find(|b| b.id() == member.id()) else {
        return Err(format!("sent to {}, who is no member", member.id()));
    };
    let wanting = believed.load().0.saturating_sub(limited(believed));
    let slots = member.told_capacity().bytes_per_s() / (world.min_flow_rate.bytes_per_s() / 2.0);
    let faults = why_not(believed, flow)
        .or_else(|| (wanting as f64 + 1.0 > slots.max(1.0)).then_some("has no slot"));
    match faults {
        Some(why) => Err(format!("sent to {}, which {why}: {flow:?}", member.id())),
        None => Ok(()),
    }
}

fn limited(believed: &Believed) -> u64 {
    let report = believed.report.as_ref();
    report.map_or(0, |report| report.flows_limited_by_client)
}

/// Why a member may not serve a flow, whether or not it has a slot.
fn why_not(believed: &Believed, flow: &Flow<'_>) -> Option<&'static str> {
    let url = &believed.hello.url;
    let is_ipv4 = url.starts_with("http://10.");
    if believed.state != MemberState::Ready {
        Some("is not ready")
    } else if believed.trust == Trust::Ejected {
        Some("is ejected")
    } else if believed.trust == Trust::OneFlow && believed.load().0 > 0 {
        Some("is on probation and has a flow")
    } else if believed.condition() == Condition::Overloaded {
        Some("is overloaded")
    } else if !believed.holds(flow.revision, &flow.root) {
        Some("lacks the content")
    } else if flow.avoid.contains(believed.id()) {
        Some("is to be avoided")
    } else if flow.scheme.as_str() == "https" && !url.starts_with("https://") {
        Some("has no TLS")
    } else if is_ipv4 && flow.client.is_ipv6() {
        Some("has no IPv6")
    } else {
        None
    }
}

/// `Nowhere` is an answer only if nobody within reach has it.
pub(super) fn nobody_could(world: &mut World, flow: &Flow<'_>) -> Checked {
    let explanation = world.dispatcher.explain(world.now, flow);
    let excluded = |id: &MemberId| {
        let mut excluded = explanation.excluded.iter();
        excluded.find(|excluded| excluded.member.as_ref() == Some(id))
    };
    for believed in &world.model.members {
        let is_out_of_reach =
            excluded(believed.id()).is_some_and(|excluded| excluded.why == Exclusion::Unreachable);
        if why_not(believed, flow).is_none() && !is_out_of_reach {
            return Err(format!("nowhere, but {} could: {flow:?}", believed.id()));
        }
    }
    Ok(())
}

pub(super) fn retry_after(seconds: u32) -> Checked {
    if (1..=MAX_RETRY_AFTER_S).contains(&seconds) {
        Ok(())
    } else {
        Err(format!("retry after {seconds} s"))
    }
}

/// After a tick nobody waits who has waited as long as anybody may.
pub(super) fn nobody_waits_too_long(world: &World) -> Checked {
    let mut waiting = world.model.waiting.iter();
    let late = waiting.find(|(_, since)| world.now - **since >= MAX_WAIT);
    late.map_or(Ok(()), |(waiter, _)| Err(format!("{waiter:?} still waits")))
}

/// When a member has just been ejected for its record, at least half of the capacity is trusted.
pub(super) fn half_is_trusted(dispatcher: &Dispatcher, ejected: &MemberId) -> Checked {
    let fleet = dispatcher.fleet();
    let is_alive = |m: &&Member| matches!(m.state(), MemberState::Ready | MemberState::Draining);
    let sum = |members: &mut dyn Iterator<Item = &Member>| -> f64 {
        members.map(|m| m.told_capacity().bytes_per_s()).sum()
    };
    let alive = sum(&mut fleet.members().iter().filter(is_alive));
    let total = alive + fleet.here().capacity.bytes_per_s();
    let distrusted = |m: &&Member| is_alive(m) && m.standing() != Standing::Trusted;
    let distrusted = sum(&mut fleet.members().iter().filter(distrusted));
    if distrusted <= total / 2.0 {
        Ok(())
    } else {
        let of = format!("{distrusted} of {total} bytes/s");
        Err(format!("{ejected} ejected, and now {of} are not trusted"))
    }
}
