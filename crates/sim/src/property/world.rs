//! Everything there is in one run: the dispatcher, its model, the nodes, the network between.
//!
//! Each way into the dispatcher is one method here, which tells the model the same and compares.
//! Nothing may reach the dispatcher around them.

use core::net::IpAddr;
use std::time::{Duration, Instant};

use fastrand::Rng;
use overspill_core::{
    catalog::Revision,
    dispatch::{
        Decision, Dispatcher, Flow, Holding, MIN_OFFLOAD_BYTES, Output, Settings, Turn, WaiterId,
        Way,
    },
    fleet::{Change, Evidence, FleetError, FleetEvent, HereLoad, Input, MemberId, Orders, Report},
    load::LoadHistogram,
    root::Root,
    units::Rate,
};

use super::{
    Tally, checks,
    model::{IsOpen, Model, Pending, Trust},
    node::{File, Node},
};
use crate::{
    clock::Clock,
    random::{Seed, Stream},
    time::Time,
};

/// All there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Rng,
    pub(super) now: Instant,
    pub(super) dispatcher: Dispatcher,
    pub(super) model: Model,
    pub(super) nodes: Vec<Node>,
    pub(super) files: Vec<File>,
    /// Reports under way, and when they arrive.
    pub(super) post: Vec<(Instant, MemberId, Report)>,
    /// Those who wait, and what for.
    pub(super) asked: Vec<(WaiterId, Asked)>,
    pub(super) role: Role,
    pub(super) here: Rate,
    pub(super) min_flow_rate: Rate,
    /// Files of this run are below two to this.
    pub(super) size_bits_max: u32,
    pub(super) tally: Tally,
    last_dispatch: u64,
}

/// How the deciding node hears of the fleet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// From the views that its server pushes.
    Mirror,
    /// From the members themselves.
    Server,
}

/// A request, with its own list of whom to avoid.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) flow: Flow<'static>,
    pub(super) avoid: Vec<MemberId>,
}

/// What a step makes of a promise that was kept, or not.
pub(super) type Checked = Result<(), String>;

impl World {
    pub(super) fn new(seed: Seed) -> Self {
        let mut random = seed.stream(Stream::Nodes);
        let now = Clock::new().at(Time::ZERO);
        let min_flow_rate = Rate::from_bytes_per_s(f64::from(1 << random.u32(10..22)));
        let settings = Settings {
            policy: overspill_core::policy::PolicyKind::ALL[random.usize(0..6)],
            min_flow_rate,
            way: Way::Redirect,
            ..Settings::default()
        };
        let mut nodes: Vec<Node> = (1..=random.usize(1..10))
            .map(|number| Node::new(number, &mut random))
            .collect();
        nodes.iter_mut().for_each(Node::boot);
        let mut world = Self {
            now,
            dispatcher: Dispatcher::new(now, settings, Orders::default(), seed.0 & 0xffff),
            model: Model::default(),
            nodes,
            files: Vec::new(),
            post: Vec::new(),
            asked: Vec::new(),
            role: if random.u32(0..4) == 0 {
                Role::Mirror
            } else {
                Role::Server
            },
            here: Rate::from_bytes_per_s(f64::from(1 << random.u32(16..28))),
            min_flow_rate,
            size_bits_max: random.u32(17..34),
            tally: Tally::default(),
            last_dispatch: 0,
            random,
        };
        for at in 0..world.nodes.len() {
            world.publish();
            world.nodes[at].complete = Revision(world.random.u64(0..=at as u64 + 1));
        }
        world.measure(&[]);
        world
    }

    pub(super) fn later(&mut self, by: Duration) {
        self.now += by;
    }

    /// A new file, of the next revision.
    pub(super) fn publish(&mut self) {
        let revision = Revision(self.files.len() as u64 + 1);
        let root = Root([self.files.len() as u8 + 1; 32]);
        self.files.push(File { root, revision });
    }

    /// The deciding node measures itself.
    pub(super) fn measure(&mut self, flows: &[u64]) {
        let mut load = LoadHistogram::empty();
        load.extend(flows.iter().copied());
        self.model.here = (load.flows(), load.bytes());
        let here = HereLoad {
            load,
            capacity: self.here,
            ..HereLoad::default()
        };
        self.dispatcher.measured(self.now, here);
    }

