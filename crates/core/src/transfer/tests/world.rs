//! A network for the scheduler: each link is one host, shared evenly by its requests.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use super::*;

/// A source and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    bytes_per_s: f64,
    pub(super) rtt: Duration,
    pub(super) fate: Fate,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Corrupt,
    DiesAt(Duration),
    Fine,
    SilentAt(Duration),
    /// A hundredth of its rate until then.
    SlowUntil(Duration),
}

#[derive(Debug)]
pub(super) enum Outcome {
    Done {
        time: Duration,
        received: u64,
        news: Vec<(SourceId, News)>,
    },
    GaveUp {
        reason: Reason,
        time: Duration,
        refreshes: u32,
    },
}

pub(super) struct World {
    scheduler: Scheduler,
    limits: Limits,
    links: Vec<Link>,
    order: Order,
    begun: Instant,
    now: Instant,
    lanes: BTreeMap<RequestId, Lane>,
    brought: Vec<u32>,
    received: u64,
    news: Vec<(SourceId, News)>,
    refreshes: u32,
    seed: u64,
}

#[derive(Debug)]
struct Lane {
    link: usize,
    pieces: Range<u32>,
    at: f64,
    next: u32,
    head: Instant,
    has_head: bool,
}

impl Link {
    pub(super) fn new(mib_per_s: f64) -> Self {
        Self {
            bytes_per_s: mib_per_s * MIB as f64,
            rtt: Duration::from_millis(20),
            fate: Fate::Fine,
        }
    }

    fn rate(&self, time: Duration) -> f64 {
        match self.fate {
            Fate::SilentAt(at) if time >= at => 0.0,
            Fate::SlowUntil(until) if time < until => self.bytes_per_s / 100.0,
            _ => self.bytes_per_s,
        }
    }

    fn is_dead(&self, time: Duration) -> bool {
        matches!(self.fate, Fate::DiesAt(at) if time >= at)
    }
}

impl World {
    pub(super) fn new(size: u64, links: Vec<Link>, seed: u64) -> Self {
        let limits = Limits::default();
        let now = Instant::now();
        let pieces = Pieces::new(size, PIECE_BYTES);
        let brought = vec![0; pieces.count() as usize];
        // The seed moves the phase between the links' round trips and the ticks.
        let mut random = fastrand::Rng::with_seed(seed);
        let links = links.into_iter().map(|link| {
            let rtt = link.rtt + Duration::from_millis(random.u64(0..20));
            Link { rtt, ..link }
        });
        Self {
            scheduler: Scheduler::new(pieces, Order::Any, limits, now),
            limits,
            links: links.collect(),
            order: Order::Any,
            begun: now,
            now,
            lanes: BTreeMap::new(),
            brought,
            received: 0,
            news: Vec::new(),
            refreshes: 0,
            seed,
        }
    }

    pub(super) fn random(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let size = random.u64(1..200 * MIB);
        let count = random.usize(1..=8);
        let link = |random: &mut fastrand::Rng| {
            let mut link = Link::new(0.2 + random.f64() * random.f64() * 20.0);
            link.rtt = Duration::from_millis(random.u64(1..200));
            let at = Duration::from_millis(random.u64(0..8000));
            link.fate = match random.u32(0..10) {
                0 => Fate::Corrupt,
                1 => Fate::DiesAt(at),
                2 => Fate::SilentAt(at),
                3 => Fate::SlowUntil(at * 2),
                _ => Fate::Fine,
            };
            link
        };
        let links = (0..count).map(|_| link(&mut random)).collect();
        let mut world = Self::new(size, links, seed);
        world.limits = Limits {
            budget_bytes: random.u64(1..=64) << 20,
            connections_max: random.u32(1..=16),
            per_host_max: random.u32(1..=4),
            ..Limits::default()
        };
        let order = [Order::Any, Order::InOrder][random.usize(0..2)];
        world.restart(order);
        world
    }

    pub(super) fn in_order(&mut self) {
        self.restart(Order::InOrder);
    }

    fn restart(&mut self, order: Order) {
        let pieces = self.scheduler.pieces().clone();
        self.order = order;
        self.scheduler = Scheduler::new(pieces, order, self.limits, self.now);
    }

    pub(super) fn has_good_source(&self) -> bool {
        let good = |link: &Link| matches!(link.fate, Fate::Fine | Fate::SlowUntil(_));
        self.links.iter().any(good)
    }

    pub(super) fn run(mut self) -> Outcome {
        self.find_sources();
        for step in 0..STEPS_MAX {
            while let Some(action) = self.scheduler.poll(self.now) {
                if let Some(outcome) = self.carry_out(action) {
                    return outcome;
                }
                self.check();
            }
            self.now += STEP;
            self.advance();
            if step % 10 == 0 {
                self.scheduler.handle(self.now, Event::Tick);
            }
        }
        panic!("seed {}: no end", self.seed);
    }

    fn time(&self) -> Duration {
        self.now - self.begun
    }

