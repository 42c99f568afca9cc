//! From what the connection knows of an exchange to a line of the log.

use std::time::{SystemTime, UNIX_EPOCH};

use overspill_net::{Decision, Exchange, Security};

use super::{CoreLog, LoggedDecision, Record};

impl CoreLog {
    /// Writes the line of an exchange that is over now.
    pub(crate) fn observe(&mut self, exchange: &Exchange<'_>, now: SystemTime) {
        let duration_us = u64::try_from(exchange.lasted.as_micros()).unwrap_or(u64::MAX);
        let now_us = now.duration_since(UNIX_EPOCH).map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        });
        let asked = &exchange.request;
        self.write(&Record {
            at_unix_us: now_us.saturating_sub(duration_us),
            client: exchange.client.address.ip(),
            method: asked.method,
            target: asked.target,
            version: asked.version,
            status: exchange.status,
            planned_bytes: exchange.planned_bytes,
            sent_bytes: exchange.sent_bytes,
            outcome: exchange.outcome,
            duration_us,
            decision: logged(exchange.decision),
            offset: match exchange.status {
                206 => asked.range.and_then(first_byte),
                _ => None,
            },
            host: asked.host,
            referer: asked.referer.unwrap_or_default(),
            user_agent: asked.user_agent.unwrap_or_default(),
            tls: match exchange.client.security {
                Security::Plain => None,
                Security::Tls => Some("tls"),
            },
        });
    }
}

fn logged(decision: &Decision) -> LoggedDecision<'_> {
    match decision {
        Decision::Serve => LoggedDecision::Serve,
        Decision::Redirect(member) => LoggedDecision::Redirect { member },
        Decision::Relay(member) => LoggedDecision::Relay { member },
        Decision::SendBack => LoggedDecision::SendBack { member: "" },
        Decision::Reject => LoggedDecision::Reject,
    }
}

/// The first position of `bytes=N-…`; none for a suffix.
fn first_byte(range: &[u8]) -> Option<u64> {
    let set = range.split(|&byte| byte == b'=').nth(1)?;
    let digits = set.trim_ascii().split(|&byte| byte == b'-').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_the_first_position() {
        for (range, expected) in [
            (&b"bytes=100-"[..], Some(100)),
            (b"bytes=0-1,5-6", Some(0)),
            (b"bytes= 7-8", Some(7)),
            (b"bytes=-5", None),
            (b"bytes", None),
            (b"bytes=99999999999999999999-", None),
        ] {
            assert_eq!(first_byte(range), expected);
        }
    }
}