    /// Something happens to the fleet; `expected` is whether it makes sense.
    fn tell(&mut self, input: &Input<'_>, expected: bool) -> Checked {
        let result = self.dispatcher.handle(self.now, input);
        let is_refusal = matches!(result, Err(FleetError::Unknown(_) | FleetError::Removed(_)));
        if result.is_ok() != expected || (!expected && !is_refusal) {
            return Err(format!("{input:?}: {result:?}"));
        }
        self.drain_outputs(at_once(input))?;
        checks::all(self)
    }

    pub(super) fn join(&mut self, at: usize) -> Checked {
        let hello = self.nodes[at].hello.clone();
        let accepted = self.model.joined(self.now, &hello);
        self.tell(&Input::Joined(&hello), accepted)
    }

    pub(super) fn stream(&mut self, at: usize, is_open: IsOpen) -> Checked {
        let id = self.nodes[at].id().clone();
        let is_known = self.model.stream(self.now, &id, is_open);
        let input = match is_open {
            IsOpen::No => Input::StreamClosed(&id),
            IsOpen::Yes => Input::StreamOpened(&id),
        };
        self.tell(&input, is_known)
    }

    pub(super) fn deliver(&mut self, id: &MemberId, report: &Report) -> Checked {
        let counts = self.model.reported(self.now, id, report);
        match counts {
            Some(true) => self.tally.reports += 1,
            Some(false) => self.tally.stale_reports += 1,
            None => {}
        }
        self.tell(&Input::Reported(id, report), counts.is_some())
    }

    pub(super) fn weigh(&mut self, id: &MemberId, evidence: Evidence) -> Checked {
        let is_known = self.model.find(id).is_some();
        self.tell(&Input::Weighed(id, evidence), is_known)
    }

    pub(super) fn view(&mut self, view: &[overspill_core::fleet::MemberView]) -> Checked {
        self.model.viewed(self.now, view);
        self.tell(&Input::Viewed(view), true)
    }

    pub(super) fn drain(&mut self, id: &MemberId) -> Checked {
        let is_known = self.model.drain(self.now, id);
        self.tell(&Input::Drain(id), is_known)
    }

    pub(super) fn undrain(&mut self, id: &MemberId) -> Checked {
        let is_known = self.model.undrain(self.now, id);
        self.tell(&Input::Undrain(id), is_known)
    }

    pub(super) fn remove(&mut self, id: &MemberId) -> Checked {
        let is_known = self.model.remove(id);
        self.tell(&Input::Remove(id), is_known)
    }

    pub(super) fn tick(&mut self) -> Checked {
        self.tally.gone += self.model.tick(self.now);
        self.tell(&Input::Tick, true)?;
        checks::nobody_waits_too_long(self)
    }

    /// A client says that a member failed it.
    pub(super) fn complain(&mut self, asked: &Asked, id: &MemberId) -> Checked {
        let flow = asked.flow();
        self.dispatcher.returned_from(self.now, &flow, id);
        self.drain_outputs(None)?;
        checks::all(self)
    }

    /// A waiting client goes away.
    pub(super) fn leave(&mut self, at: usize) -> Checked {
        let (waiter, _) = self.asked.swap_remove(at);
        self.model.waiting.remove(&waiter);
        self.dispatcher.leave(waiter);
        self.tally.left += 1;
        checks::all(self)
    }

    /// A client asks.
    pub(super) fn ask(&mut self, asked: Asked) -> Checked {
        let flow = asked.flow();
        let decision = self.dispatcher.decide(self.now, &flow);
        // What the return of a client taught may have ejected somebody, before the choice was made.
        self.drain_fleet_events(None)?;
        match decision {
            Decision::Serve => self.note_served(&flow)?,
            Decision::Redirect { slot, dispatch } => {
                checks::may_serve(self, &flow, slot)?;
                self.note_redirected(&flow, slot, dispatch)?;
            }
            // See the settings.
            Decision::Relay { .. } => return Err("relays where only redirects are set".into()),
            Decision::Wait(waiter) => {
                if flow.turn == Turn::Waited {
                    return Err("who has waited waits again".into());
                }
                if self.model.waiting.insert(waiter, self.now).is_some() {
                    return Err(format!("{waiter:?} waits twice"));
                }
                self.asked.push((waiter, asked));
            }
            Decision::Reject { retry_after_s } => {
                self.tally.rejected += 1;
                checks::retry_after(retry_after_s)?;
            }
            Decision::Nowhere => {
                self.tally.nowhere += 1;
                checks::nobody_could(self, &flow)?;
            }
        }
        checks::all(self)
    }