    fn find_sources(&mut self) {
        for at in 0..self.links.len() as u32 {
            let (source, host) = (SourceId(at), HostId(at));
            self.scheduler
                .handle(self.now, Event::Added { source, host });
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::Start {
                request,
                source,
                pieces,
            } => self.open(request, source, pieces),
            Action::Cancel { request } => drop(self.lanes.remove(&request)),
            Action::Shorten { request, end } => {
                let lane = self.lanes.get_mut(&request).expect("it is running");
                assert!(
                    end < lane.pieces.end && end > lane.next,
                    "seed {}",
                    self.seed
                );
                lane.pieces.end = end;
            }
            Action::Tell { source, news } => self.news.push((source, news)),
            Action::Refresh => {
                self.refreshes += 1;
                self.lanes.clear();
                self.find_sources();
                self.scheduler.handle(self.now, Event::Refreshed);
            }
            Action::Finish => {
                assert!(
                    self.brought.iter().all(|&times| times == 1),
                    "seed {}",
                    self.seed
                );
                return Some(Outcome::Done {
                    time: self.time(),
                    received: self.received,
                    news: std::mem::take(&mut self.news),
                });
            }
            Action::GiveUp(reason) => {
                return Some(Outcome::GaveUp {
                    reason,
                    time: self.time(),
                    refreshes: self.refreshes,
                });
            }
        }
        None
    }

    fn open(&mut self, request: RequestId, source: SourceId, pieces: Range<u32>) {
        let link = source.0 as usize;
        let lane = Lane {
            link,
            at: self.scheduler.pieces().span(&pieces).start as f64,
            next: pieces.start,
            pieces,
            head: self.now + self.links[link].rtt,
            has_head: false,
        };
        assert!(self.lanes.insert(request, lane).is_none());
    }

    fn advance(&mut self) {
        let time = self.time();
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            let Some(lane) = self.lanes.get(&id) else {
                continue; // Another lane of this step ended it.
            };
            let link = self.links[lane.link].clone();
            if self.now < lane.head {
                continue;
            }
            if link.is_dead(time) {
                self.end(id, End::Broken);
            } else if !lane.has_head {
                self.lanes.get_mut(&id).expect("it is there").has_head = true;
                let (request, resumed_bytes) = (id, 0);
                let began = Event::Began {
                    request,
                    resumed_bytes,
                };
                self.scheduler.handle(self.now, began);
            } else {
                let at_link = self
                    .lanes
                    .values()
                    .filter(|it| it.link == lane.link && it.has_head);
                let share = link.rate(time) * STEP.as_secs_f64() / at_link.count() as f64;
                self.bring(id, share, link.fate);
            }
        }
    }

    fn bring(&mut self, id: RequestId, bytes: f64, fate: Fate) {
        let lane = self.lanes.get_mut(&id).expect("it is there");
        let span = self.scheduler.pieces().span(&lane.pieces);
        let before = lane.at;
        lane.at = (lane.at + bytes).min(span.end as f64);
        let came = lane.at as u64 - before as u64;
        self.received += came;
        self.scheduler.handle(
            self.now,
            Event::Received {
                request: id,
                bytes: came,
            },
        );
        while let Some(lane) = self.lanes.get_mut(&id) {
            let piece = lane.next;
            let end = self.scheduler.pieces().span(&(piece..piece + 1)).end;
            if piece >= lane.pieces.end || lane.at < end as f64 {
                break;
            }
            lane.next += 1;
            let source = SourceId(lane.link as u32);
            if fate == Fate::Corrupt {
                let (blame, bytes) = (Blame::Source, PIECE_BYTES);
                self.scheduler.handle(
                    self.now,
                    Event::Refuted {
                        source,
                        blame,
                        bytes,
                    },
                );
                self.end(id, End::Left);
                return;
            }
            self.brought[piece as usize] += u32::from(!self.scheduler.pieces().is_verified(piece));
            self.scheduler
                .handle(self.now, Event::Verified { request: id, piece });
            let before = self.scheduler.pieces().first_missing();
            self.scheduler.handle(self.now, Event::Written { before });
        }
        if self
            .lanes
            .get(&id)
            .is_some_and(|lane| lane.next >= lane.pieces.end)
        {
            self.end(id, End::Complete);
        }
    }

    fn end(&mut self, request: RequestId, end: End) {
        self.lanes.remove(&request);
        self.scheduler
            .handle(self.now, Event::Ended { request, end });
    }

    fn check(&self) {
        let seed = self.seed;
        assert!(
            self.lanes.len() <= self.limits.connections_max as usize + 1,
            "seed {seed}"
        );
        let mut held = 0;
        for (at, _) in self.links.iter().enumerate() {
            let at_host = self.lanes.values().filter(|lane| lane.link == at).count();
            assert!(at_host <= self.limits.per_host_max as usize, "seed {seed}");
        }
        let mut holders: BTreeMap<u32, u32> = BTreeMap::new();
        for lane in self.lanes.values() {
            held += self
                .scheduler
                .pieces()
                .bytes_of(&(lane.next..lane.pieces.end));
            (lane.next..lane.pieces.end).for_each(|piece| *holders.entry(piece).or_default() += 1);
        }
        let is_open = |piece: &u32| !self.scheduler.pieces().is_verified(*piece);
        let most = holders
            .iter()
            .filter(|(piece, _)| is_open(piece))
            .map(|(_, count)| count);
        assert!(most.max().copied().unwrap_or(0) <= 2, "seed {seed}");
        assert!(
            held <= self.limits.budget_bytes + PIECE_BYTES,
            "seed {seed}: {held}"
        );
    }
}

const STEP: Duration = Duration::from_millis(10);
const STEPS_MAX: u32 = 200_000;
