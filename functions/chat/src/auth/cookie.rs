//! The cookie of an anonymous visitor.

use http::{HeaderMap, header};

use crate::edge::authority::is_loopback_host;

/// Its name over HTTPS. Browsers take a cookie with this prefix only for the whole host and only over HTTPS.
const NAME: &str = "__Host-baton";

/// Its name on loopback over plain HTTP.
const PLAIN_NAME: &str = "baton";

/// How long a browser keeps it, in seconds: 400 days, the longest that browsers allow.
pub(super) const LIFE: u64 = 400 * 86_400;

/// The visitor's token in the request.
pub(super) fn value(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let ours = pairs.find(|(name, _)| *name == NAME || *name == PLAIN_NAME);
    ours.map(|(_, value)| value)
}

/// The header that gives a visitor this token.
pub(super) fn given(headers: &HeaderMap, token: &str) -> String {
    written(headers, token, LIFE)
}

/// The header that ends the cookie.
pub(super) fn ended(headers: &HeaderMap) -> String {
    written(headers, "", 0)
}

fn written(headers: &HeaderMap, token: &str, seconds: u64) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let (name, secure) = if host.is_some_and(is_loopback_host) {
        (PLAIN_NAME, "")
    } else {
        (NAME, "; Secure")
    };
    format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn scripts_and_other_sites_cannot_use_it_and_only_loopback_sends_it_unencrypted() {
        let host = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            headers
        };
        assert_eq!(
            given(&host("chat.example"), "t"),
            "__Host-baton=t; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            given(&host("localhost:8501"), "t"),
            "baton=t; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"
        );
        assert!(ended(&host("chat.example")).contains("Max-Age=0;"));
    }
}
