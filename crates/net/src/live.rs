//! Limits that change while a node serves.
//!
//! What is in force stands behind one atomic pointer. Each core looks at it once a second and keeps a
//! copy of its own, so a request pays nothing for the possibility. It must never change what a
//! connection was promised by its buffers: the lengths of heads stay as they were at the start.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;

use crate::{admission::Gate, listener::ServeLimits};

/// The limits of a node that serves.
#[derive(Debug)]
pub(crate) struct LiveLimits(ArcSwap<InForce>);

/// What holds at the moment.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) limits: ServeLimits,
    /// `None` if clients are not limited.
    pub(crate) gate: Option<Arc<Gate>>,
}

impl LiveLimits {
    pub(crate) fn new(limits: ServeLimits, now: Instant) -> Self {
        let gate = Gate::new(&limits.clients, now);
        Self(ArcSwap::from_pointee(InForce { limits, gate }))
    }

    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.0.load_full()
    }

    /// Puts `limits` in force, all but the lengths of heads.
    ///
    /// A gate that limits the same things goes on with the new figures, and so holds for connections
    /// that are open already. A limit where there was none begins with the connections to come.
    pub(crate) fn change(&self, limits: ServeLimits, now: Instant) {
        let before = self.in_force();
        let limits = ServeLimits {
            head: before.limits.head,
            ..limits
        };
        let gate = match &before.gate {
            Some(gate) if gate.adjust(&limits.clients) => Some(Arc::clone(gate)),
            _ => Gate::new(&limits.clients, now),
        };
        self.0.store(Arc::new(InForce { limits, gate }));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::admission::ClientLimits;

    fn limits(connections: Option<u32>, rate: Option<&str>) -> ServeLimits {
        ServeLimits {
            clients: ClientLimits {
                connections: connections.and_then(NonZeroU32::new),
                total_bytes_per_s: rate.and_then(|rate| rate.parse().ok()),
                ..ClientLimits::default()
            },
            ..ServeLimits::default()
        }
    }

    #[test]
    fn connections_that_are_open_count_under_the_new_limit() {
        let (now, ip) = (Instant::now(), [127, 0, 0, 1].into());
        let live = LiveLimits::new(limits(Some(1), None), now);
        let gate = || live.in_force().gate.clone().unwrap();
        let _first = gate().connect(ip, now).unwrap();
        assert!(gate().connect(ip, now).is_err());
        live.change(limits(Some(2), None), now);
        let _second = gate().connect(ip, now).unwrap();
        assert!(gate().connect(ip, now).is_err(), "the first one counts");
        live.change(limits(Some(1), None), now);
        assert!(gate().connect(ip, now).is_err());
    }

    #[test]
    fn a_gate_comes_and_goes_with_what_it_limits() {
        let now = Instant::now();
        let live = LiveLimits::new(limits(None, None), now);
        assert!(live.in_force().gate.is_none());
        live.change(limits(None, Some("1MiB/s")), now);
        let total = live.in_force().gate.clone().unwrap();
        live.change(limits(None, Some("2MiB/s")), now);
        assert!(Arc::ptr_eq(&total, live.in_force().gate.as_ref().unwrap()));
        live.change(limits(Some(3), Some("2MiB/s")), now);
        assert!(!Arc::ptr_eq(&total, live.in_force().gate.as_ref().unwrap()));
        live.change(limits(None, None), now);
        assert!(live.in_force().gate.is_none());
    }

    #[test]
    fn a_changed_total_holds_for_connections_that_are_open() {
        let (now, ip) = (Instant::now(), [127, 0, 0, 1].into());
        let live = LiveLimits::new(limits(None, Some("1GiB/s")), now);
        let permit = live
            .in_force()
            .gate
            .as_ref()
            .unwrap()
            .connect(ip, now)
            .unwrap();
        live.change(limits(None, Some("1KiB/s")), now);
        let mut sent = 0;
        while let crate::admission::Pace::Go(bytes) = permit.pace(now, 1 << 30) {
            sent += bytes;
        }
        assert!(sent < 1 << 20, "{sent} bytes at once");
    }

    #[test]
    fn the_lengths_of_heads_stay() {
        let now = Instant::now();
        let live = LiveLimits::new(ServeLimits::default(), now);
        let mut longer = ServeLimits::default();
        longer.head.head_bytes *= 2;
        longer.connections = 7;
        live.change(longer, now);
        let after = live.in_force().limits;
        assert_eq!(after.connections, 7);
        assert_eq!(
            after.head.head_bytes,
            ServeLimits::default().head.head_bytes
        );
    }
}
