//! A host with its port, as `Host`, `Origin` and the target of a request name it. Knows text only; never which names are known.

use std::net::{IpAddr, Ipv6Addr};

/// The name or address of a host, and a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority<'a> {
    /// Without brackets.
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// RFC 9110, section 7.2: a host and perhaps a port. User information, which only misleads, is not part of it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (host, port) = bracketed.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (!host.is_empty() && host.bytes().all(is_plain)).then_some((host, port))?
        };
        let port = match port.strip_prefix(':') {
            None => port.is_empty().then_some(None)?,
            // RFC 3986, section 3.2.3: the same as none.
            Some("") => None,
            // The parser of numbers would accept a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    /// The scheme and the host of an origin (RFC 6454, section 6.2).
    pub(crate) fn of_origin(origin: &'a str) -> Option<(&'a str, Self)> {
        let (scheme, authority) = origin.split_once("://")?;
        Some((scheme, Self::parse(authority)?))
    }

    /// The host is an address and no name.
    pub(crate) fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// The host is this machine, by name or by address.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// The same host, at any port.
    pub(crate) fn has_host_of(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
    }

    /// The same host and port.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.has_host_of(other) && self.port == other.port
    }
}

/// Whether the value of a `Host` header is a name of this machine for itself.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    Authority::parse(host).is_some_and(|host| host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_and_nothing_else() {
        for (text, host, port) in [
            ("chat.example", "chat.example", None),
            ("chat.example:8501", "chat.example", Some(8501)),
            ("chat.example:", "chat.example", None),
            ("a_b-c:1", "a_b-c", Some(1)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
        ] {
            let found = Authority::parse(text).unwrap();
            assert_eq!((found.host, found.port), (host, port), "{text}");
        }
        for text in [
            "",
            ":80",
            "[127.0.0.1].evil.example",
            "[::1].evil.example",
            "[::1",
            "[localhost]",
            "[127.0.0.1]",
            "::1",
            "127.0.0.1:80@evil.example",
            "user@localhost",
            "localhost:evil",
            "localhost:+80",
            "localhost:65536",
            "localhost/",
            "localhost, evil.example",
            "local host",
            "loc%61lhost",
        ] {
            assert!(Authority::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn this_machine_has_one_name_and_some_addresses() {
        let is_loopback = |text| Authority::parse(text).unwrap().is_loopback();
        for text in ["localhost", "LocalHost:1", "127.0.0.9", "[::1]:80"] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "localhost.",
            "localhost.evil.example",
            "2130706433",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }
}
