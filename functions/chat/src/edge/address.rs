//! The client's address, for what is counted by address. It is the socket's, or on a function the event's; behind proxies that are
//! named in the settings it is the one that they report.
//!
//! A client can write any header, and each proxy adds the address of its own caller at the right. So only the entries of known
//! proxies count, read from the right. Knows addresses and headers; no bound.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Once;

use baton_setup::settings::Proxies;
use http::{Extensions, HeaderMap, HeaderName, header};

use crate::edge::authority::is_loopback_host;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const CLOUDFRONT_VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// The most entries that are read. No chain of proxies is that long, and a client may send thousands of entries.
const LONGEST_CHAIN: usize = 32;

/// One client, or the clients of one network, for what is counted by address: an IPv4 address, or the first 64 bits of an IPv6
/// address, of which a subscriber has all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(IpAddr);

/// Where the request came from, as the transport knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The other end of the socket.
    Socket(IpAddr),
    /// The source address in the event of a function.
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(dead_code, reason = "functions are on AWS")
    )]
    Event(IpAddr),
}

impl Address {
    /// The address of a request; None where it cannot be known, or is loopback, behind which may be anybody.
    pub(crate) fn of(
        extensions: &Extensions,
        headers: &HeaderMap,
        proxies: &Proxies,
    ) -> Option<Self> {
        let peer = *extensions.get::<Peer>()?;
        let (Peer::Socket(ip) | Peer::Event(ip)) = peer;
        let ip = ip.to_canonical();
        let found = match (proxies, peer) {
            (Proxies::None, Peer::Socket(_)) if is_forwarded(headers) => {
                tell_once();
                return None;
            }
            (Proxies::None, Peer::Socket(_) | Peer::Event(_)) => ip,
            (Proxies::CloudFront, _) => viewer(headers).unwrap_or(ip),
            (Proxies::Networks(_), _) => reported(headers, ip, proxies),
        };
        (!found.is_loopback() || proxies.contains(found)).then(|| Self::whole(found))
    }

    fn whole(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// Whether the request comes from this machine and through no proxy, as far as can be known.
pub(crate) fn is_from_here(extensions: &Extensions, headers: &HeaderMap) -> bool {
    let peer = extensions.get::<Peer>();
    let is_loopback =
        |peer: &Peer| matches!(peer, Peer::Socket(ip) if ip.to_canonical().is_loopback());
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    peer.is_some_and(is_loopback) && host.is_some_and(is_loopback_host) && !is_forwarded(headers)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    [
        header::FORWARDED,
        X_FORWARDED_FOR,
        CLOUDFRONT_VIEWER_ADDRESS,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

fn tell_once() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            "requests come through a proxy, and BATON_PROXIES does not name it: nothing is bounded by the client's address"
        );
    });
}

/// The address that CloudFront saw: address, colon, port.
fn viewer(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(CLOUDFRONT_VIEWER_ADDRESS).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (ip, _port) = value.trim().rsplit_once(':')?;
    let ip = IpAddr::from_str(ip.trim_matches(['[', ']'])).ok()?;
    Some(ip.to_canonical())
}

/// The rightmost reported address that is not a proxy's. What a proxy reports unreadably is counted as its own: the caller's
/// header must not be able to escape.
fn reported(headers: &HeaderMap, peer: IpAddr, proxies: &Proxies) -> IpAddr {
    let forwarded = chain(headers, &header::FORWARDED, forwarded_for);
    let for_list = chain(headers, &X_FORWARDED_FOR, |entry| node(entry.trim()));
    match (forwarded, for_list) {
        (None, None) => peer,
        (Some(chain), None) | (None, Some(chain)) => walk(&chain, peer, proxies),
        // A proxy writes one of the two and passes on the other, which the client may have invented.
        (Some(one), Some(other)) => {
            let found = walk(&one, peer, proxies);
            if found == walk(&other, peer, proxies) {
                found
            } else {
                peer
            }
        }
    }
}

/// From the peer on, while the address is a proxy's and it reports a further one.
fn walk(chain: &[Option<IpAddr>], peer: IpAddr, proxies: &Proxies) -> IpAddr {
    let mut found = peer;
    for entry in chain {
        match entry {
            Some(next) if proxies.contains(found) => found = *next,
            Some(_) | None => break,
        }
    }
    found
}

