//! Rules that look at nothing.

use fastrand::Rng;

use super::{Chooser, Nodes};

/// Any node, each as likely as the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

/// Each node in turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn {
    turn: usize,
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
