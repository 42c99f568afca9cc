//! Where nodes and clients are: zones, and the map from networks to them.
//!
//! A zone is a name the operator gives to a place: a site, a region, a provider. Names are short and
//! few; comparing them costs less than any table would. It must never make a file unreachable: a zone
//! is a preference.

use core::net::IpAddr;
use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::limit::{Prefix, PrefixBits};

/// The name of a zone: 1 to 32 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Zone(Arc<str>);

/// Text that is no zone, network or map of them. The operator's fault.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ZoneError {
    /// Not a name.
    #[error("{0:?} is not a zone's name: use 1 to 32 characters of a-z, 0-9 and -")]
    Name(String),
    /// Not a network.
    #[error("{0:?} is not a network: write for example 10.1.0.0/16 or 2001:db8::/32")]
    Network(String),
    /// Too many networks.
    #[error("{0} networks are more than the {max} that fit", max = Zones::MAX_NETWORKS)]
    TooMany(usize),
}

/// Which networks are in which zone; the longest prefix wins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Zones {
    /// Longest prefix first.
    networks: Vec<Network>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Network {
    prefix: Prefix,
    bits: PrefixBits,
    length: u8,
    is_ipv4: bool,
    zone: Zone,
}

impl Zone {
    /// Longest name.
    pub const MAX_BYTES: usize = 32;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name if it looks like the code of a country (ISO 3166-1 alpha-2): two letters.
    pub fn country(&self) -> Option<&str> {
        let is_code = self.0.len() == 2 && self.0.bytes().all(|byte| byte.is_ascii_lowercase());
        is_code.then_some(&*self.0)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(plain) {
            return Err(ZoneError::Name(text.to_owned()));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl Zones {
    /// Most networks of one map: it is searched from the top for each decision.
    pub const MAX_NETWORKS: usize = 1024;

    /// Reads a map of networks (`10.1.0.0/16`, `2001:db8::/32`, a single address) to zones.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ZoneError> {
        let networks = pairs
            .into_iter()
            .map(|(network, zone)| Network::parse(network, zone.parse()?));
        let mut networks = networks.collect::<Result<Vec<_>, _>>()?;
        if networks.len() > Self::MAX_NETWORKS {
            return Err(ZoneError::TooMany(networks.len()));
        }
        networks.sort_by_key(|network| std::cmp::Reverse(network.length));
        Ok(Self { networks })
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether there is no network.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The zone of a client; `None` if no network has it.
    pub fn of(&self, client: IpAddr) -> Option<&Zone> {
        let client = client.to_canonical();
        let network = self.networks.iter().find(|network| {
            network.is_ipv4 == client.is_ipv4()
                && Prefix::of(client, network.bits) == network.prefix
        });
        network.map(|network| &network.zone)
    }
}

impl Network {
    fn parse(text: &str, zone: Zone) -> Result<Self, ZoneError> {
        let malformed = || ZoneError::Network(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().map_err(|_| malformed())?,
            None => most,
        };
        if length > most {
            return Err(malformed());
        }
        let bits = PrefixBits {
            ipv4: length,
            ipv6: length,
        };
        Ok(Self {
            prefix: Prefix::of(address, bits),
            bits,
            length,
            is_ipv4: address.is_ipv4(),
            zone,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let zones = Zones::parse([
            ("10.0.0.0/8", "wide"),
            ("10.1.0.0/16", "site"),
            ("10.1.2.3", "desk"),
            ("2001:db8::/32", "six"),
            ("::/0", "any-six"),
        ])
        .unwrap();
        for (client, zone) in [
            ("10.1.2.3", Some("desk")),
            ("::ffff:10.1.2.3", Some("desk")),
            ("10.1.2.4", Some("site")),
            ("10.2.0.0", Some("wide")),
            ("11.0.0.0", None),
            ("2001:db8:5::1", Some("six")),
            ("fe80::1", Some("any-six")),
        ] {
            let found = zones.of(client.parse().unwrap()).map(Zone::as_str);
            assert_eq!(found, zone, "{client}");
        }
    }

    #[test]
    fn two_letters_are_a_country() {
        for (zone, country) in [
            ("de", Some("de")),
            ("d1", None),
            ("deu", None),
            ("a-", None),
        ] {
            assert_eq!(zone.parse::<Zone>().unwrap().country(), country, "{zone}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (network, zone) in [
            ("10.0.0.0/33", "a"),
            ("10.0.0/8", "a"),
            ("host", "a"),
            ("10.0.0.0/", "a"),
            ("10.0.0.0/8", "A b"),
            ("10.0.0.0/8", ""),
        ] {
            let error = Zones::parse([(network, zone)]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{network:?}")) || error.contains(&format!("{zone:?}")),
                "{error}"
            );
        }
        assert!("z".repeat(33).parse::<Zone>().is_err());
    }
}
