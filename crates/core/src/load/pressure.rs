//! How near a node is to what it can do, by what runs out first.
//!
//! Shares of the time or of the capacity in use. It must never be more than full, whatever was
//! measured: the figures come from clocks and from other nodes.

/// What is in use of a node, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    egress: f64,
    cpu: f64,
    disk: f64,
}

impl Pressure {
    /// From shares, which are brought into 0 to 1; what is not a number counts as 0.
    pub fn new(egress: f64, cpu: f64, disk: f64) -> Self {
        Self {
            egress: share(egress),
            cpu: share(cpu),
            disk: share(disk),
        }
    }

    /// Egress as a share of the capacity.
    pub fn egress(&self) -> f64 {
        self.egress
    }

    /// Share of the time in which the processors were busy, or waited for.
    pub fn cpu(&self) -> f64 {
        self.cpu
    }

    /// Share of the time in which something waited for a disk.
    pub fn disk(&self) -> f64 {
        self.disk
    }

    /// The scarcest of the three: 1 is a node that can do no more.
    pub fn utilization(&self) -> f64 {
        self.egress.max(self.cpu).max(self.disk)
    }
}

fn share(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_counts_and_nothing_is_more_than_full() {
        for (egress, cpu, disk, utilization) in [
            (0.0, 0.0, 0.0, 0.0),
            (0.5, 0.2, 0.1, 0.5),
            (0.5, 0.7, 0.1, 0.7),
            (0.5, 0.7, 0.9, 0.9),
            (3.0, 0.7, 0.9, 1.0),
            (-1.0, f64::NAN, 0.2, 0.2),
            (f64::INFINITY, 0.0, 0.0, 1.0),
        ] {
            let pressure = Pressure::new(egress, cpu, disk);
            assert_eq!(pressure.utilization(), utilization, "{pressure:?}");
        }
    }
}
