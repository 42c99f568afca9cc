//! Many runs at once.
//!
//! Runs share nothing, so they are spread over all cores. It must never show in which order they were
//! ready.

use std::{num::NonZeroUsize, sync::Mutex, thread};

/// Computes each cell, on all cores; the results are in the order of the cells, so
/// nobody can tell which was ready first.
pub(crate) fn each_cell<C: Sync, T: Send>(cells: &[C], compute: impl Fn(&C) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let left = Mutex::new(cells.iter().enumerate());
    let next = || left.lock().ok().and_then(|mut left| left.next());
    let work = || -> Vec<(usize, T)> {
        std::iter::from_fn(|| next().map(|(at, cell)| (at, compute(cell)))).collect()
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|results| results.expect("a cell that panics fails the table"))
            .collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_in_order() {
        let cells: Vec<u64> = (0..100).collect();
        assert_eq!(
            each_cell(&cells, |cell| cell * 2),
            (0..100).map(|c| c * 2).collect::<Vec<_>>()
        );
    }
}
