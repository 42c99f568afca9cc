//! The exact results that the simulator is held against.
//!
//! Textbook queueing theory; service rate 1 throughout. Each formula is a few lines, so that it can
//! be checked by eye. It must never call the simulator.

/// Chance that an arrival waits in M/M/K at load `ratio` of its `servers`: Erlang's C.
pub fn erlang_c(servers: u32, ratio: f64) -> f64 {
    // Erlang's B by its recursion, which does not overflow as the factorials would.
    let offered = f64::from(servers) * ratio;
    let blocked = (1..=servers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b));
    blocked / (1.0 - ratio * (1.0 - blocked))
}

/// Mean time in M/M/K with mean service 1.
pub fn mmk_time(servers: u32, ratio: f64) -> f64 {
    1.0 + erlang_c(servers, ratio) / (f64::from(servers) * (1.0 - ratio))
}

/// Mean time in M/G/1, first come first served (Pollaczek and Khinchine).
pub fn mg1_fcfs_time(rate: f64, mean: f64, second_moment: f64) -> f64 {
    mean + rate * second_moment / (2.0 * (1.0 - rate * mean))
}

/// P(T > t) in M/M/1 with service rate 1.
pub fn mm1_tail(rate: f64, t: f64) -> f64 {
    (-(1.0 - rate) * t).exp()
}

/// Mean slowdown in M/G/1 with processor sharing: the same for every size and every law of sizes.
pub fn mg1_sharing_slowdown(ratio: f64) -> f64 {
    1.0 / (1.0 - ratio)
}

/// Mean time, as a multiple of size over cap, on a link that `flows_at_cap` flows fill when each
/// goes at its cap (M/G/R-PS).
pub fn capped_sharing_slowdown(flows_at_cap: u32, ratio: f64) -> f64 {
    mmk_time(flows_at_cap, ratio)
}

/// Mean time in the supermarket model with infinitely many queues and `choices` >= 2 choices.
pub fn supermarket_time(ratio: f64, choices: u32) -> f64 {
    let d = f64::from(choices);
    let term = |i: i32| ratio.powf((d.powi(i) - d) / (d - 1.0));
    (1..=TERMS_MAX)
        .map(term)
        .take_while(|term| *term > 1e-16)
        .sum()
}

/// The exponents double at least, so below a load of 1 - 10^-6 far fewer count.
const TERMS_MAX: i32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, printed: f64, unit: f64) {
        assert!((ours - printed).abs() <= 0.51 * unit, "{ours} {printed}");
    }

    #[test]
    fn erlang_c_is_as_in_the_tables() {
        for (servers, ratio, waits, time) in [
            (2, 0.5, 0.3333, 1.3333),
            (4, 0.8, 0.5964, 1.7455),
            (8, 0.9, 0.7015, 1.8769),
            (16, 0.95, 0.7802, 1.9752),
        ] {
            close(erlang_c(servers, ratio), waits, 1e-4);
            close(mmk_time(servers, ratio), time, 1e-4);
        }
        close(mmk_time(1, 0.9), 10.0, 1e-9);
    }

    #[test]
    fn the_fixed_point_is_as_in_the_paper() {
        for (ratio, two, three, five) in [
            (0.5, 1.2657, 1.1252, 1.0313),
            (0.9, 2.6141, 2.0279, 1.6329),
            (0.99, 5.4320, 3.8578, 2.9017),
        ] {
            close(supermarket_time(ratio, 2), two, 1e-4);
            close(supermarket_time(ratio, 3), three, 1e-4);
            close(supermarket_time(ratio, 5), five, 1e-4);
        }
    }

    #[test]
    fn exponential_service_makes_the_formulas_agree() {
        close(mg1_fcfs_time(0.8, 1.0, 2.0), mmk_time(1, 0.8), 1e-9);
        close(mg1_sharing_slowdown(0.8), mmk_time(1, 0.8), 1e-9);
        close(mm1_tail(0.5, 2.0), (-1.0_f64).exp(), 1e-9);
    }
}
