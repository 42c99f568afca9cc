//! The date and time of MS-DOS: two seconds fine, from 1980 to 2107, of no time zone.
//!
//! UTC is taken for it, as nodes may lie in different zones and must write the same; the extended
//! timestamp beside it is exact. It must never fail: what lies outside is the nearest that fits.

/// The DOS date and the DOS time of a moment in seconds since 1970.
pub(super) fn date_and_time(unix_s: i64) -> (u16, u16) {
    let unix_s = unix_s.clamp(FIRST_UNIX_S, LAST_UNIX_S);
    let (year, month, day) = civil(unix_s.div_euclid(DAY_S));
    let second = unix_s.rem_euclid(DAY_S);
    let date = (year - 1980) << 9 | month << 5 | day;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let time = hour << 11 | minute << 5 | (second % 60 / 2);
    // Seven bits of years and five of hours at the top: both fit into sixteen.
    (date as u16, time as u16)
}

/// Year, month and day of a day since 1970 in the Gregorian calendar.
///
/// By Howard Hinnant's `civil_from_days`: years begin in March, so the leap day comes last.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + carry, month, day)
}

const DAY_S: i64 = 86_400;
/// 1980-01-01T00:00:00Z.
const FIRST_UNIX_S: i64 = 315_532_800;
/// 2107-12-31T23:59:58Z.
const LAST_UNIX_S: i64 = 4_354_819_198;

#[cfg(test)]
mod tests {
    use overspill_core::units::parse_date_ns;

    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (moment, date, time) in [
            ("1980-01-01T00:00:00Z", (0, 1, 1), (0, 0, 0)),
            ("2000-02-29T12:34:56Z", (20, 2, 29), (12, 34, 28)),
            ("2026-11-23T23:59:59Z", (46, 11, 23), (23, 59, 29)),
            ("2100-02-28T01:00:01Z", (120, 2, 28), (1, 0, 0)),
            ("2100-03-01T00:00:00Z", (120, 3, 1), (0, 0, 0)),
            ("2107-12-31T23:59:58Z", (127, 12, 31), (23, 59, 29)),
        ] {
            let unix_s = parse_date_ns(moment).unwrap() / 1_000_000_000;
            let expected = (
                date.0 << 9 | date.1 << 5 | date.2,
                time.0 << 11 | time.1 << 5 | time.2,
            );
            assert_eq!(date_and_time(unix_s), expected, "{moment}");
        }
    }

    #[test]
    fn what_does_not_fit_is_the_nearest_that_does() {
        for (unix_s, nearest) in [
            (i64::MIN, FIRST_UNIX_S),
            (-1, FIRST_UNIX_S),
            (FIRST_UNIX_S - 1, FIRST_UNIX_S),
            (LAST_UNIX_S + 2, LAST_UNIX_S),
            (i64::MAX, LAST_UNIX_S),
        ] {
            assert_eq!(date_and_time(unix_s), date_and_time(nearest), "{unix_s}");
        }
    }
}
