//! What may change of a node while it serves.
//!
//! Values that are asked for now and then are atomics; what serving threads need stands behind a
//! pointer that each looks at once a second. It must never cost a request more than it did before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use overspill_core::units::Rate;

use crate::{access_log::AccessLog, relay::Striping, settings::Relayed};

/// What the cores of a node take over within a second.
#[derive(Clone, Debug, Default)]
pub struct LiveSettings {
    /// Where requests are logged, if they are.
    pub access_log: Option<Arc<AccessLog>>,
    /// Whether bytes of members are checked on their way through this node.
    pub relayed: Relayed,
    /// How large bodies that are relayed are striped, if they are.
    pub striping: Option<Striping>,
}

/// The live settings of a node, for whoever changes them and for its cores.
pub type SharedLive = Arc<ArcSwap<LiveSettings>>;

/// What is wrong with the configuration, for the status page; `None` while nothing is.
pub type ConfigurationProblem = Arc<ArcSwapOption<String>>;

/// A rate that may be changed by whoever shares it.
#[derive(Clone, Debug)]
pub struct LiveRate(Arc<AtomicU64>);

/// A time that may be changed by whoever shares it, in whole milliseconds.
#[derive(Clone, Debug)]
pub struct LiveTime(Arc<AtomicU64>);

impl LiveRate {
    /// The rate at the moment.
    pub fn read(&self) -> Rate {
        Rate::from_bytes_per_s(f64::from_bits(self.0.load(Relaxed)))
    }

    /// Another rate from now on.
    pub fn set(&self, rate: Rate) {
        self.0.store(rate.bytes_per_s().to_bits(), Relaxed);
    }
}

impl From<Rate> for LiveRate {
    fn from(rate: Rate) -> Self {
        Self(Arc::new(AtomicU64::new(rate.bytes_per_s().to_bits())))
    }
}

impl LiveTime {
    /// The time at the moment.
    pub fn read(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }

    /// Another time from now on.
    pub fn set(&self, time: Duration) {
        self.0.store(whole_ms(time), Relaxed);
    }
}

impl From<Duration> for LiveTime {
    fn from(time: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(whole_ms(time))))
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_shares_a_value_sees_it_change() {
        let rate = LiveRate::from(Rate::GIGABIT);
        let other = rate.clone();
        rate.set(Rate::from_bytes_per_s(1000.5));
        assert_eq!(other.read().bytes_per_s(), 1000.5);
        let time = LiveTime::from(Duration::from_secs(60));
        let other = time.clone();
        time.set(Duration::from_millis(1500));
        assert_eq!(other.read(), Duration::from_millis(1500));
    }
}
