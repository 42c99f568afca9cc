//! Waiting for other processes: the one place of the benchmarks that sleeps.
//!
//! Every wait is for a condition and has an end. It must never stand between two readings of a
//! clock whose difference is reported, other than as the step of a poll.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Between two looks at something that is timed.
pub(crate) const FINE: Duration = Duration::from_millis(1);
/// Between two looks at something that is only waited for.
pub(crate) const COARSE: Duration = Duration::from_millis(50);

/// Looks every `step` until `look` finds something; an error after `patience`, saying what was
/// waited for.
pub(crate) fn until<T>(
    what: &str,
    step: Duration,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() >= patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        pause(step);
    }
}

/// Lets `duration` pass.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are watched here, and nothing of ours waits on this thread"
)]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_there_is_something() {
        let mut looks = 0;
        let found = until("three", Duration::ZERO, Duration::from_secs(60), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn it_gives_up_and_says_on_what() {
        let found = until::<()>("the moon", Duration::ZERO, Duration::ZERO, || Ok(None));
        assert_eq!(
            found.unwrap_err().to_string(),
            "waited 0 s in vain for the moon"
        );
    }
}
