//! R2, exact results: one queue or one link at a time, against formulas.

use super::{Scale, each_cell};
use crate::{
    chooser::Uniform,
    experiment::{self, Knowledge, Setup, Summary},
    farm::Farm,
    formulas,
    law::{ArrivalLaw, SizeLaw},
    random::Seed,
    sheet::{Figure, Sheet},
    station::{FcfsQueue, SharingLink, Station},
    stats::BatchMeans,
};

const TOLERANCE: f64 = 0.02;

/// Flows per cell at full size; more where sizes vary so much that a mean settles late.
const FLOWS: u64 = 10_000_000;
const FLOWS_OF_HEAVY_TAILS: u64 = 30_000_000;

/// A decade of sizes with a smaller share of the flows is not judged: too few for 2 %.
const DECADE_SHARE_MIN: f64 = 0.01;

#[derive(Clone, Copy, Debug)]
enum Cell {
    /// One server, first come first served: mean time.
    Fcfs(&'static str, SizeLaw, f64),
    /// One server, exponential sizes: tail of the time.
    Tail(f64),
    /// Several servers behind one queue: mean time.
    Servers(u32, f64),
    /// One link, no caps: slowdown in each decade.
    Sharing(&'static str, SizeLaw, f64),
    /// One link that so many flows at their cap fill: mean slowdown.
    Capped(&'static str, SizeLaw, u32, f64),
}

pub(super) fn fill(sheet: &mut Sheet, seed: Seed, scale: Scale) {
    let figures = each_cell(&cells(), |cell| cell.figures(seed, scale));
    figures
        .into_iter()
        .flatten()
        .for_each(|figure| sheet.figure(figure));
}

fn cells() -> Vec<Cell> {
    let fixed = ("fixed sizes", SizeLaw::Deterministic(1.0));
    let h2 = ("H2 with C2 = 10", SizeLaw::balanced_hyperexponential(10.0));
    let pareto = ("bounded Pareto 1.5", SizeLaw::unit_bounded_pareto(1.5, 1e4));
    let lognormal = SizeLaw::Lognormal {
        median: 1.0,
        sigma: 1.5,
        min: 1e-3,
        max: 1e3,
    };
    let mut cells = vec![
        Cell::Fcfs("exponential", SizeLaw::Exponential(1.0), 0.8),
        Cell::Fcfs(fixed.0, fixed.1, 0.8),
        Cell::Fcfs(h2.0, h2.1, 0.5),
        Cell::Tail(0.5),
        Cell::Tail(0.8),
        Cell::Sharing("exponential", SizeLaw::Exponential(1.0), 0.8),
        Cell::Sharing(fixed.0, fixed.1, 0.8),
        Cell::Sharing(h2.0, h2.1, 0.7),
        Cell::Sharing(pareto.0, pareto.1, 0.7),
        Cell::Sharing("lognormal, sigma 1.5", lognormal, 0.7),
    ];
    for flows_at_cap in [2, 4, 8] {
        cells.push(Cell::Capped(h2.0, h2.1, flows_at_cap, 0.8));
        cells.push(Cell::Capped(fixed.0, fixed.1, flows_at_cap, 0.8));
    }
    for servers in [2, 4, 8, 16] {
        cells.extend([0.5, 0.7, 0.8, 0.9, 0.95].map(|ratio| Cell::Servers(servers, ratio)));
    }
    cells
}

impl Cell {
    fn figures(&self, seed: Seed, scale: Scale) -> Vec<Figure> {
        let run = |station, sizes, ratio| Single::run(station, sizes, ratio, seed, scale);
        match *self {
            Self::Fcfs(name, sizes, ratio) => {
                let summary = run(Single::Queue(1), sizes, ratio);
                let what = format!("M/G/1 {name}, load {ratio}");
                let rate = ratio / sizes.mean();
                let exact = formulas::mg1_fcfs_time(rate, sizes.mean(), sizes.second_moment());
                vec![judged(what, &summary.time_s, exact)]
            }
            Self::Tail(ratio) => tail(
                &run(Single::Queue(1), SizeLaw::Exponential(1.0), ratio),
                ratio,
            ),
            Self::Servers(servers, ratio) => {
                let summary = run(Single::Queue(servers), SizeLaw::Exponential(1.0), ratio);
                let exact = formulas::mmk_time(servers, ratio);
                let what = format!("M/M/{servers}, load {ratio}");
                vec![judged(what, &summary.time_s, exact)]
            }
            Self::Sharing(name, sizes, ratio) => {
                let summary = run(Single::Link(1), sizes, ratio);
                by_decade(name, &summary, formulas::mg1_sharing_slowdown(ratio), ratio)
            }
            Self::Capped(name, sizes, flows_at_cap, ratio) => {
                let summary = run(Single::Link(flows_at_cap), sizes, ratio);
                let exact = formulas::capped_sharing_slowdown(flows_at_cap, ratio);
                let what = format!("M/G/{flows_at_cap}-PS {name}, load {ratio}, slowdown");
                vec![judged(what, &summary.slowdown, exact)]
            }
        }
    }
}

fn judged(what: String, ours: &BatchMeans, expected: f64) -> Figure {
    Figure {
        what,
        ours: ours.mean(),
        half_width: ours.half_width_95(),
        expected,
        tolerance: TOLERANCE,
    }
}

fn tail(summary: &Summary, ratio: f64) -> Vec<Figure> {
    let mean = &summary.time_s;
    // Times at which the tail is 1/2, 1/10 and 1/100.
    [0.5, 0.1, 0.01]
        .map(|share: f64| {
            let t = -share.ln() / (1.0 - ratio);
            let expected = formulas::mm1_tail(ratio, t);
            Figure {
                what: format!("M/M/1, load {ratio}, P(T > {t:.2})"),
                ours: summary.times_s.share_above(t),
                // exp(-t / E) moves by t / E times as much as E does, relatively.
                half_width: expected * t * mean.half_width_95() / mean.mean().powi(2),
                expected,
                tolerance: TAIL_TOLERANCE,
            }
        })
        .into()
}

/// The histogram tells times apart to 0.3 %, which shifts a tail of 1 % by another percent.
const TAIL_TOLERANCE: f64 = 0.04;

fn by_decade(name: &str, summary: &Summary, exact: f64, ratio: f64) -> Vec<Figure> {
    let all = summary.slowdown.seen() as f64;
    let decades = summary.decades.iter();
    let mut figures: Vec<Figure> = decades
        .filter(|(_, decade)| decade.flows() as f64 >= DECADE_SHARE_MIN * all)
        .map(|(power, decade)| Figure {
            what: format!("M/G/1-PS {name}, load {ratio}, sizes 1e{power}"),
            ours: decade.mean(),
            // Decades share one link, so each moves with the mean of all.
            half_width: summary.slowdown.half_width_95(),
            expected: exact,
            tolerance: TOLERANCE,
        })
        .collect();
    let what = format!("M/G/1-PS {name}, load {ratio}, all sizes");
    figures.push(judged(what, &summary.slowdown, exact));
    figures
}

/// A farm of one.
#[derive(Clone, Copy, Debug)]
enum Single {
    /// A link that so many flows at their cap of 1 fill; of one flow, without caps.
    Link(u32),
    /// A queue before so many servers.
    Queue(u32),
}

impl Single {
    fn run(self, sizes: SizeLaw, ratio: f64, seed: Seed, scale: Scale) -> Summary {
        let (places, rate_max) = match self {
            Self::Link(1) => (1, f64::INFINITY),
            Self::Link(places) => (places, 1.0),
            Self::Queue(places) => (places, f64::INFINITY),
        };
        let rate = ratio * f64::from(places) / sizes.mean();
        let is_heavy = sizes.second_moment() > 5.0 * sizes.mean().powi(2);
        let full = if is_heavy {
            FLOWS_OF_HEAVY_TAILS
        } else {
            FLOWS
        };
        let setup = Setup {
            arrivals: ArrivalLaw::Poisson { rate },
            sizes,
            rate_max,
            knowledge: Knowledge::Fresh,
            flows: scale.flows(full),
            seed,
        };
        match self {
            Self::Link(_) => measure(SharingLink::new(f64::from(places)), &setup),
            Self::Queue(_) => measure(FcfsQueue::new(places as usize), &setup),
        }
    }
}

fn measure<S: Station>(station: S, setup: &Setup) -> Summary {
    experiment::run(Farm::new(vec![station]), setup, &mut Uniform)
}
