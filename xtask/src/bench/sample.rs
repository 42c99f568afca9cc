//! Repeated measurements of one thing, and how figures are written.
//!
//! It must never hide the spread: whoever prints a median prints the least and the most beside it.

/// The least, the middle and the most of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// The spread of `values`; `None` if there are none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { min, median, max })
    }
}

/// About three digits that mean something: `6.93`, `69.3`, `6930`.
pub(super) fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// Bytes in MiB.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", figure(bytes as f64 / f64::from(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middles() {
        let spread = |min, median, max| Some(Spread { min, median, max });
        for (values, expected) in [
            (vec![], None),
            (vec![2.0], spread(2.0, 2.0, 2.0)),
            (vec![9.0, 1.0, 2.0], spread(1.0, 2.0, 9.0)),
            (vec![4.0, 1.0, 9.0, 2.0], spread(1.0, 3.0, 9.0)),
        ] {
            assert_eq!(Spread::of(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn figures_carry_about_three_digits() {
        for (value, expected) in [
            (0.0, "0.00"),
            (6.926, "6.93"),
            (69.26, "69.3"),
            (692.6, "693"),
            (69260.4, "69260"),
        ] {
            assert_eq!(figure(value), expected);
        }
        assert_eq!(mebibytes(3 << 19), "1.50 MiB");
    }
}
