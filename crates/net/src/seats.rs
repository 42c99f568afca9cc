//! The connections of a node: how many are open, and what turned others away.
//!
//! One for all cores; only connections touch it, never requests. It must never refuse anybody itself.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::admission::{Gate, GateTotals};

/// What is known of a node's connections.
#[derive(Debug, Default)]
pub struct Seats {
    open: Arc<AtomicUsize>,
    gate: Mutex<Option<Arc<Gate>>>,
}

impl Seats {
    /// The count of open connections, for those who open and close them.
    pub(crate) fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }

    /// The limits in force, for their totals.
    pub(crate) fn guarded_by(&self, gate: Option<&Arc<Gate>>) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate.map(Arc::clone);
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// What the limits on clients have turned away; zeros if there are none.
    pub fn gate_totals(&self) -> GateTotals {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.as_ref()
            .map_or_else(GateTotals::default, |gate| gate.totals())
    }
}
