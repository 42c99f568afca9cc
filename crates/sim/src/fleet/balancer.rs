//! The seam between a fleet and who dispatches.
//!
//! A balancer is asked for each request, hears reports, and may make a client wait. It must never keep
//! the farm it is shown beyond the question.

use std::fmt;

use fastrand::Rng;
use overspill_core::{dispatch::WaiterId, policy::PolicyKind};

use super::{
    Baseline, Rule, Setup, Sight,
    dispatched::{Dispatched, Joining},
    meter::Measured,
    request::Request,
};
use crate::{
    board::HistogramBoard,
    chooser::{ByPolicy, Chooser, Drawn, Least, Sampled, Weighted},
    farm::Farm,
    random::Stream,
    station::SharingLink,
    time::Time,
};

/// Who dispatches.
pub(super) trait Balancer: fmt::Debug {
    /// Who serves a request.
    fn decide(&mut self, now: Time, request: &Request, farm: &Farm<SharingLink>) -> Answer;

    /// A node's report arrived.
    fn heard(&mut self, now: Time, at: usize, report: Told<'_>);

    /// The connection to a node broke.
    fn lost(&mut self, _now: Time, _at: usize) {}

    /// A tenth of a second passed; the server's link, if it has one, is as shown.
    fn tick(&mut self, _now: Time, _server: Option<&SharingLink>) {}

    /// Whose waiting is over.
    fn poll(&mut self) -> Option<WaitEnd> {
        None
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// This node serves it.
    Node(usize),
    /// Nobody does.
    Refused,
    /// The client waits.
    Wait(WaiterId),
}

/// What a report tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// What the node just measured.
    Fresh(&'a Measured),
    /// Nothing new: what it measured some seconds ago, and nobody who came since.
    Repeated(&'a Measured),
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WaitEnd {
    /// In vain.
    Refused(WaiterId),
    /// It is its turn.
    Released(WaiterId),
}

/// The balancer of a setup.
pub(super) fn build(setup: &Setup) -> Box<dyn Balancer> {
    let (chooser, sight): (Box<dyn Chooser>, Sight) = match setup.rule {
        Rule::Product(kind) => return Box::new(Dispatched::new(setup, kind, Joining::All)),
        Rule::ServerAlone => {
            let alone = Dispatched::new(setup, PolicyKind::default(), Joining::Nobody);
            return Box::new(alone);
        }
        Rule::Policy(kind, sight) => (Box::new(ByPolicy::new(kind)), sight),
        Rule::Baseline(Baseline::Least(score), sight) => (Box::new(Least(score)), sight),
        Rule::Baseline(Baseline::StaticWeights, sight) => (Box::<Weighted>::default(), sight),
        Rule::Baseline(Baseline::TwoChoices, sight) => {
            (Box::new(Sampled::new(2, Drawn::WithoutReplacement)), sight)
        }
    };
    let told = setup.mirrors.iter().map(|mirror| mirror.told);
    let told = told.chain(setup.server.map(|server| server.capacity));
    let board = match sight {
        Sight::Board(own) => Some(HistogramBoard::new(told.collect(), own)),
        Sight::Truth => None,
    };
    Box::new(Chosen {
        chooser,
        board,
        random: setup.seed.stream(Stream::Choices),
    })
}

/// A rule of the simulator, on truth or on a board.
#[derive(Debug)]
struct Chosen {
    chooser: Box<dyn Chooser>,
    board: Option<HistogramBoard>,
    random: Rng,
}

/// How often a rule that knows nothing of failures is asked again for a client that avoids a node.
const ASKED_MAX: usize = 100;

impl Chosen {
    fn choose(&mut self, now: Time, size: f64, farm: &Farm<SharingLink>) -> usize {
        match &self.board {
            Some(board) => self.chooser.choose(size, board, &mut self.random),
            None => self
                .chooser
                .choose(size, &farm.truth(now), &mut self.random),
        }
    }
}

impl Balancer for Chosen {
    fn decide(&mut self, now: Time, request: &Request, farm: &Farm<SharingLink>) -> Answer {
        let chosen = (0..ASKED_MAX)
            .map(|_| self.choose(now, request.left(), farm))
            .find(|at| Some(*at) != request.avoid);
        let Some(at) = chosen else {
            return Answer::Refused;
        };
        if let Some(board) = &mut self.board {
            board.dispatched(at, request.bytes_left());
        }
        Answer::Node(at)
    }

    fn heard(&mut self, _now: Time, at: usize, report: Told<'_>) {
        if let (Some(board), Told::Fresh(measured)) = (&mut self.board, report) {
            board.write(at, &measured.load);
        }
    }
}
