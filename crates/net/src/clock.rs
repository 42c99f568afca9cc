//! The wall clock as responses need it: whole seconds, and the `Date` field ready to write.
//!
//! One per core, so formatting happens once a second and not once a request. Durations must never be
//! measured by it; the moment that is read with it is for them.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_http1::date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate};

/// The current second.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds since 1970.
    pub unix: UnixSeconds,
    /// The same as an HTTP date.
    pub date: [u8; IMF_FIXDATE_BYTES],
    /// The moment, for durations: of one request, all that is measured begins with it.
    pub instant: Instant,
}

/// A cached wall clock.
#[derive(Debug)]
pub struct Clock {
    second: Cell<u64>,
    date: RefCell<[u8; IMF_FIXDATE_BYTES]>,
    /// When the second is over; `None` before the first.
    until: Cell<Option<Instant>>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Clock {
    /// A clock that has not been read yet.
    pub fn new() -> Self {
        Self {
            second: Cell::new(u64::MAX),
            date: RefCell::new([b' '; IMF_FIXDATE_BYTES]),
            until: Cell::new(None),
        }
    }

    /// Reads the clock. One that is set anew is noticed within a second.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        if self.until.get().is_none_or(|until| instant >= until) {
            self.begin_second(instant);
        }
        Now {
            unix: UnixSeconds(self.second.get()),
            date: *self.date.borrow(),
            instant,
        }
    }

    /// Asks the system for the second, and until when it lasts.
    fn begin_second(&self, instant: Instant) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let second = since.as_secs();
        let over = Duration::from_nanos(since.subsec_nanos().into());
        self.until.set(Some(instant + (SECOND - over)));
        if self.second.replace(second) != second {
            write_imf_fixdate(UnixSeconds(second), &mut self.date.borrow_mut());
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_secs()
    }

    #[test]
    fn the_second_is_that_of_the_system_and_changes_with_it() {
        let clock = Clock::new();
        let first = clock.now();
        // Up to the end of the second, and one look beyond: each between two of the system's.
        loop {
            let (before, now, after) = (unix(), clock.now(), unix());
            assert!((before..=after).contains(&now.unix.0), "{now:?}");
            assert!(now.instant >= first.instant);
            let mut date = [b' '; IMF_FIXDATE_BYTES];
            write_imf_fixdate(now.unix, &mut date);
            assert_eq!(now.date, date);
            if now.unix > first.unix {
                return;
            }
        }
    }
}
