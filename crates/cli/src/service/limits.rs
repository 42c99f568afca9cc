//! The limits towards clients as the command line gives them.
//!
//! It turns options into the limits of `net`, and refuses those that contradict each other, naming
//! both. It must never change a limit in silence.

use std::{num::NonZeroU32, time::Duration};

use overspill_core::units::{Rate, parse_size};
use overspill_net::{ClientLimits, ServeLimits};
use thiserror::Error;

/// Options that bound what clients may take.
///
/// The same names, with underscores, are the keys of `[limits]` in a configuration file.
#[derive(Clone, Debug, Default, serde::Deserialize, clap::Args)]
#[command(next_help_heading = "Limits")]
#[serde(default, deny_unknown_fields)]
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
    #[serde(deserialize_with = "text::rate")]
    rate_per_client: Option<Rate>,
    /// Bytes per second to all clients together [default: no limit]
    ///
    /// Protects whatever else uses the link. Where it is below --capacity, it is the capacity.
    #[arg(long, value_name = "RATE")]
    #[serde(deserialize_with = "text::rate")]
    max_egress: Option<Rate>,
    /// Least rate a client must take bytes at, over half a minute [default: 512B/s]
    ///
    /// Protects from clients that hold flows open by reading a byte now and then.
    #[arg(long, value_name = "RATE")]
    #[serde(deserialize_with = "text::rate")]
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
    #[serde(deserialize_with = "text::timeout")]
    idle_timeout: Option<Duration>,
    /// Silence allowed within a request head [default: 15s]
    ///
    /// Protects from clients that send a request byte by byte.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    #[serde(deserialize_with = "text::timeout")]
    head_timeout: Option<Duration>,
    /// Silence allowed while a response is sent: no byte accepted for so long [default: 60s]
    ///
    /// Protects from clients that have gone without a word. A body as such may take any time.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    #[serde(deserialize_with = "text::timeout")]
    send_timeout: Option<Duration>,
    /// How long running responses may take after the node was asked to end [default: 30s]
    ///
    /// Protects whoever restarts the node from waiting for the slowest client.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    #[serde(deserialize_with = "text::timeout")]
    drain_timeout: Option<Duration>,
    /// Bytes of a request head; longer ones are answered 431 [default: 16KiB]
    ///
    /// Protects memory: each connection may hold one.
    #[arg(long, value_name = "SIZE", value_parser = parse_head_size)]
    #[serde(deserialize_with = "text::head_size")]
    max_head_size: Option<usize>,
    /// Bytes of a request target; longer ones are answered 414 [default: 8KiB]
    ///
    /// Protects memory, and readers of the access log.
    #[arg(long, value_name = "SIZE", value_parser = parse_head_size)]
    #[serde(deserialize_with = "text::head_size")]
    max_target_size: Option<usize>,
}

/// Two options that cannot both be meant.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum LimitConflict {
    /// The first would never be reached, or never be kept, because of the second.
    #[error("{above} {above_value} is above {below} {below_value}; lower it or raise the other")]
    Above {
        above: &'static str,
        above_value: String,
        below: &'static str,
        below_value: String,
    },
    /// What makes a client is of no interest.
    #[error(
        "{0} has no effect without a limit per client; add --max-connections-per-client, \
         --max-requests-per-client or --rate-per-client"
    )]
    PrefixAlone(&'static str),
}

/// Longest timeout: beyond a day it is a mistake in the unit.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Room for a head: enough for any client that works, and what a connection may cost at most.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024;

impl LimitArgs {
    /// What is given here, and for the rest what `file` says.
    pub(crate) fn or(self, file: Self) -> Self {
        macro_rules! each_or {
            ($($field:ident),* $(,)?) => {
                Self { $($field: self.$field.or(file.$field)),* }
            };
        }
        each_or!(
            max_connections,
            max_connections_per_client,
            max_requests_per_client,
            rate_per_client,
            max_egress,
            min_rate,
            client_prefix_ipv4,
            client_prefix_ipv6,
            idle_timeout,
            head_timeout,
            send_timeout,
            drain_timeout,
            max_head_size,
            max_target_size,
        )
    }

    /// The limits these options stand for.
    pub(crate) fn limits(&self) -> Result<ServeLimits, LimitConflict> {
        let limits = self.serve_limits();
        self.check_order(&limits)?;
        self.check_prefixes()?;
        Ok(limits)
    }

    /// The capacity to count with: no more than may be sent.
    pub(crate) fn within_egress(&self, capacity: Option<Rate>) -> Option<Rate> {
        match (capacity, self.max_egress) {
            (Some(capacity), Some(egress)) if capacity > egress => Some(egress),
            (capacity, egress) => capacity.or(egress),
        }
    }

    fn serve_limits(&self) -> ServeLimits {
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

    /// No part may be larger than its whole, no least above a most.
    fn check_order(&self, serve: &ServeLimits) -> Result<(), LimitConflict> {
        let connections = self
            .max_connections_per_client
            .map(|most| most.get() as usize);
        in_order(
            ("--max-connections-per-client", connections),
            ("--max-connections", Some(serve.connections)),
        )?;
        let (each, all) = (
            ("--rate-per-client", self.rate_per_client),
            ("--max-egress", self.max_egress),
        );
        in_order(each, all)?;
        let least = ("--min-rate", self.min_rate);
        in_order(least, each)?;
        in_order(least, all)?;
        in_order(
            ("--max-target-size", Some(serve.head.target_bytes)),
            ("--max-head-size", Some(serve.head.head_bytes)),
        )
    }

    fn check_prefixes(&self) -> Result<(), LimitConflict> {
        let per_client = self.max_connections_per_client.is_some()
            || self.max_requests_per_client.is_some()
            || self.rate_per_client.is_some();
        let prefixes = [
            ("--client-prefix-ipv4", self.client_prefix_ipv4),
            ("--client-prefix-ipv6", self.client_prefix_ipv6),
        ];
        match prefixes.iter().find(|(_, bits)| bits.is_some()) {
            Some((name, _)) if !per_client => Err(LimitConflict::PrefixAlone(name)),
            _ => Ok(()),
        }
    }
}

/// Refuses a lesser option that is above a greater one, where both are given.
fn in_order<T: PartialOrd + std::fmt::Display>(
    (above, lesser): (&'static str, Option<T>),
    (below, greater): (&'static str, Option<T>),
) -> Result<(), LimitConflict> {
    match (lesser, greater) {
        (Some(lesser), Some(greater)) if lesser > greater => Err(LimitConflict::Above {
            above,
            above_value: lesser.to_string(),
            below,
            below_value: greater.to_string(),
        }),
        _ => Ok(()),
    }
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

/// Values of a configuration file, written as on the command line.
mod text {
    use std::time::Duration;

    use overspill_core::units::Rate;
    use serde::{Deserialize, Deserializer, de::Error};

    fn parsed<'de, D: Deserializer<'de>, T>(
        from: D,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).map(Some).map_err(D::Error::custom)
    }

    pub(super) fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Rate>, D::Error> {
        parsed(from, |text| {
            text.parse()
                .map_err(|error: overspill_core::units::UnitError| error.to_string())
        })
    }

    pub(super) fn timeout<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        parsed(from, super::parse_timeout)
    }

    pub(super) fn head_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
        parsed(from, super::parse_head_size)
    }
}

#[cfg(test)]
mod tests;
