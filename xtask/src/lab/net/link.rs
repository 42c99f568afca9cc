//! How much a host may send: a token bucket.
//!
//! A link is called by what it carries of a file, not by what goes over the wire for it; so the
//! share of a link that a server fills can be 1. It must never be the sender's kernel that loses
//! packets: TCP keeps few of its own in the queue, and the queue is long enough for them.

use std::fmt;

/// The egress of a host, in Mbit/s of TCP payload.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(in crate::lab) struct Link {
    mbit_per_s: f64,
}

/// Of a frame of Ethernet: all of it, and what is left beside the heads of Ethernet, IPv4 and TCP
/// with time stamps.
const FRAME_BYTES: f64 = 1514.0;
const PAYLOAD_BYTES: f64 = 1448.0;
/// What may go out at once: a large segment of TCP whole, and as much as the fastest link here
/// sends between two ticks of a coarse timer. It is also the same for all speeds on purpose:
/// lowered while larger segments are queued, it would block the queue for good.
const BURST: &str = "128kb";
/// How long the last in the queue may wait.
const LATENCY: &str = "100ms";

impl Link {
    /// # Panics
    /// If it is not above 0.
    pub(in crate::lab) fn mbit(mbit_per_s: f64) -> Self {
        assert!(mbit_per_s > 0.0, "a link of {mbit_per_s} Mbit/s");
        Self { mbit_per_s }
    }

    pub(in crate::lab) fn bytes_per_s(self) -> f64 {
        self.mbit_per_s * 1e6 / 8.0
    }

    /// The words for `tc`.
    pub(super) fn queueing(self) -> String {
        let bit_per_s = (self.mbit_per_s * 1e6 * FRAME_BYTES / PAYLOAD_BYTES).round();
        format!("tbf rate {bit_per_s}bit burst {BURST} latency {LATENCY}")
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.mbit_per_s)
    }
}
