//! A mirror as it is, whatever the dispatcher believes.
//!
//! It must never tell what is not so: the network, not the mirror, is what lies here.

use fastrand::Rng;
use overspill_core::{
    catalog::Revision,
    dispatch::DispatchId,
    fleet::{Condition, Held, Hello, MemberId, Reach, Report},
    load::LoadHistogram,
    root::Root,
    units::Rate,
};

/// A file that was published.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub(super) root: Root,
    pub(super) revision: Revision,
}

/// One mirror.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) hello: Hello,
    pub(super) is_up: bool,
    pub(super) complete: Revision,
    /// What it holds beyond `complete`.
    pub(super) held: Vec<Root>,
    pub(super) condition: Condition,
    pub(super) capacity: Rate,
    /// Remaining bytes of its flows.
    pub(super) flows: Vec<u64>,
    /// Clients that arrived since the last report.
    pub(super) arrived: Vec<DispatchId>,
    seq: u64,
    served: u64,
    cut: u64,
    errors: u64,
}

impl Node {
    pub(super) fn new(number: usize, random: &mut Rng) -> Self {
        let id: MemberId = format!("m-{number}").parse().expect("a member's name");
        let url = match random.u32(0..6) {
            0 => format!("https://{id}.example"),
            1 => format!("http://10.0.0.{number}:8080"),
            2 => format!("http://[2001:db8::{number}]:8080"),
            _ => format!("http://{id}.example"),
        };
        Self {
            hello: Hello {
                member: id,
                url,
                epoch: 1,
                version: String::new(),
                zone: None,
                reach: Reach::default(),
            },
            is_up: false,
            complete: Revision::ZERO,
            held: Vec::new(),
            condition: Condition::Normal,
            capacity: Rate::from_bytes_per_s(1e6 * f64::from(1 << random.u32(0..7))),
            flows: Vec::new(),
            arrived: Vec::new(),
            seq: 0,
            served: 0,
            cut: 0,
            errors: 0,
        }
    }

    pub(super) fn id(&self) -> &MemberId {
        &self.hello.member
    }

    /// Starts anew, as another process.
    pub(super) fn boot(&mut self) {
        self.hello.epoch += 1;
        self.is_up = true;
        self.flows.clear();
        self.arrived.clear();
        (self.seq, self.served, self.cut, self.errors) = (0, 0, 0, 0);
    }

    /// A client arrives by this dispatch.
    pub(super) fn take(&mut self, dispatch: DispatchId, bytes: u64) {
        self.arrived.push(dispatch);
        if self.flows.len() < FLOWS_MAX {
            self.flows.push(bytes);
        }
    }

    /// Whether it has the file, by its own books.
    pub(super) fn holds(&self, file: &File) -> bool {
        file.revision <= self.complete || self.held.contains(&file.root)
    }

    /// Some flows end, well or badly.
    pub(super) fn work(&mut self, random: &mut Rng) {
        let ends = random.usize(0..=self.flows.len());
        for _ in 0..ends {
            let at = random.usize(0..self.flows.len());
            self.flows.swap_remove(at);
            match random.u32(0..10) {
                0 => self.cut += 1,
                1 => self.errors += 1,
                _ => self.served += 1,
            }
        }
        for left in &mut self.flows {
            *left = random.u64(0..=*left);
        }
    }

    /// Gets or loses content, or changes its mind about work.
    pub(super) fn change(&mut self, files: &[File], random: &mut Rng) {
        match random.u32(0..8) {
            0 => {
                self.condition = match random.u32(0..4) {
                    0 => Condition::Draining,
                    1 => Condition::Overloaded,
                    2 => Condition::DiskFull,
                    _ => Condition::Normal,
                }
            }
            1 => self.held.clear(),
            2 | 3 => self.condition = Condition::Normal,
            4..6 => self.held.extend(files.last().map(|file| file.root)),
            _ => {
                if let Some(file) = random.choice(files) {
                    self.complete = file.revision;
                }
            }
        }
        self.held.truncate(HELD_MAX);
    }

    /// The next report.
    pub(super) fn report(&mut self, random: &mut Rng) -> Report {
        self.seq += 1;
        let mut load = LoadHistogram::empty();
        load.extend(self.flows.iter().copied());
        let limited = random.u64(0..=self.flows.len() as u64);
        Report {
            condition: self.condition,
            load,
            flows_limited_by_client: limited,
            egress_bytes_per_s: self.capacity.bytes_per_s() * random.f64(),
            complete: self.complete,
            catalog: self.complete,
            held: Held::Replace(self.held.clone()),
            acknowledged: std::mem::take(&mut self.arrived),
            flows_served: self.served,
            flows_cut: self.cut,
            errors: self.errors,
            ..Report::idle(self.hello.epoch, self.seq, self.capacity)
        }
    }

    /// The next report of a mirror that is well, with one more flow served since the last.
    pub(super) fn calm_report(&mut self) -> Report {
        self.seq += 1;
        self.served += 1;
        self.flows.clear();
        self.condition = Condition::Normal;
        Report {
            complete: self.complete,
            catalog: self.complete,
            held: Held::Replace(self.held.clone()),
            acknowledged: std::mem::take(&mut self.arrived),
            flows_served: self.served,
            flows_cut: self.cut,
            errors: self.errors,
            ..Report::idle(self.hello.epoch, self.seq, self.capacity)
        }
    }
}

/// Most flows and contents of one node here; the product's caps have a test of their own.
const FLOWS_MAX: usize = 200;
const HELD_MAX: usize = 16;
