//! HTTP dates (RFC 9110 section 5.6.7) as whole seconds.
//!
//! It must never ask what time it is: the caller passes every time in, so that a simulated fleet
//! and a real one take the same decisions.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// A point in time in whole seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixSeconds(pub u64);

/// Length in bytes of the preferred date form, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const IMF_FIXDATE_BYTES: usize = 29;

/// Reads a date in any of the three forms a recipient must accept.
///
/// `None` for anything else, for a weekday that does not fit the day, and for a date before 1970.
/// Callers ignore a field whose date is `None`, as RFC 9110 section 13.1 asks for each of them.
pub fn parse(field: &[u8]) -> Option<UnixSeconds> {
    let date: HttpDate = std::str::from_utf8(field).ok()?.parse().ok()?;
    let since_epoch = SystemTime::from(date).duration_since(UNIX_EPOCH).ok()?;
    Some(UnixSeconds(since_epoch.as_secs()))
}

/// Writes `at` in the preferred form, which is always exactly 29 bytes.
///
/// A time past the year 9999 is written as that year's last second: the form has four digits.
/// Takes some tens of nanoseconds; a busy caller formats `Date` once per second and keeps it.
pub fn write_imf_fixdate(at: UnixSeconds, out: &mut [u8; IMF_FIXDATE_BYTES]) {
    let at = UNIX_EPOCH + Duration::from_secs(at.0.min(LAST_SECOND));
    let mut rest = &mut out[..];
    let written = write!(rest, "{}", HttpDate::from(at));
    debug_assert!(
        written.is_ok() && rest.is_empty(),
        "the form has exactly 29 bytes"
    );
}

/// 9999-12-31 23:59:59 UTC.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
