//! A client's preferences from headers such as `Accept`: names in lower case, the most wanted first.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName};

/// The acceptable names in this header by falling weight; names of equal weight in their own order.
pub(crate) fn wanted(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut wanted: Vec<_> = ranges
        .filter_map(weighted)
        .filter(|(weight, _)| *weight > 0)
        .collect();
    wanted.sort_by_key(|(weight, _)| Reverse(*weight));
    wanted.into_iter().map(|(_, name)| name).collect()
}

/// A name and its weight in thousandths; `None` for an empty part between two commas.
fn weighted(range: &str) -> Option<(u16, String)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim_end().eq_ignore_ascii_case("q"))
        .map_or(1_000, |(_, weight)| thousandths(weight.trim_start()));
    Some((weight, name.to_ascii_lowercase()))
}

/// RFC 9110, section 12.4.2: `0`, `1`, or up to three digits after the point. Any other text counts as the default, 1.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, format!("{fraction:0<3}").parse()) {
        ("0", Ok(thousandths)) if is_fraction => thousandths,
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn wanted_of(accept: &str) -> Vec<String> {
        let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
        wanted(&headers, &ACCEPT)
    }

    #[test]
    fn the_heaviest_comes_first_and_what_weighs_nothing_not_at_all() {
        assert_eq!(
            wanted_of("text/plain;q=0.5, Text/Event-Stream ; charset=utf-8 ; Q=0.9,*/*; q=0.05"),
            ["text/event-stream", "text/plain", "*/*"]
        );
        assert_eq!(wanted_of("a/b, c/d;q=1.000, e/f"), ["a/b", "c/d", "e/f"]);
        assert_eq!(wanted_of("a/b;q=0, c/d;q=0.0, e/f;q=0.001"), ["e/f"]);
    }

    #[test]
    fn an_invalid_weight_counts_as_the_default() {
        assert_eq!(
            wanted_of("a/b;q=0.9, c/d;q=much, , e/f;q=-1"),
            ["c/d", "e/f", "a/b"]
        );
        assert_eq!(wanted_of(""), [] as [&str; 0]);
    }
}
