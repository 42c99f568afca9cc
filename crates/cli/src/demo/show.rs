//! The show: the load, the outage in the middle of it, and the display, tick by tick.
//!
//! What is to be done comes from [`Outage`], what is to be seen goes into a [`Scene`]; here it is
//! only carried out. It must never help a download along.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use overspill_wire::status::{DecisionCounts, FleetStatus};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    display::Display,
    fleet::{Fleet, SERVER_CAPACITY, mirror_capacity},
    load::{self, Load},
    outage::{Act, Hit, Outage},
    scene::{Rates, Row, Scene, rows, total_bytes_per_s},
    screen::moment,
    summary::{Sender, Summary},
    tally::SERVER,
};

/// A show under way.
#[derive(Debug)]
struct Show<'run> {
    fleet: &'run mut Fleet,
    display: &'run mut Display,
    load: Arc<Load>,
    length: Duration,
    begun: Instant,
    outage: Outage,
    rates: Rates,
    rows: Vec<Row>,
    decisions: Option<DecisionCounts>,
    events: VecDeque<String>,
}

/// Puts the fleet under load for `length` and says what came of it.
pub(super) async fn run(
    fleet: &mut Fleet,
    display: &mut Display,
    load: Load,
    length: Duration,
) -> Result<Summary> {
    let load = Arc::new(load);
    let mut show = Show {
        fleet,
        display,
        load: Arc::clone(&load),
        length,
        begun: Instant::now(),
        outage: Outage::during(length),
        rates: Rates::default(),
        rows: Vec::new(),
        decisions: None,
        events: VecDeque::new(),
    };
    show.learn_names();
    let mut clients = load::start(&load);
    show.play(&mut clients).await?;
    let unfinished = load.tally.lock().running();
    let elapsed = show.begun.elapsed();
    // Whoever is still at it is counted as unfinished.
    clients.shutdown().await;
    show.until_over().await?;
    show.display.clear();
    Ok(show.summary(elapsed, unfinished))
}

