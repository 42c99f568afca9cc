//! Rules that look at nothing.

use fastrand::Rng;

use super::{Chooser, Nodes, least_of};

/// Any node, each as likely as the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

/// Each node in turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn {
    turn: usize,
}

/// Each node in turn, as often as its capacity says: whose turn is due first goes next.
#[derive(Clone, Debug, Default)]
pub struct Weighted {
    due: Vec<f64>,
}

impl Chooser for Uniform {
    fn choose(&mut self, _size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
        random.usize(0..nodes.count())
    }
}

impl Chooser for InTurn {
    fn choose(&mut self, _size: f64, nodes: &dyn Nodes, _random: &mut Rng) -> usize {
        let at = self.turn % nodes.count();
        self.turn = self.turn.wrapping_add(1);
        at
    }
}

impl Chooser for Weighted {
    fn choose(&mut self, _size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
        // A node that cannot send anything still has a turn now and then: the rule is blind to that.
        let gap = |at: usize| 1.0 / nodes.capacity(at).max(1.0);
        if self.due.len() != nodes.count() {
            self.due = (0..nodes.count()).map(gap).collect();
        }
        let at = least_of(0..nodes.count(), |at| self.due[at], random);
        self.due[at] += gap(at);
        at
    }
}
