//! The limits towards clients as the command line gives them.
//!
//! It turns options into the limits of `net`, and tells those that contradict each other, naming
//! both. It must never change a limit in silence.

use std::{num::NonZeroU32, time::Duration};

use overspill_core::units::{Rate, parse_size};
use overspill_net::{ClientLimits, ServeLimits};

use super::Contradiction;

/// Options that bound what clients may take.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Connections open at the same time [default: 20000, within half of the open files allowed]
    ///
    /// Protects memory and file descriptors; further connections are answered 503.
    #[arg(long, value_name = "N")]
    max_connections: Option<NonZeroU32>,
    /// Connections of one client [default: no limit]
    ///
    /// Protects other clients from one that takes all connections. A client is an IPv4 address or
    /// an IPv6 /64; everybody behind one NAT is one client.
    #[arg(long, value_name = "N")]
    max_connections_per_client: Option<NonZeroU32>,
    /// Requests per second of one client, as many at once [default: no limit]
    ///
    /// Protects the node from scripts that ask in a loop; answered 429 with a Retry-After.
    #[arg(long, value_name = "N")]
    max_requests_per_client: Option<NonZeroU32>,
    /// Bytes per second to one client over all its connections [default: no limit]
    ///
    /// Protects other clients from one that takes the whole link, by however many connections.
    #[arg(long, value_name = "RATE")]
    rate_per_client: Option<Rate>,
    /// Bytes per second to all clients together [default: no limit]
    ///
    /// Protects whatever else uses the link. Where it is below --capacity, it is the capacity.
    #[arg(long, value_name = "RATE")]
    max_egress: Option<Rate>,
    /// Least rate a client must take bytes at, over half a minute [default: 512B/s]
    ///
    /// Protects from clients that hold flows open by reading a byte now and then.
    #[arg(long, value_name = "RATE")]
    min_rate: Option<Rate>,
    /// Leading bits of an IPv4 address that make one client [default: 32]
    ///
    /// For the limits per client; fewer bits count whole networks as one.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    client_prefix_ipv4: Option<u8>,
    /// Leading bits of an IPv6 address that make one client [default: 64]
    ///
    /// For the limits per client; sites often have a /56 or a /48 and could change their /64.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=128))]
    client_prefix_ipv6: Option<u8>,
    /// Silence allowed between two requests of a connection [default: 60s]
    ///
    /// Protects from connections that are kept and never used.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    idle_timeout: Option<Duration>,
    /// Silence allowed within a request head [default: 15s]
    ///
    /// Protects from clients that send a request byte by byte.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    head_timeout: Option<Duration>,
    /// Silence allowed while a response is sent: no byte accepted for so long [default: 60s]
    ///
    /// Protects from clients that have gone without a word. A body as such may take any time.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    send_timeout: Option<Duration>,
    /// How long running responses may take after the node was asked to end [default: 30s]
    ///
    /// Protects whoever restarts the node from waiting for the slowest client.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    drain_timeout: Option<Duration>,
    /// Bytes of a request head; longer ones are answered 431 [default: 16KiB]
    ///
    /// Protects memory: each connection may hold one.
    #[arg(long, value_name = "SIZE", value_parser = parse_head_size)]
    max_head_size: Option<usize>,
    /// Bytes of a request target; longer ones are answered 414 [default: 8KiB]
    ///
    /// Protects memory, and readers of the access log.
    #[arg(long, value_name = "SIZE", value_parser = parse_head_size)]
    max_target_size: Option<usize>,
}

/// Longest timeout: beyond a day it is a mistake in the unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Room for a head: enough for any client that works, and what a connection may cost at most.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024;

impl LimitArgs {
    /// The capacity to count with: no more than may be sent.
    pub(crate) fn within_egress(&self, capacity: Option<Rate>) -> Option<Rate> {
        match (capacity, self.max_egress) {
            (Some(capacity), Some(egress)) if capacity > egress => Some(egress),
            (capacity, egress) => capacity.or(egress),
        }
    }

    /// The limits these options stand for.
    pub(crate) fn limits(&self) -> ServeLimits {
        let default = ServeLimits::default();
        let connections = self.max_connections.map(|most| most.get() as usize);
        ServeLimits {
            head: overspill_http1::request::Limits {
                head_bytes: self.max_head_size.unwrap_or(default.head.head_bytes),
                target_bytes: self.max_target_size.unwrap_or(default.head.target_bytes),
            },
            connections: connections.unwrap_or(default.connections),
            idle: self.idle_timeout.unwrap_or(default.idle),
            reading: self.head_timeout.unwrap_or(default.reading),
            sending: self.send_timeout.unwrap_or(default.sending),
            least_body_rate: self.min_rate.unwrap_or(default.least_body_rate),
            window: default.window,
            drain: self.drain_timeout.unwrap_or(default.drain),
            clients: ClientLimits {
                connections: self.max_connections_per_client,
                requests_per_s: self.max_requests_per_client,
                bytes_per_s: self.rate_per_client,
                ipv4_prefix_bits: self.client_prefix_ipv4,
                ipv6_prefix_bits: self.client_prefix_ipv6,
                total_bytes_per_s: self.max_egress,
            },
        }
    }

    /// Parts that are larger than their whole, and a least above a most.
    pub(crate) fn contradictions(&self) -> Vec<Contradiction> {
        let serve = self.limits();
        let connections = self
            .max_connections_per_client
            .map(|most| most.get() as usize);
        let each = ("--rate-per-client", self.rate_per_client);
        let all = ("--max-egress", self.max_egress);
        let least = ("--min-rate", self.min_rate);
        let found = [
            above(
                ("--max-connections-per-client", connections),
                ("--max-connections", Some(serve.connections)),
            ),
            above(each, all),
            above(least, each),
            above(least, all),
            above(
                ("--max-target-size", Some(serve.head.target_bytes)),
                ("--max-head-size", Some(serve.head.head_bytes)),
            ),
        ];
        found.into_iter().flatten().collect()
    }
}

/// The contradiction of a lesser option that is above a greater one, where both are given.
fn above<T: PartialOrd + std::fmt::Display>(
    (above, lesser): (&'static str, Option<T>),
    (below, greater): (&'static str, Option<T>),
) -> Option<Contradiction> {
    let (lesser, greater) = (lesser?, greater?);
    (lesser > greater).then(|| Contradiction {
        options: vec![above, below],
        message: format!(
            "{above} {lesser} is above {below} {greater}; lower it or raise the other"
        ),
    })
}

/// Reads `90s`, `1m 30s`, `500ms`.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(timeout) if !timeout.is_zero() && timeout <= TIMEOUT_MAX => Ok(timeout),
        _ => Err("expected a time of up to a day, such as 30s, 1m30s or 500ms".to_owned()),
    }
}

fn parse_head_size(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    if !HEAD_BYTES.contains(&bytes) {
        return Err("expected 1KiB to 1MiB".to_owned());
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