impl Show<'_> {
    /// Lets the clients work for the length of the load and finish what they have begun.
    async fn play(&mut self, clients: &mut JoinSet<()>) -> Result<()> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Both may be cancelled: a tick comes again, a client stays in the set until joined.
            tokio::select! {
                _ = tick.tick() => self.act().await?,
                ended = clients.join_next() => match ended {
                    Some(ended) => ended?,
                    None => return Ok(()),
                },
            }
            if self.now() >= self.length {
                self.load.enough.cancel();
            }
            if self.now() >= self.length + FINISH_PATIENCE {
                return Ok(());
            }
        }
    }

    /// Waits for the mirror if the load ended before it was back.
    async fn until_over(&mut self) -> Result<()> {
        let patience = self.now() + RETURN_PATIENCE;
        let mut tick = interval(TICK);
        while self.outage.hit.is_some() && !self.outage.is_over() && self.now() < patience {
            tick.tick().await;
            self.act().await?;
        }
        Ok(())
    }

    /// One tick: look at everybody, do what is due, show it.
    async fn act(&mut self) -> Result<()> {
        self.fleet.check_alive()?;
        let status = self.fleet.status().await?;
        self.take_in(&status);
        match self.outage.due(self.now()) {
            Act::Kill => self.kill().await?,
            Act::KillIfBusy if self.busiest().1 > 0 => self.kill().await?,
            Act::KillIfBusy | Act::Nothing => {}
            Act::StartAgain(mirror) => self.start_again(mirror).await?,
            Act::Watch(mirror) => self.watch(mirror, &status),
        }
        self.show();
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        let (mirror, downloads) = self.busiest();
        let victim = &mut self.fleet.mirrors[mirror];
        victim.kill().await?;
        let (label, name) = (victim.label.clone(), victim.name.clone());
        self.outage.hit = Some(Hit {
            mirror,
            downloads,
            bytes_before: self.load.tally.lock().of(&name).bytes,
            killed: self.now(),
            ..Hit::default()
        });
        self.tell(&format!(
            "{label} killed (SIGKILL) with {downloads} downloads on it"
        ));
        Ok(())
    }

    async fn start_again(&mut self, mirror: usize) -> Result<()> {
        // From the start of the process, for that is what an operator waits for.
        let started = self.now();
        let node = self.fleet.mirrors[mirror].start_again().await?;
        let event = format!(
            "{} started again over its store, at {}",
            node.label, node.url
        );
        if let Some(hit) = &mut self.outage.hit {
            hit.started_again = Some(started);
        }
        self.learn_names();
        self.tell(&event);
        Ok(())
    }

    fn watch(&mut self, mirror: usize, status: &FleetStatus) {
        let (now, mirror) = (self.now(), &self.fleet.mirrors[mirror]);
        if let Some(hit) = &mut self.outage.hit
            && mirror.is_ready(status)
        {
            hit.ready_again = Some(now);
            let took = now.saturating_sub(hit.started_again.unwrap_or(now));
            let event = format!(
                "{} holds everything again, after {}",
                mirror.label,
                moment(took)
            );
            self.tell(&event);
        }
    }

    /// The mirror with most downloads on it, and how many.
    fn busiest(&self) -> (usize, u64) {
        let tally = self.load.tally.lock();
        let mirrors = self.fleet.mirrors.iter().enumerate();
        let downloads = mirrors.map(|(at, mirror)| (at, tally.of(&mirror.name).in_flight));
        // Of equals the first, which is the one with most capacity.
        downloads
            .rev()
            .max_by_key(|&(_, downloads)| downloads)
            .unwrap_or((0, 0))
    }

    /// Remembers what the server says, and tells what is new in it.
    fn take_in(&mut self, status: &FleetStatus) {
        let tally = self.load.tally.lock().clone();
        self.rates.observe(Instant::now(), &tally);
        let mirrors = self.fleet.mirrors.iter();
        let names: Vec<_> = mirrors
            .map(|mirror| (mirror.label.clone(), mirror.name.clone()))
            .collect();
        let rows = rows(&names, status, &tally, &self.rates);
        let before = std::mem::replace(&mut self.rows, rows);
        for event in changes(&before, &self.rows) {
            self.tell(&event);
        }
        self.decisions = status.decisions;
    }

    fn show(&mut self) {
        let scene = Scene {
            rows: self.rows.clone(),
            decisions: self.decisions.unwrap_or_default(),
            tally: self.load.tally.lock().clone(),
            bytes_per_s: total_bytes_per_s(&self.rates),
            elapsed: self.now(),
            length: self.length,
            events: self.events.iter().cloned().collect(),
        };
        self.display.show(&scene);
    }

    fn tell(&mut self, event: &str) {
        let event = format!("{:>6}  {event}", moment(self.now()));
        self.display.tell(&event);
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Who answers where; curl tells only where it was.
    fn learn_names(&self) {
        let mut tally = self.load.tally.lock();
        for node in self.fleet.nodes() {
            tally.learn(&node.url, &node.name);
        }
    }

    fn summary(self, elapsed: Duration, unfinished: u64) -> Summary {
        let mirrors = self.fleet.mirrors.iter().enumerate();
        let sender = |label: &str, name: &str, capacity: &str| Sender {
            label: label.to_owned(),
            name: name.to_owned(),
            capacity: capacity.to_owned(),
        };
        let mut nodes = vec![sender(SERVER, SERVER, SERVER_CAPACITY)];
        nodes.extend(
            mirrors
                .map(|(at, mirror)| sender(&mirror.label, &mirror.name, mirror_capacity(at + 1))),
        );
        Summary {
            tally: self.load.tally.lock().clone(),
            nodes,
            decisions: self.decisions,
            outage: self.outage,
            elapsed,
            unfinished,
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// What the server says differently than before.
fn changes(before: &[Row], after: &[Row]) -> Vec<String> {
    let pairs = before.iter().zip(after);
    pairs
        .filter(|(before, after)| before.state != after.state)
        .map(|(before, after)| {
            format!(
                "the server finds {} {}, was {}",
                after.label, after.state, before.state
            )
        })
        .collect()
}

const TICK: Duration = Duration::from_millis(200);
/// For downloads begun before the end of the load: the largest subject takes seconds.
const FINISH_PATIENCE: Duration = Duration::from_secs(60);
/// For the killed mirror, after the last download.
const RETURN_PATIENCE: Duration = Duration::from_secs(30);
/// With eight mirrors the table still fits into 24 lines.
const EVENTS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_states_are_news() {
        let row = |label: &str, state: &str| Row {
            label: label.to_owned(),
            state: state.to_owned(),
            ..Row::default()
        };
        let before = [row("server", "serving"), row("mirror 1", "ready")];
        let after = [row("server", "serving"), row("mirror 1", "suspect")];
        let news = ["the server finds mirror 1 suspect, was ready"];
        assert_eq!(changes(&before, &after), news);
        assert_eq!(changes(&[], &after), [""; 0]);
        assert_eq!(changes(&after, &after), [""; 0]);
    }
}
