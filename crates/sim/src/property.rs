//! Whole fleets under noise: does the dispatcher keep its promises, whatever happens?
//!
//! A run is a function of its seed. A few nodes, some clients and a network do at random what they do
//! at worst; after everything that reaches the dispatcher it is held against a [`Model`](model::Model)
//! written without any cleverness. Then the noise stops, and everything has to become well again. It
//! must never look into the dispatcher but through its public face, and never excuse a difference.
//!
//! What has to hold at every step:
//! - nobody is sent to a member that lacks the content, is not ready, is ejected, is avoided, has no
//!   TLS for who came by TLS, or is out of reach by its address;
//! - every request is answered exactly once, and who waits is told within [`MAX_WAIT`] and a tick;
//! - members, their states, and flows and bytes on them are those of the model;
//! - statistics eject at most half of the capacity; nothing outgrows its cap.
//!
//! [`MAX_WAIT`]: overspill_core::dispatch::MAX_WAIT

mod calm;
mod checks;
mod model;
mod node;
mod noise;
mod world;

use std::fmt;

use self::world::World;
use crate::random::Seed;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// How many steps the run was to have.
    pub steps: u32,
    /// The step in which it happened; `None` for the calm after the last.
    pub step: Option<u32>,
    /// What happened.
    pub what: String,
}

/// What a run has seen, so that nobody takes a run without noise for one without faults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Requests that were served by the node that was asked.
    pub served: u64,
    /// Requests that were redirected.
    pub redirected: u64,
    /// Requests that were refused at once.
    pub rejected: u64,
    /// Requests for what nobody within reach has.
    pub nowhere: u64,
    /// Clients that waited, and were let in.
    pub released: u64,
    /// Clients that waited in vain.
    pub refused: u64,
    /// Clients that left while they waited.
    pub left: u64,
    /// Reports that counted.
    pub reports: u64,
    /// Reports that came too late, or from another life.
    pub stale_reports: u64,
    /// Ejections by statistics.
    pub ejected: u64,
    /// Ejections for wrong bytes.
    pub ejected_at_once: u64,
    /// Members that would have been ejected, had the fleet been able to do without.
    pub spared: u64,
    /// Members that were trusted again.
    pub trusted: u64,
    /// Members that were forgotten.
    pub gone: u64,
}

/// Runs one fleet through so many steps of noise, and then calm.
pub fn run(seed: u64, steps: u32) -> Result<Tally, Violation> {
    let mut world = World::new(Seed(seed));
    let violation = |step, what| Violation {
        seed,
        steps,
        step,
        what,
    };
    for step in 0..steps {
        noise::step(&mut world).map_err(|what| violation(Some(step), what))?;
    }
    calm::settle(&mut world).map_err(|what| violation(None, what))?;
    Ok(world.tally)
}

impl Tally {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            served: self.served + other.served,
            redirected: self.redirected + other.redirected,
            rejected: self.rejected + other.rejected,
            nowhere: self.nowhere + other.nowhere,
            released: self.released + other.released,
            refused: self.refused + other.refused,
            left: self.left + other.left,
            reports: self.reports + other.reports,
            stale_reports: self.stale_reports + other.stale_reports,
            ejected: self.ejected + other.ejected,
            ejected_at_once: self.ejected_at_once + other.ejected_at_once,
            spared: self.spared + other.spared,
            trusted: self.trusted + other.trusted,
            gone: self.gone + other.gone,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "answers: {} served, {} redirected, {} rejected, {} nowhere; \
             waited: {} released, {} refused, {} left",
            self.served,
            self.redirected,
            self.rejected,
            self.nowhere,
            self.released,
            self.refused,
            self.left
        )?;
        write!(
            f,
            "reports: {} new, {} stale; members: {} ejected, {} at once, {} spared, {} trusted \
             again, {} gone",
            self.reports,
            self.stale_reports,
            self.ejected,
            self.ejected_at_once,
            self.spared,
            self.trusted,
            self.gone
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed, steps, what, ..
        } = self;
        match self.step {
            Some(step) => write!(f, "seed {seed}, step {step}: {what}")?,
            None => write!(f, "seed {seed}, after the noise: {what}")?,
        }
        write!(
            f,
            "; replay with `cargo run -p overspill-sim -- property --seed {seed} --steps {steps}`"
        )
    }
}

impl std::error::Error for Violation {}
