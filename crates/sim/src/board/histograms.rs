//! A bulletin board of histograms: what the product's reports tell, and nothing more.
//!
//! Like [`super::Board`], but with what each flow still had to send, to a factor of two.

use overspill_core::load::LoadHistogram;

use super::Own;
use crate::chooser::Nodes;

/// Histograms as last written.
#[derive(Clone, Debug)]
pub struct HistogramBoard {
    capacities: Vec<f64>,
    loads: Vec<LoadHistogram>,
    own: Own,
}

impl HistogramBoard {
    /// A board about idle nodes that told these capacities.
    pub fn new(capacities: Vec<f64>, own: Own) -> Self {
        let loads = vec![LoadHistogram::empty(); capacities.len()];
        Self {
            capacities,
            loads,
            own,
        }
    }

    /// Writes about one node anew.
    pub fn write(&mut self, at: usize, load: &LoadHistogram) {
        self.loads[at] = load.clone();
    }

    /// Hears that a flow of so many bytes was sent to a node.
    pub fn dispatched(&mut self, at: usize, bytes: u64) {
        if self.own == Own::Counted {
            self.loads[at].add(bytes);
        }
    }
}

impl Nodes for HistogramBoard {
    fn count(&self) -> usize {
        self.loads.len()
    }

    fn capacity(&self, at: usize) -> f64 {
        self.capacities[at]
    }

    fn flows(&self, at: usize) -> f64 {
        self.loads[at].flows() as f64
    }

    fn work_before(&self, at: usize, size: f64) -> f64 {
        if size.is_finite() {
            self.loads[at].sum_min(size as u64)
        } else {
            self.loads[at].bytes() as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_dispatches_count_with_their_bytes_until_the_board_is_written() {
        let mut board = HistogramBoard::new(vec![1.0, 2.0], Own::Counted);
        board.dispatched(1, 1 << 20);
        assert_eq!(
            (board.flows(1), board.work_before(1, 1024.0)),
            (1.0, 1024.0)
        );
        assert_eq!(board.work_before(1, f64::INFINITY), f64::from(1 << 20));
        board.write(1, &LoadHistogram::empty());
        assert_eq!(board.flows(1), 0.0);
        let mut board = HistogramBoard::new(vec![1.0], Own::Ignored);
        board.dispatched(0, 5);
        assert_eq!(board.flows(0), 0.0);
    }
}