/// The entries of a list header, from the right. None: there is no such header.
fn chain(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    headers.contains_key(name).then(|| {
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let lines = lines.iter().rev();
        let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        entries.take(LONGEST_CHAIN).map(read).collect()
    })
}

/// The parameter `for` of an element of `Forwarded` (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    let value = found.next()?.trim();
    if found.next().is_some() {
        return None;
    }
    node(
        value
            .strip_prefix('"')
            .map_or(Some(value), |quoted| quoted.strip_suffix('"'))?,
    )
}

/// An address, perhaps with a port; some proxies write an IPv6 address in brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip = text.parse().ok();
    let ip = ip.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    let ip: IpAddr = ip.or_else(|| bracketed().map(IpAddr::V6))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The address of a request with these headers from this peer.
    fn of(proxies: &Proxies, peer: Peer, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut extensions = Extensions::new();
        extensions.insert(peer);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Address::of(&extensions, &map, proxies).map(|address| address.to_string())
    }

    fn socket(ip: &str) -> Peer {
        Peer::Socket(ip.parse().unwrap())
    }

    fn networks(list: &[&str]) -> Proxies {
        Proxies::Networks(
            list.iter()
                .map(|network| network.parse().unwrap())
                .collect(),
        )
    }

    #[test]
    fn without_proxies_it_is_the_sockets_and_none_if_a_header_speaks_of_another() {
        for (ip, expected) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
            ("127.0.0.1", None),
            ("127.9.9.9", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
        ] {
            assert_eq!(
                of(&Proxies::None, socket(ip), &[]).as_deref(),
                expected,
                "{ip}"
            );
        }
        for name in ["forwarded", "x-forwarded-for", "cloudfront-viewer-address"] {
            let header = (name, "198.51.100.1:80");
            assert_eq!(of(&Proxies::None, socket("203.0.113.7"), &[header]), None);
        }
    }

    #[test]
    fn from_here_is_what_comes_by_loopback_under_its_name_and_through_no_proxy() {
        let here = |peer, list: &[(&'static str, &str)]| {
            let mut extensions = Extensions::new();
            extensions.insert(peer);
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            is_from_here(&extensions, &headers)
        };
        let (loopback, other) = (socket("127.0.0.1"), socket("203.0.113.7"));
        let host = ("host", "localhost:8501");
        assert!(here(loopback, &[host]));
        assert!(!here(other, &[host]));
        assert!(!here(loopback, &[("host", "shop.example")]));
        assert!(!here(loopback, &[]));
        assert!(!here(loopback, &[host, ("x-forwarded-for", "203.0.113.7")]));
        assert!(!is_from_here(&Extensions::new(), &HeaderMap::new()));
    }

    #[test]
    fn a_request_that_no_transport_brought_has_none() {
        let none = Address::of(&Extensions::new(), &HeaderMap::new(), &networks(&["::/0"]));
        assert_eq!(none, None);
    }

    #[test]
    fn of_a_function_it_is_the_events_whose_headers_aws_wrote() {
        let event = Peer::Event("203.0.113.7".parse().unwrap());
        let headers = [("x-forwarded-for", "1.2.3.4, 203.0.113.7")];
        assert_eq!(
            of(&Proxies::None, event, &headers).as_deref(),
            Some("203.0.113.7")
        );
        let proxies = networks(&["203.0.113.0/24"]);
        assert_eq!(of(&proxies, event, &headers).as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn behind_proxies_it_is_the_rightmost_one_that_is_no_proxys() {
        let proxies = networks(&["10.0.0.0/8", "2001:db8:ffff::/48"]);
        let list = |value| [("x-forwarded-for", value)];
        let forwarded = |value| [("forwarded", value)];
        for (headers, expected) in [
            (list("198.51.100.1"), "198.51.100.1"),
            (list("6.6.6.6, 198.51.100.1"), "198.51.100.1"),
            (list("6.6.6.6,198.51.100.1 , 10.0.0.2"), "198.51.100.1"),
            (list("198.51.100.1:4711"), "198.51.100.1"),
            (list("2001:db8::1"), "2001:db8::/64"),
            (list("[2001:db8::1]:80, 2001:db8:ffff::9"), "2001:db8::/64"),
            (list("[2001:db8::1]"), "2001:db8::/64"),
            (list("::ffff:198.51.100.1"), "198.51.100.1"),
            (forwarded("for=198.51.100.1"), "198.51.100.1"),
            (
                forwarded("for=6.6.6.6, For=\"198.51.100.1:80\";proto=https;by=_x"),
                "198.51.100.1",
            ),
            (
                forwarded("proto=http;for=\"[2001:db8::1]:4711\", for=10.0.0.2"),
                "2001:db8::/64",
            ),
            // All are proxies: the first of them asked.
            (list("10.0.0.3, 10.0.0.2"), "10.0.0.3"),
            // What cannot be read is counted as the proxy's that wrote it.
            (list("198.51.100.1, unknown"), "10.0.0.1"),
            (list("198.51.100.1, unknown, 10.0.0.2"), "10.0.0.2"),
            (list(""), "10.0.0.1"),
            (forwarded("for=_hidden"), "10.0.0.1"),
            (forwarded("for=\"198.51.100.1"), "10.0.0.1"),
            (forwarded("for=1.1.1.1;for=2.2.2.2"), "10.0.0.1"),
            (forwarded("by=198.51.100.1"), "10.0.0.1"),
        ] {
            let found = of(&proxies, socket("10.0.0.1"), &headers);
            assert_eq!(found.as_deref(), Some(expected), "{headers:?}");
            // Nothing counts that no proxy said.
            let direct = of(&proxies, socket("203.0.113.7"), &headers);
            assert_eq!(direct.as_deref(), Some("203.0.113.7"), "{headers:?}");
        }
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "5.5.5.5"),
        ];
        let found = of(&proxies, socket("10.0.0.1"), &lines);
        assert_eq!(found.as_deref(), Some("5.5.5.5"));
        assert_eq!(
            of(&proxies, socket("10.0.0.1"), &[]).as_deref(),
            Some("10.0.0.1")
        );
    }

    #[test]
    fn of_two_headers_that_differ_neither_counts() {
        let proxies = networks(&["10.0.0.1"]);
        let with = |forwarded| {
            let headers = [("x-forwarded-for", "5.5.5.5"), ("forwarded", forwarded)];
            of(&proxies, socket("10.0.0.1"), &headers)
        };
        assert_eq!(with("for=5.5.5.5").as_deref(), Some("5.5.5.5"));
        assert_eq!(with("for=6.6.6.6").as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn loopback_counts_if_it_is_named() {
        let headers = [("x-forwarded-for", "198.51.100.1")];
        let named = networks(&["127.0.0.0/8"]);
        let found = of(&named, socket("127.0.0.1"), &headers);
        assert_eq!(found.as_deref(), Some("198.51.100.1"));
        assert_eq!(
            of(&named, socket("127.0.0.1"), &[]).as_deref(),
            Some("127.0.0.1")
        );
        assert_eq!(
            of(&networks(&["10.0.0.1"]), socket("127.0.0.1"), &headers),
            None
        );
    }

    #[test]
    fn behind_cloudfront_it_is_the_viewers() {
        let found = |headers: &[(&'static str, &str)]| {
            of(&Proxies::CloudFront, socket("130.176.0.1"), headers).unwrap()
        };
        let viewer = |value| found(&[("cloudfront-viewer-address", value)]);
        assert_eq!(viewer("198.51.100.1:46532"), "198.51.100.1");
        assert_eq!(viewer("2001:db8:0:0:1:0:0:1:46532"), "2001:db8::/64");
        assert_eq!(viewer("2001:db8::1:46532"), "2001:db8::/64");
        assert_eq!(viewer("[2001:db8::1]:46532"), "2001:db8::/64");
        // Nobody knows: all of them are counted together.
        assert_eq!(viewer("unknown"), "130.176.0.1");
        assert_eq!(found(&[("x-forwarded-for", "6.6.6.6")]), "130.176.0.1");
        let twice = [
            ("cloudfront-viewer-address", "6.6.6.6:1"),
            ("cloudfront-viewer-address", "198.51.100.1:46532"),
        ];
        assert_eq!(found(&twice), "130.176.0.1");
    }

    #[test]
    fn a_chain_without_end_is_read_to_a_bound() {
        let proxies = networks(&["10.0.0.0/8"]);
        let long = format!("6.6.6.6{}", ", 10.0.0.2".repeat(5000));
        let found = of(&proxies, socket("10.0.0.1"), &[("x-forwarded-for", &long)]);
        assert_eq!(found.as_deref(), Some("10.0.0.2"));
    }
}