    fn note_served(&mut self, flow: &Flow<'_>) -> Checked {
        self.tally.served += 1;
        if flow.holding != Holding::Here {
            return Err("a node serves what it has not".into());
        }
        if flow.bytes >= MIN_OFFLOAD_BYTES {
            self.model.here.0 += 1;
            self.model.here.1 += flow.bytes;
        }
        Ok(())
    }

    fn note_redirected(
        &mut self,
        flow: &Flow<'_>,
        slot: usize,
        dispatch: overspill_core::dispatch::DispatchId,
    ) -> Checked {
        self.tally.redirected += 1;
        if dispatch.0 <= self.last_dispatch {
            return Err(format!("{dispatch:?} was named before"));
        }
        self.last_dispatch = dispatch.0;
        let id = self.dispatcher.fleet().members()[slot].id().clone();
        let (at, bytes) = (self.now, flow.bytes);
        let pending = Pending {
            id: dispatch,
            bytes,
            at,
        };
        if let Some(member) = self.model.find(&id) {
            member.pending.push(pending);
        }
        // Most clients arrive; some do not follow redirects, or cannot.
        let arrives = self.random.u32(0..10) > 0;
        let node = self.nodes.iter_mut().find(|node| *node.id() == id);
        if let Some(node) = node.filter(|node| node.is_up && arrives) {
            node.take(dispatch, bytes);
        }
        Ok(())
    }

    /// Takes out what the dispatcher wants done, and does it.
    fn drain_outputs(&mut self, at_once: Option<&MemberId>) -> Checked {
        let mut released = Vec::new();
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Fleet(event) => self.note_event(&event, at_once)?,
                Output::Unreachable(..) => {}
                Output::Released(waiter) => {
                    self.tally.released += 1;
                    released.push(self.take_waiter(waiter)?);
                }
                Output::Refused(waiter, retry_after_s) => {
                    self.tally.refused += 1;
                    checks::retry_after(retry_after_s)?;
                    self.take_waiter(waiter)?;
                }
            }
        }
        for mut asked in released {
            asked.flow.turn = Turn::Waited;
            self.ask(asked)?;
        }
        Ok(())
    }

    fn drain_fleet_events(&mut self, at_once: Option<&MemberId>) -> Checked {
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Fleet(event) => self.note_event(&event, at_once)?,
                Output::Unreachable(..) => {}
                other => return Err(format!("{other:?} of a decision")),
            }
        }
        Ok(())
    }

    /// One who waited is answered: that has to be one who is waiting.
    fn take_waiter(&mut self, waiter: WaiterId) -> Result<Asked, String> {
        let is_waiting = self.model.waiting.remove(&waiter).is_some();
        let at = self.asked.iter().position(|(id, _)| *id == waiter);
        match at {
            Some(at) if is_waiting => Ok(self.asked.swap_remove(at).1),
            _ => Err(format!("{waiter:?} is answered and does not wait")),
        }
    }

    fn note_event(&mut self, event: &FleetEvent, at_once: Option<&MemberId>) -> Checked {
        let trust = match event.change {
            Change::State { .. } => return Ok(()),
            Change::Spared => {
                self.tally.spared += 1;
                return Ok(());
            }
            Change::Ejected(_) if at_once == Some(&event.member) => {
                self.tally.ejected_at_once += 1;
                Trust::Ejected
            }
            Change::Ejected(_) => {
                self.tally.ejected += 1;
                checks::half_is_trusted(&self.dispatcher, &event.member)?;
                Trust::Ejected
            }
            Change::Probation => Trust::OneFlow,
            Change::Trusted => {
                self.tally.trusted += 1;
                Trust::Full
            }
        };
        if let Some(member) = self.model.find(&event.member) {
            member.trust = trust;
        }
        Ok(())
    }

    /// A client at an address, by how it asks.
    pub(super) fn a_client(&mut self) -> IpAddr {
        let number = self.random.u8(1..20);
        match self.random.u32(0..3) {
            0 => IpAddr::from([0x2001, 0xdb8, u16::from(number), 0, 0, 0, 0, 1]),
            _ => IpAddr::from([198, 51, number, 7]),
        }
    }
}

impl Asked {
    /// The flow, with its list.
    pub(super) fn flow(&self) -> Flow<'_> {
        Flow {
            avoid: &self.avoid,
            ..self.flow
        }
    }
}

/// Whom the input ejects whatever the fleet can do without.
fn at_once<'a>(input: &Input<'a>) -> Option<&'a MemberId> {
    match input {
        Input::Weighed(id, Evidence::Corrupt) => Some(id),
        _ => None,
    }
}
