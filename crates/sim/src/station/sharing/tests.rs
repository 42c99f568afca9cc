//! The link against pencil and paper, and against a naive model that moves in small steps.

use proptest::prelude::*;

use super::*;

const UNCAPPED: f64 = f64::INFINITY;

fn flow(id: u64, size: f64, rate_max: f64) -> Flow {
    Flow {
        id: FlowId(id),
        arrived: Time::ZERO,
        size,
        rate_max,
    }
}

fn ends(link: &mut SharingLink) -> Vec<(u64, f64)> {
    std::iter::from_fn(|| {
        let at = link.next_departure()?;
        link.depart(at).map(|flow| (flow.id.0, at.as_secs()))
    })
    .collect()
}

#[test]
fn equal_flows_share_equally() {
    let mut link = SharingLink::new(1.0);
    link.start(Time::ZERO, flow(0, 1.0, UNCAPPED));
    link.start(Time::ZERO, flow(1, 2.0, UNCAPPED));
    link.start(Time::from_secs(1.0), flow(2, 0.25, UNCAPPED));
    // 0 and 1 have 0.5 and 1.5 to go at 1 s; thirds until 2 ends at 1.75, then halves.
    let ended = ends(&mut link);
    assert_eq!(ended, [(2, 1.75), (0, 2.25), (1, 3.25)]);
    assert_eq!(link.flows(), 0);
}

#[test]
fn what_a_capped_flow_leaves_the_others_take() {
    let mut link = SharingLink::new(10.0);
    link.start(Time::ZERO, flow(0, 8.0, 1.0));
    link.start(Time::ZERO, flow(1, 18.0, UNCAPPED));
    link.start(Time::ZERO, flow(2, 12.0, 6.0));
    // 1 for the first, 4.5 for each of the others until 2 ends at 8/3 s; then 9 for the second.
    let ended = ends(&mut link);
    assert_eq!(ended.iter().map(|end| end.0).collect::<Vec<_>>(), [2, 1, 0]);
    for (end, expected) in ended.iter().zip([8.0 / 3.0, 10.0 / 3.0, 8.0]) {
        assert!((end.1 - expected).abs() < 1e-9, "{ended:?}");
    }
}

#[test]
fn an_aborted_flow_returns_what_it_had_left_and_its_share() {
    let mut link = SharingLink::new(2.0);
    link.start(Time::ZERO, flow(0, 4.0, UNCAPPED));
    link.start(Time::ZERO, flow(1, 4.0, UNCAPPED));
    let (aborted, left) = link.abort(Time::from_secs(1.0), FlowId(0)).unwrap();
    assert_eq!((aborted.id, left), (FlowId(0), 3.0));
    assert_eq!(link.abort(Time::from_secs(1.0), FlowId(0)), None);
    assert_eq!(link.remaining(Time::from_secs(1.5), FlowId(1)), Some(2.0));
    assert_eq!(ends(&mut link), [(1, 2.5)]);
}

#[test]
fn a_capacity_of_zero_stops_everything_until_there_is_some_again() {
    let mut link = SharingLink::new(1.0);
    link.start(Time::ZERO, flow(0, 2.0, UNCAPPED));
    link.start(Time::ZERO, flow(1, 2.0, 0.25));
    link.change_capacity(Time::from_secs(1.0), 0.0);
    assert_eq!(link.next_departure(), None);
    assert_eq!(
        link.work_before(Time::from_secs(9.0), UNCAPPED),
        1.25 + 1.75
    );
    link.change_capacity(Time::from_secs(9.0), 1.5);
    assert_eq!(ends(&mut link), [(0, 10.0), (1, 16.0)]);
}

#[test]
fn the_histogram_is_of_what_remains() {
    let mut link = SharingLink::new(100.0);
    link.start(Time::ZERO, flow(0, 100.0, UNCAPPED));
    link.start(Time::ZERO, flow(1, 1000.0, UNCAPPED));
    let histogram = link.histogram(Time::from_secs(1.0));
    assert_eq!((histogram.flows(), histogram.bytes()), (2, 50 + 950));
}

