//! Issuing tickets.

use std::time::{SystemTime, UNIX_EPOCH};

use overspill_core::{
    dispatch::{DispatchId, Ticket},
    secret::{FleetToken, Key, Purpose},
};

use crate::role::Ask;

/// Signs tickets with the fleet's key.
#[derive(Debug)]
pub(super) struct TicketOffice {
    key: Key,
}

impl TicketOffice {
    pub(super) fn new(token: &FleetToken) -> Self {
        Self {
            key: token.derive(Purpose::Ticket, b""),
        }
    }

    /// Whether a client that asked this `Host` can be sent back to it from anywhere.
    pub(super) fn can_return(host: &[u8]) -> bool {
        const LONGEST_SCHEME: usize = "https://".len();
        !host.is_empty() && host.len() < Ticket::MAX_ORIGIN_BYTES - LONGEST_SCHEME
    }

    pub(super) fn seal(&self, dispatch: DispatchId, ask: &Ask<'_>) -> String {
        // Whoever has none that fits is only relayed to, and never sent back.
        let host = Some(ask.host).filter(|host| Self::can_return(host));
        let host = host.unwrap_or_default();
        let ticket = Ticket {
            dispatch,
            root: ask.root,
            expires_s: unix_s() + Ticket::LIFETIME_S,
            origin: format!("{}://{}", ask.scheme, String::from_utf8_lossy(host)),
        };
        ticket.seal(&self.key)
    }
}

fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
