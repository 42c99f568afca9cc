//! The power of a few choices: draw some nodes, take the one with the fewest flows.

use fastrand::Rng;

use super::{Chooser, Nodes, Score, least_of};

/// Draws `choices` nodes, each as likely as the next, and takes the least by flows.
#[derive(Clone, Debug)]
pub struct Sampled {
    choices: usize,
    drawn: Drawn,
    sample: Vec<usize>,
}

/// Whether a node may be drawn twice; it makes a difference of up to 1 %.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drawn {
    /// All drawn nodes differ.
    WithoutReplacement,
    /// Each draw is from all nodes.
    WithReplacement,
}

impl Sampled {
    /// Draws `choices` nodes for each flow, or all when there are fewer.
    pub fn new(choices: usize, drawn: Drawn) -> Self {
        Self {
            choices,
            drawn,
            sample: Vec::with_capacity(choices),
        }
    }

    fn draw(&mut self, nodes: usize, random: &mut Rng) {
        self.sample.clear();
        let wanted = self.choices.min(nodes);
        while self.sample.len() < wanted {
            let at = random.usize(0..nodes);
            if self.drawn == Drawn::WithReplacement || !self.sample.contains(&at) {
                self.sample.push(at);
            }
        }
    }
}

impl Chooser for Sampled {
    fn choose(&mut self, size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
        self.draw(nodes.count(), random);
        let score = |at| Score::Flows.of(size, nodes, at);
        least_of(self.sample.iter().copied(), score, random)
    }
}