/// The rates by water-filling, without any cleverness: raise the level until it is used up.
fn naive_rates(capacity: f64, caps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..caps.len()).collect();
    order.sort_by(|&a, &b| caps[a].total_cmp(&caps[b]));
    let mut rates = vec![0.0; caps.len()];
    let mut left = capacity;
    for (done, &at) in order.iter().enumerate() {
        rates[at] = caps[at].min(left / (caps.len() - done) as f64);
        left -= rates[at];
    }
    rates
}

#[derive(Clone, Debug)]
enum Step {
    Abort(usize),
    Capacity(f64),
    Start { size: f64, rate_max: f64 },
    Wait(f64),
}

fn step() -> impl Strategy<Value = Step> {
    let cap = prop_oneof![Just(UNCAPPED), 0.1..3.0_f64, Just(0.5)];
    prop_oneof![
        1 => (0_usize..8).prop_map(Step::Abort),
        1 => prop_oneof![Just(0.0), 0.5..4.0_f64].prop_map(Step::Capacity),
        4 => (0.1..5.0_f64, cap).prop_map(|(size, rate_max)| Step::Start { size, rate_max }),
        4 => (0.0..1.0_f64).prop_map(Step::Wait),
    ]
}

/// The same link, kept the slow way.
#[derive(Default)]
struct Naive {
    capacity: f64,
    flows: Vec<(FlowId, f64, f64)>,
}

impl Naive {
    /// Advances by `seconds`, and says who ended.
    fn wait(&mut self, mut seconds: f64) -> Vec<FlowId> {
        let mut ended = Vec::new();
        while !self.flows.is_empty() {
            let caps: Vec<f64> = self.flows.iter().map(|flow| flow.2).collect();
            let rates = naive_rates(self.capacity, &caps);
            let left = self.flows.iter().zip(&rates);
            let first = left
                .map(|(flow, rate)| flow.1 / rate)
                .fold(f64::INFINITY, f64::min);
            let stretch = first.min(seconds);
            for (flow, rate) in self.flows.iter_mut().zip(&rates) {
                flow.1 -= rate * stretch;
            }
            seconds -= stretch;
            if first > stretch || seconds <= 0.0 {
                break;
            }
            let (gone, stay) = self.flows.drain(..).partition(|flow| flow.1 < 1e-9);
            self.flows = stay;
            let gone: Vec<(FlowId, f64, f64)> = gone;
            ended.extend(gone.iter().map(|flow| flow.0));
        }
        ended
    }
}

proptest! {
    #[test]
    fn the_link_does_what_the_slow_model_does(steps in proptest::collection::vec(step(), 1..80)) {
        let mut link = SharingLink::new(1.0);
        let mut naive = Naive { capacity: 1.0, ..Naive::default() };
        let mut now = Time::ZERO;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Abort(at) => if let Some(&(id, left, _)) = naive.flows.get(at) {
                    naive.flows.remove(at);
                    let (_, ours) = link.abort(now, id).unwrap();
                    prop_assert!((ours - left).abs() < 1e-6);
                },
                Step::Capacity(capacity) => {
                    naive.capacity = capacity;
                    link.change_capacity(now, capacity);
                }
                Step::Start { size, rate_max } => {
                    let flow = flow(number as u64, size, rate_max);
                    naive.flows.push((flow.id, size, rate_max));
                    link.start(now, flow);
                }
                Step::Wait(seconds) => {
                    let until = now + seconds;
                    let mut ours = Vec::new();
                    while let Some(at) = link.next_departure().filter(|at| *at <= until) {
                        ours.push(link.depart(at).unwrap().id);
                    }
                    now = until;
                    let mut theirs = naive.wait(seconds);
                    ours.sort_unstable();
                    theirs.sort_unstable();
                    prop_assert_eq!(ours, theirs);
                }
            }
            for (id, left, _) in &naive.flows {
                let ours = link.remaining(now, *id).unwrap();
                prop_assert!((ours - left).abs() < 1e-6, "{ours} {left}");
            }
            let all: f64 = naive.flows.iter().map(|flow| flow.1.min(1.0)).sum();
            prop_assert!((link.work_before(now, 1.0) - all).abs() < 1e-5);
        }
    }
}
