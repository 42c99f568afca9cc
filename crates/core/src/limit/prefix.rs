//! Who counts as one client: the addresses below one prefix.
//!
//! A customer of IPv6 owns a whole /64 or more, so its single addresses say nothing; an IPv4 address
//! stands for a household or an office. It must never tell apart an IPv4 client that came by IPv4 and
//! one that came through a dual-stack socket.

use core::net::IpAddr;

/// How many leading bits of an address make a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrefixBits {
    /// Of IPv4, 0 to 32; larger means 32.
    pub ipv4: u8,
    /// Of IPv6, 0 to 128; larger means 128.
    pub ipv6: u8,
}

/// One client. Two addresses are the same client if, and only if, their prefixes are equal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix(u128);

impl Default for PrefixBits {
    /// Whole IPv4 addresses, and /64 of IPv6.
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 64 }
    }
}

impl Prefix {
    /// The client that `address` belongs to.
    ///
    /// IPv4 lives at `::ffff:0:0/96`, where no IPv6 client can be: an address from there *is* IPv4.
    pub fn of(address: IpAddr, bits: PrefixBits) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let kept = IPV4_AT + u32::from(bits.ipv4.min(32));
                Self(u128::from(v4.to_ipv6_mapped()) & mask(kept))
            }
            IpAddr::V6(v6) => Self(u128::from(v6) & mask(u32::from(bits.ipv6.min(128)))),
        }
    }
}

/// How many bits stand before an IPv4 address that is written as IPv6.
const IPV4_AT: u32 = 96;

/// The highest `bits` bits.
fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shr(bits).map_or(u128::MAX, |rest| !rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, ipv4: u8, ipv6: u8) -> Prefix {
        Prefix::of(address.parse().unwrap(), PrefixBits { ipv4, ipv6 })
    }

    #[test]
    fn addresses_of_one_client_share_a_prefix() {
        for (a, b, ipv4, ipv6, same) in [
            ("192.0.2.1", "192.0.2.1", 32, 64, true),
            ("192.0.2.1", "192.0.2.2", 32, 64, false),
            ("192.0.2.1", "192.0.2.2", 24, 64, true),
            ("192.0.2.1", "192.0.3.1", 24, 64, false),
            ("192.0.2.1", "::ffff:192.0.2.1", 32, 64, true),
            ("192.0.2.1", "203.0.113.9", 0, 64, true),
            ("2001:db8::1", "2001:db8::ffff:1", 32, 64, true),
            ("2001:db8::1", "2001:db8:0:1::1", 32, 64, false),
            ("2001:db8::1", "2001:db8:0:1::1", 32, 56, true),
            ("2001:db8::1", "2001:db8::2", 32, 128, false),
            ("2001:db8::1", "2001:db8::2", 32, 200, false),
            ("2001:db8::1", "fe80::1", 32, 0, true),
            ("0.0.0.0", "::", 0, 0, false),
            ("255.255.0.1", "0:0:0:0:0:fffe::", 0, 95, false),
        ] {
            assert_eq!(
                prefix(a, ipv4, ipv6) == prefix(b, ipv4, ipv6),
                same,
                "{a} {b} /{ipv4} /{ipv6}"
            );
        }
    }
}
