//! One run: a farm, a stream of flows, a rule that says where each goes, and what came of it.
//!
//! The first tenth is thrown away, because the farm starts idle. It must never be a function of
//! anything but its setup and its seed.

use fastrand::Rng;

use crate::{
    agenda::Agenda,
    board::{Board, Own},
    chooser::Chooser,
    farm::Farm,
    law::{ArrivalLaw, Arrivals, SizeLaw},
    random::{Seed, Stream},
    station::{Flow, FlowId, Station},
    stats::{BatchMeans, Decades, Quantiles},
    time::Time,
};

/// What is asked of a farm.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// When flows come.
    pub arrivals: ArrivalLaw,
    /// How long they are.
    pub sizes: SizeLaw,
    /// The fastest one of them can go; infinite for no cap.
    pub rate_max: f64,
    /// What the chooser knows.
    pub knowledge: Knowledge,
    /// How many flows are measured.
    pub flows: u64,
    /// What all chance follows from.
    pub seed: Seed,
}

/// What a chooser knows of the farm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knowledge {
    /// A board that is written every so many seconds.
    Board {
        /// Seconds from one writing to the next.
        every_s: f64,
        /// Whether own dispatches are added in between.
        own: Own,
    },
    /// Everything, at once.
    Fresh,
}

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// Seconds from arrival to end.
    pub time_s: BatchMeans,
    /// Those, by quantile.
    pub times_s: Quantiles,
    /// Seconds as a multiple of what the flow would take alone on the fastest node.
    pub slowdown: BatchMeans,
    /// Slowdowns by decade of size.
    pub decades: Decades,
}

/// Measured flows come after a tenth as many that are not.
const WARM_UP_DIVISOR: u64 = 10;

/// A farm that cannot keep up may never end what it was given: a run is over, at the latest, when so
/// many times as many flows have come as are measured.
const ARRIVALS_RATIO_MAX: u64 = 4;

/// Runs `setup` on a farm that is idle.
///
/// Flows keep coming until the last measured one has ended: a run that stopped before would forget
/// just those that take longest.
pub fn run<S: Station>(farm: Farm<S>, setup: &Setup, chooser: &mut dyn Chooser) -> Summary {
    let mut run = Run::new(farm, setup);
    while !run.is_over() {
        run.step(chooser);
    }
    run.summary
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrival,
    Writing,
}

struct Run<'a, S> {
    setup: &'a Setup,
    farm: Farm<S>,
    board: Option<Board>,
    agenda: Agenda<Event>,
    arrivals: Arrivals,
    sizes: Rng,
    choices: Rng,
    arrived: u64,
    fastest: f64,
    summary: Summary,
}

impl<'a, S: Station> Run<'a, S> {
    fn new(farm: Farm<S>, setup: &'a Setup) -> Self {
        let capacities: Vec<f64> = farm.stations().iter().map(Station::capacity).collect();
        let fastest = capacities.iter().copied().fold(0.0, f64::max);
        let mut agenda = Agenda::new();
        let mut arrivals = Arrivals::new(setup.arrivals, setup.seed.stream(Stream::Arrivals));
        agenda.insert(arrivals.next_at(), Event::Arrival);
        let board = match setup.knowledge {
            Knowledge::Board { every_s, own } => {
                agenda.insert(Time::from_secs(every_s), Event::Writing);
                Some(Board::new(capacities, own))
            }
            Knowledge::Fresh => None,
        };
        Self {
            setup,
            farm,
            board,
            agenda,
            arrivals,
            sizes: setup.seed.stream(Stream::Sizes),
            choices: setup.seed.stream(Stream::Choices),
            arrived: 0,
            fastest: fastest.min(setup.rate_max),
            summary: Summary::new(setup.flows),
        }
    }

    fn is_over(&self) -> bool {
        let flows = self.setup.flows;
        self.summary.time_s.seen() == flows || self.arrived > flows * ARRIVALS_RATIO_MAX
    }

    /// Lets the next thing happen; departures come before what is due at the same time.
    fn step(&mut self, chooser: &mut dyn Chooser) {
        let due = self.agenda.next_at();
        let departure = self.farm.next_departure();
        if departure.is_some_and(|end| due.is_none_or(|due| end <= due)) {
            self.depart();
        } else {
            match self.agenda.take_next() {
                Some((now, Event::Arrival)) => self.arrive(now, chooser),
                Some((now, Event::Writing)) => self.write(now),
                None => {}
            }
        }
    }

