//! The wall clock as responses need it: whole seconds, and the `Date` field ready to write.
//!
//! One per core, so formatting happens once a second and not once a request. It must never be used
//! to measure durations; those are `Instant`s.

use std::{
    cell::{Cell, RefCell},
    time::{SystemTime, UNIX_EPOCH},
};

use overspill_http1::date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate};

/// The current second.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds since 1970.
    pub unix: UnixSeconds,
    /// The same as an HTTP date.
    pub date: [u8; IMF_FIXDATE_BYTES],
}

/// A cached wall clock.
#[derive(Debug)]
pub struct Clock {
    second: Cell<u64>,
    date: RefCell<[u8; IMF_FIXDATE_BYTES]>,
}

impl Clock {
    /// A clock that has not been read yet.
    pub fn new() -> Self {
        Self {
            second: Cell::new(u64::MAX),
            date: RefCell::new([b' '; IMF_FIXDATE_BYTES]),
        }
    }

    /// Reads the clock.
    pub fn now(&self) -> Now {
        let second = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let unix = UnixSeconds(second);
        if self.second.replace(second) != second {
            write_imf_fixdate(unix, &mut self.date.borrow_mut());
        }
        Now {
            unix,
            date: *self.date.borrow(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
