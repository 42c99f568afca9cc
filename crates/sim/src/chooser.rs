//! The seam between the simulator and the rules that pick a node.
//!
//! A [`Chooser`] sees nodes through [`Nodes`] and nothing else, so that the same rule runs on fresh
//! truth and on a stale board. The rules of the literature are here, in their plainest form, as
//! what to compare with; a rule of the product comes in through an adapter and is not written
//! again. A chooser must never look at a station itself.

mod least;
mod oblivious;
mod product;
mod sampled;

use std::fmt;

use fastrand::Rng;

pub use self::{
    least::{Least, Score},
    oblivious::{InTurn, Uniform, Weighted},
    product::ByPolicy,
    sampled::{Drawn, Sampled},
};

/// What is known of the nodes, truly or from a board.
pub trait Nodes {
    /// How many there are; at least one.
    fn count(&self) -> usize;

    /// What a node does per second.
    fn capacity(&self, at: usize) -> f64;

    /// How many flows it has.
    fn flows(&self, at: usize) -> f64;

    /// `sum_j min(r_j, size)`: what its flows do before a new one of `size` would end.
    fn work_before(&self, at: usize, size: f64) -> f64;
}

/// A rule that picks a node.
pub trait Chooser: fmt::Debug {
    /// The node, below [`Nodes::count`], for a flow of `size`. Draws only from `random`.
    fn choose(&mut self, size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize;
}

/// The least by `score`, chance among equals; each index is scored once, in order.
pub(crate) fn least_of(
    candidates: impl Iterator<Item = usize>,
    score: impl Fn(usize) -> f64,
    random: &mut Rng,
) -> usize {
    let (mut best, mut best_score, mut equals) = (0, f64::INFINITY, 0);
    for at in candidates {
        let score = score(at);
        if score < best_score {
            (best, best_score, equals) = (at, score, 1);
        } else if score == best_score {
            // Each of k equals stays with chance 1/k.
            equals += 1;
            if random.usize(0..equals) == 0 {
                best = at;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
