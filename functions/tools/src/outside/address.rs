//! The addresses that a tool may call. Knows addresses only; never names, sockets or callers.
//!
//! The ranges are those of the IANA registries of special-purpose addresses (RFC 6890), and the addresses at which clouds
//! hand out credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses with a common beginning, written `10.1.0.0/16`; one address is a network too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    /// The number of significant bits of the base.
    bits: u8,
}

/// A text that is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 10.1.0.0/16")]
pub struct NotANetwork;

/// The kind of an address for a tool, in the order of danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Public.
    Public,
    /// Of this machine or this network: allowed only by configuration.
    Private,
    /// Never a legitimate target of a tool.
    Forbidden,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Network {
    Network {
        base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        bits,
    }
}

const fn v6(a: u16, b: u16, c: u16, last: u16, bits: u8) -> Network {
    Network {
        base: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, last)),
        bits,
    }
}

/// Loopback, private use (RFC 1918, RFC 4193), shared by carriers (RFC 6598), benchmarks (RFC 2544).
const PRIVATE: &[Network] = &[
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v6(0, 0, 0, 1, 128),
    v6(0xfc00, 0, 0, 0, 7),
];

const FORBIDDEN: &[Network] = &[
    // "This network"; some systems take it for loopback.
    v4(0, 0, 0, 0, 8),
    // Link-local, with the metadata service of most clouds.
    v4(169, 254, 0, 0, 16),
    // Metadata services at other places: Alibaba, Azure, Oracle, AWS, Google.
    v4(100, 100, 100, 200, 32),
    v4(168, 63, 129, 16, 32),
    v4(192, 0, 0, 0, 24),
    v6(0xfd00, 0x0ec2, 0, 0x254, 128),
    v6(0xfd20, 0x00ce, 0, 0x254, 128),
    // Documentation, the old 6to4 relay, multicast, reserved and broadcast.
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 3),
    // Inside 2000::/3, of which the rest is public: Teredo and 6to4 hide IPv4 addresses; ORCHID, documentation.
    v6(0x2001, 0, 0, 0, 23),
    v6(0x2001, 0x0db8, 0, 0, 32),
    v6(0x2002, 0, 0, 0, 16),
    v6(0x3fff, 0, 0, 0, 20),
];

/// The only part of IPv6 that is routed everywhere.
const GLOBAL_V6: Network = v6(0x2000, 0, 0, 0, 3);

/// NAT64 (RFC 6052): the last 32 bits are an IPv4 address.
const NAT64: Network = v6(0x0064, 0xff9b, 0, 0, 96);

impl Network {
    /// Whether this address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (base, address, width) = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => (
                u128::from(base.to_bits()),
                u128::from(address.to_bits()),
                32,
            ),
            (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        // No bit is significant: every address matches, and a shift by the whole width would overflow.
        (base ^ address)
            .checked_shr(width - u32::from(self.bits))
            .is_none_or(|rest| rest == 0)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NotANetwork)?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        match bits.unwrap_or(width) {
            bits if bits <= width => Ok(Self { base, bits }),
            _ => Err(NotANetwork),
        }
    }
}

impl Class {
    pub(crate) fn of(address: IpAddr) -> Self {
        if let Some(inner) = disguised(address) {
            // This way of writing an IPv4 address is seldom innocent.
            return Self::of(IpAddr::V4(inner)).max(Self::Private);
        }
        let one_of =
            |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        if one_of(FORBIDDEN) {
            Self::Forbidden
        } else if one_of(PRIVATE) {
            Self::Private
        } else if address.is_ipv4() || GLOBAL_V6.contains(address) {
            Self::Public
        } else {
            Self::Forbidden
        }
    }
}

/// The IPv4 address inside of an IPv6 one that reaches it: mapped (`::ffff:10.0.0.1`), or through NAT64.
fn disguised(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    if !NAT64.contains(IpAddr::V6(address)) {
        return address.to_ipv4_mapped();
    }
    let [.., a, b, c, d] = address.octets();
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all_are(class: Class, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(Class::of(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn public_addresses_may_be_called() {
        all_are(
            Class::Public,
            &[
                "1.1.1.1",
                "100.63.255.255",
                "172.32.0.1",
                "192.169.0.1",
                "223.255.255.255",
                "2606:4700::1111",
            ],
        );
    }

    #[test]
    fn addresses_of_this_machine_or_network_are_private() {
        all_are(
            Class::Private,
            &[
                "127.0.0.1",
                "127.255.0.9",
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
            ],
        );
        all_are(
            Class::Private,
            &["100.127.255.255", "198.19.0.1", "::1", "fc00::1", "fdff::1"],
        );
    }

    #[test]
    fn addresses_without_a_legitimate_use_are_forbidden() {
        all_are(
            Class::Forbidden,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "169.254.169.254",
                "169.254.0.1",
                "100.100.100.200",
                "168.63.129.16",
            ],
        );
        all_are(
            Class::Forbidden,
            &[
                "192.0.0.192",
                "203.0.113.7",
                "224.0.0.1",
                "239.1.1.1",
                "240.0.0.1",
                "255.255.255.255",
            ],
        );
        all_are(
            Class::Forbidden,
            &[
                "::",
                "fe80::1",
                "fec0::1",
                "ff02::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "2001:db8::1",
                "100::1",
            ],
        );
        all_are(
            Class::Forbidden,
            &["2002:7f00:1::", "2001::1", "::7f00:1", "64:ff9b:1::7f00:1"],
        );
    }

    #[test]
    fn an_ipv4_address_in_disguise_is_what_it_is_and_never_public() {
        all_are(
            Class::Private,
            &[
                "::ffff:127.0.0.1",
                "::ffff:1.1.1.1",
                "64:ff9b::10.0.0.1",
                "64:ff9b::1.1.1.1",
            ],
        );
        all_are(
            Class::Forbidden,
            &[
                "::ffff:169.254.169.254",
                "64:ff9b::169.254.169.254",
                "::ffff:0.0.0.0",
            ],
        );
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        let within = |network: &str, address: &str| {
            network
                .parse::<Network>()
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(within("10.1.0.0/16", "10.1.255.255"));
        assert!(!within("10.1.0.0/16", "10.2.0.0"));
        assert!(within("127.0.0.1", "127.0.0.1"));
        assert!(!within("127.0.0.1", "127.0.0.2"));
        assert!(within("0.0.0.0/0", "255.1.2.3"));
        assert!(!within("0.0.0.0/0", "::1"));
        assert!(within("::/0", "fe80::1"));
        assert!(within("fd12::/16", "fd12:1::1"));
        for wrong in [
            "",
            "10.1/16",
            "10.0.0.0/33",
            "::/129",
            "example.com",
            "10.0.0.0/x",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }
}
