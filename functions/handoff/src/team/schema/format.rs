//! What `format` asks of a text. The formats are those that descriptions of tools use; others are refused when a team is read.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A known format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    Time,
    DateTime,
    Duration,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Uri,
    Uuid,
}

impl Format {
    pub(super) const ALL: [Self; 10] = [
        Self::Date,
        Self::Time,
        Self::DateTime,
        Self::Duration,
        Self::Email,
        Self::Hostname,
        Self::Ipv4,
        Self::Ipv6,
        Self::Uri,
        Self::Uuid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date-time",
            Self::Duration => "duration",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Uri => "uri",
            Self::Uuid => "uuid",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Date => date(text),
            Self::Time => time(text),
            Self::DateTime => text
                .split_once(['T', 't'])
                .is_some_and(|(day, clock)| date(day) && time(clock)),
            Self::Duration => duration(text),
            Self::Email => email(text),
            Self::Hostname => hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Uri => uri(text),
            Self::Uuid => uuid(text),
        }
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// RFC 3339, `full-date`.
fn date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut next = |count| digits(parts.next()?, count);
    let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// RFC 3339, `full-time`.
fn time(text: &str) -> bool {
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let Some((clock, rest)) = text.split_at_checked(5) else {
        return false;
    };
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (seconds, zone) = rest.split_at(zone);
    let offset = match zone.split_at_checked(1) {
        Some(("Z" | "z", "")) => Some(0),
        Some(("+", offset)) => minutes(offset).map(i64::from),
        Some(("-", offset)) => minutes(offset).map(|minutes| -i64::from(minutes)),
        _ => None,
    };
    let (Some(clock), Some(offset)) = (minutes(clock), offset) else {
        return false;
    };
    let Some(seconds) = seconds.strip_prefix(':') else {
        return false;
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    match digits(seconds, 2) {
        Some(..60) => true,
        // A leap second is the last one of a day in UTC.
        Some(60) => (i64::from(clock) - offset).rem_euclid(24 * 60) == 24 * 60 - 1,
        _ => false,
    }
}

/// ISO 8601, section 5.5.2.
fn duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    if let Some(weeks) = text.strip_suffix('W') {
        return !weeks.is_empty() && weeks.bytes().all(|byte| byte.is_ascii_digit());
    }
    let (days, clock) = match text.split_once('T') {
        Some((days, clock)) => (days, Some(clock)),
        None => (text, None),
    };
    units(days, "YMD")
        && clock.map_or(!days.is_empty(), |clock| {
            !clock.is_empty() && units(clock, "HMS")
        })
}

/// Numbers with units of this order, each at most once.
fn units(text: &str, order: &str) -> bool {
    let (mut left, mut rest) = (order, text);
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let has_number = unit.len() < rest.len();
        let (Some(name), true) = (unit.chars().next(), has_number) else {
            return false;
        };
        let Some((_, later)) = left.split_once(name) else {
            return false;
        };
        (left, rest) = (later, unit.get(name.len_utf8()..).unwrap_or_default());
    }
    true
}

/// RFC 5321, section 4.1.2, without comments and line folding, which no address of a customer has.
fn email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let quoted = local
        .strip_prefix('"')
        .and_then(|local| local.strip_suffix('"'));
    let is_local = match quoted {
        Some(inside) => inside
            .chars()
            .all(|c| (' '..='~').contains(&c) && !matches!(c, '"' | '\\')),
        None => local.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
                })
        }),
    };
    let address = domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'));
    let is_domain = match address {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => address.parse::<Ipv4Addr>().is_ok(),
        },
        None => hostname(domain),
    };
    is_local && local.len() <= 64 && text.len() <= 254 && is_domain
}

/// RFC 1123, section 2.1.
fn hostname(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// RFC 3986, section 3.
fn uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (has_authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (is_authority(authority), rest)
        }
        None => (true, rest),
    };
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    is_scheme
        && has_authority
        && is_of(before, b"-._~!$&'()*+,;=:@/?")
        && is_of(fragment, b"-._~!$&'()*+,;=:@/?")
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let address = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    let is_host = if let Some((address, port)) = address {
        let port = port.strip_prefix(':').map_or(port.is_empty(), is_port);
        port && address.parse::<Ipv6Addr>().is_ok()
    } else {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        is_of(name, b"-._~!$&'()*+,;=") && is_port(port)
    };
    is_host && is_of(user, b"-._~!$&'()*+,;=:")
}

/// Letters, digits, these marks, and others as `%41`.
fn is_of(text: &str, marks: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = if byte == b'%' {
            (0..2).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
        } else {
            byte.is_ascii_alphanumeric() || marks.contains(&byte)
        };
        if !fits {
            return false;
        }
    }
    true
}

/// RFC 9562, section 4.
fn uuid(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_hex = |part: &str, count| {
        part.len() == count && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    [8, 4, 4, 4, 12]
        .into_iter()
        .all(|count| parts.next().is_some_and(|part| is_hex(part, count)))
        && parts.next().is_none()
}
