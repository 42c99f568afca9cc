//! Times of day for people, from the monotone instants that everything here reckons with.
//!
//! Both clocks are read together once, so that one instant is always told as the same time. It must
//! never be asked for anything that another machine compares with its own clock.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static ANCHOR: LazyLock<(Instant, Duration)> = LazyLock::new(|| {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    (Instant::now(), since_1970.unwrap_or_default())
});

/// An instant in milliseconds since 1970.
pub(crate) fn unix_ms(at: Instant) -> u64 {
    let (anchor, since_1970) = *ANCHOR;
    let time = match at.checked_duration_since(anchor) {
        Some(after) => since_1970 + after,
        None => since_1970.saturating_sub(anchor.saturating_duration_since(at)),
    };
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_distance_and_are_told_alike() {
        let now = Instant::now();
        let told = unix_ms(now);
        assert_eq!(unix_ms(now), told);
        assert_eq!(unix_ms(now + Duration::from_millis(1500)), told + 1500);
        let before = now.checked_sub(Duration::from_millis(100)).unwrap();
        assert_eq!(unix_ms(before), told - 100);
        assert!(told > 1_700_000_000_000, "{told}");
    }
}
