//! The connections of a node: how many are open, and what turned others away.
//!
//! One for all cores; only connections touch it, never requests. It must never refuse anybody itself.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::admission::{Gate, GateTotals};

/// What is known of a node's connections.
#[derive(Debug, Default)]
pub struct Seats {
    open: Arc<AtomicUsize>,
    guard: Mutex<Guard>,
}

/// The limits in force, and what those before them have turned away.
#[derive(Debug, Default)]
struct Guard {
    gate: Option<Arc<Gate>>,
    before: GateTotals,
}

impl Guard {
    fn totals(&self) -> GateTotals {
        let now = self.gate.as_ref().map(|gate| gate.totals());
        let (before, now) = (self.before, now.unwrap_or_default());
        GateTotals {
            refused_connections: before.refused_connections + now.refused_connections,
            refused_requests: before.refused_requests + now.refused_requests,
            uncounted_connections: before.uncounted_connections + now.uncounted_connections,
        }
    }
}

impl Seats {
    /// The count of open connections, for those who open and close them.
    pub(crate) fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }

    /// The limits in force from now on, for their totals.
    pub(crate) fn guarded_by(&self, gate: Option<&Arc<Gate>>) {
        let mut guard = self.guard();
        let is_same = |known: &Arc<Gate>| gate.is_some_and(|gate| Arc::ptr_eq(known, gate));
        if !guard.gate.as_ref().is_some_and(is_same) {
            guard.before = guard.totals();
            guard.gate = gate.map(Arc::clone);
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// What the limits on clients have turned away since the start; zeros if there never were any.
    pub fn gate_totals(&self) -> GateTotals {
        self.guard().totals()
    }

    /// Held for a few additions that cannot panic.
    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Instant};

    use super::*;
    use crate::admission::ClientLimits;

    #[test]
    fn what_was_turned_away_is_not_forgotten_with_the_limits() {
        let (now, ip) = (Instant::now(), [127, 0, 0, 1].into());
        let one = ClientLimits {
            connections: NonZeroU32::new(1),
            ..ClientLimits::default()
        };
        let seats = Seats::default();
        for refused in 1..=2 {
            let gate = Gate::new(&one, now).unwrap();
            seats.guarded_by(Some(&gate));
            seats.guarded_by(Some(&gate));
            let _first = gate.connect(ip, now).unwrap();
            assert!(gate.connect(ip, now).is_err());
            assert_eq!(seats.gate_totals().refused_connections, refused);
        }
        seats.guarded_by(None);
        assert_eq!(seats.gate_totals().refused_connections, 2);
    }
}
