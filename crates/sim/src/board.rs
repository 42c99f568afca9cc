//! A bulletin board: what a dispatcher believes when it hears of the nodes only now and then.
//!
//! It holds the numbers of flows as they were when it was last written, and perhaps what the
//! dispatcher itself has sent since. It must never see a flow end in between: that is the point.

mod histograms;

pub use self::histograms::HistogramBoard;
use crate::chooser::Nodes;

/// Numbers of flows as last written.
#[derive(Clone, Debug)]
pub struct Board {
    capacities: Vec<f64>,
    flows: Vec<f64>,
    own: Own,
}

/// Whether a dispatcher adds its own dispatches to the board.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Own {
    /// Each counts at once, until the board is written again.
    Counted,
    /// The board stands as written.
    Ignored,
}

impl Board {
    /// A board about idle nodes of these capacities.
    pub fn new(capacities: Vec<f64>, own: Own) -> Self {
        let flows = vec![0.0; capacities.len()];
        Self {
            capacities,
            flows,
            own,
        }
    }

    /// Writes the board anew.
    pub fn write(&mut self, flows: impl Iterator<Item = usize>) {
        for (written, flows) in self.flows.iter_mut().zip(flows) {
            *written = flows as f64;
        }
    }

    /// Hears that a flow was sent to a node.
    pub fn dispatched(&mut self, at: usize) {
        if self.own == Own::Counted {
            self.flows[at] += 1.0;
        }
    }
}

impl Nodes for Board {
    fn count(&self) -> usize {
        self.flows.len()
    }

    fn capacity(&self, at: usize) -> f64 {
        self.capacities[at]
    }

    fn flows(&self, at: usize) -> f64 {
        self.flows[at]
    }

    /// Every flow is taken to be as long as the new one: a board that only counts knows no better.
    fn work_before(&self, at: usize, size: f64) -> f64 {
        if size.is_finite() {
            self.flows[at] * size
        } else {
            self.flows[at]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_dispatches_count_until_the_board_is_written() {
        let flows = |own| {
            let mut board = Board::new(vec![1.0, 2.0], own);
            board.write([3, 4].into_iter());
            board.dispatched(1);
            let between = board.flows(1);
            board.write([3, 4].into_iter());
            (between, board.flows(1))
        };
        assert_eq!(flows(Own::Counted), (5.0, 4.0));
        assert_eq!(flows(Own::Ignored), (4.0, 4.0));
    }
}