    fn arrive(&mut self, now: Time, chooser: &mut dyn Chooser) {
        let size = self.setup.sizes.draw(&mut self.sizes);
        let at = match &mut self.board {
            Some(board) => {
                let at = chooser.choose(size, board, &mut self.choices);
                board.dispatched(at);
                at
            }
            None => chooser.choose(size, &self.farm.truth(now), &mut self.choices),
        };
        let flow = Flow {
            id: FlowId(self.arrived),
            arrived: now,
            size,
            rate_max: self.setup.rate_max,
        };
        self.arrived += 1;
        self.farm.start(at, now, flow);
        self.agenda.insert(self.arrivals.next_at(), Event::Arrival);
    }

    fn write(&mut self, now: Time) {
        if let (Some(board), Knowledge::Board { every_s, .. }) =
            (&mut self.board, self.setup.knowledge)
        {
            board.write(self.farm.stations().iter().map(Station::flows));
            self.agenda.insert(now + every_s, Event::Writing);
        }
    }

    fn depart(&mut self) {
        let Some((now, _, flow)) = self.farm.depart() else {
            return;
        };
        let first = self.setup.flows / WARM_UP_DIVISOR;
        if (first..first + self.setup.flows).contains(&flow.id.0) {
            self.summary.observe(now, &flow, self.fastest);
        }
    }
}

impl Summary {
    fn new(flows: u64) -> Self {
        Self {
            time_s: BatchMeans::new(flows),
            times_s: Quantiles::new(),
            slowdown: BatchMeans::new(flows),
            decades: Decades::default(),
        }
    }

    fn observe(&mut self, now: Time, flow: &Flow, fastest: f64) {
        let time_s = now - flow.arrived;
        let slowdown = time_s * fastest / flow.size;
        self.time_s.observe(time_s);
        self.times_s.observe(time_s);
        self.slowdown.observe(slowdown);
        self.decades.observe(flow.size, slowdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chooser::{InTurn, Nodes, Uniform},
        station::{FcfsQueue, SharingLink},
    };

    fn setup(rate: f64, flows: u64) -> Setup {
        Setup {
            arrivals: ArrivalLaw::Poisson { rate },
            sizes: SizeLaw::Exponential(1.0),
            rate_max: f64::INFINITY,
            knowledge: Knowledge::Fresh,
            flows,
            seed: Seed(1),
        }
    }

    fn links(count: usize) -> Farm<SharingLink> {
        Farm::new((0..count).map(|_| SharingLink::new(1.0)).collect())
    }

    /// Writes down what passes by.
    #[derive(Debug)]
    struct Witness<C>(C, Vec<f64>);

    impl<C: Chooser> Chooser for Witness<C> {
        fn choose(&mut self, size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
            self.1.push(size);
            self.0.choose(size, nodes, random)
        }
    }

    #[test]
    fn every_rule_is_asked_about_the_same_flows() {
        let setup = setup(1.0, 500);
        let mut one = Witness(InTurn::default(), Vec::new());
        let mut other = Witness(Uniform, Vec::new());
        run(links(4), &setup, &mut one);
        run(links(4), &setup, &mut other);
        let common = one.1.len().min(other.1.len());
        assert!(common >= 550);
        assert_eq!(one.1[..common], other.1[..common]);
    }

    #[test]
    fn a_farm_that_cannot_keep_up_ends_all_the_same() {
        let summary = run(
            Farm::new(vec![FcfsQueue::new(1)]),
            &setup(10.0, 1_000),
            &mut Uniform,
        );
        assert!(summary.time_s.seen() < 1_000);
    }

    #[test]
    fn a_board_shows_what_was_and_own_dispatches_on_top() {
        /// Sends every flow to the first node and notes how many flows it is said to have.
        #[derive(Debug)]
        struct First(Vec<f64>);

        impl Chooser for First {
            fn choose(&mut self, _size: f64, nodes: &dyn Nodes, _random: &mut Rng) -> usize {
                self.0.push(nodes.flows(0));
                0
            }
        }
        let seen = |own| {
            let knowledge = Knowledge::Board { every_s: 1e9, own };
            let setup = Setup {
                knowledge,
                ..setup(0.1, 50)
            };
            let mut first = First(Vec::new());
            run(links(2), &setup, &mut first);
            first.0
        };
        assert!(seen(Own::Ignored).iter().all(|flows| *flows == 0.0));
        let counted = seen(Own::Counted);
        assert!(
            counted
                .iter()
                .enumerate()
                .all(|(at, flows)| *flows == at as f64)
        );
    }
}
