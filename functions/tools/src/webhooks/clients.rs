//! Endpoints that clients bring: at which hosts they may be, and what they are sent beside the body. Knows addresses and A2A's
//! headers; never who brought one.

use std::fmt;
use std::str::FromStr;

use baton_handoff::ports::{Authentication, ClientEndpoint};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::outgoing::line::{Line, literal_address};

/// What a client's token comes in, as the official libraries of A2A send and expect it.
const TOKEN: HeaderName = HeaderName::from_static("x-a2a-notification-token");

/// A host at which clients may have endpoints: a name, or `*.` and what names end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushHost {
    /// As URLs have it.
    name: String,
    /// Whether it is every name below this one, and not this one.
    below: bool,
}

/// A text that names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host such as hooks.example.com or *.example.com, without scheme, port and path")]
pub struct NotAHost;

impl FromStr for PushHost {
    type Err = NotAHost;
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (name, below) = text
            .strip_prefix("*.")
            .map_or((text, false), |name| (name, true));
        let url = Url::parse(&format!("https://{name}/")).map_err(|_| NotAHost)?;
        let is_it = url
            .host_str()
            .is_some_and(|host| host.eq_ignore_ascii_case(name));
        let is_name = url.domain().is_some();
        if !is_it || name.contains('*') || (below && !is_name) {
            return Err(NotAHost);
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            below,
        })
    }
}

impl fmt::Display for PushHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(f, "{below}{}", self.name)
    }
}

impl PushHost {
    fn has(&self, host: &str) -> bool {
        if !self.below {
            return host == self.name;
        }
        let before = host.strip_suffix(&self.name);
        before.is_some_and(|before| before.len() > 1 && before.ends_with('.'))
    }
}

/// Where endpoints of clients may be.
pub(super) struct Clients {
    hosts: Vec<PushHost>,
    plain_hosts: Vec<String>,
}

impl Clients {
    pub(super) fn new(hosts: Vec<PushHost>, plain_hosts: Vec<String>) -> Self {
        Self { hosts, plain_hosts }
    }

    pub(super) fn may_have_any(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// The address of this endpoint, if it may be told; or why not, as a sentence for its client.
    pub(super) fn url(&self, endpoint: &ClientEndpoint, line: &Line) -> Result<Url, String> {
        let url = Url::parse(&endpoint.url).map_err(|error| format!("url is no URL: {error}"))?;
        if !matches!(url.scheme(), "https" | "http")
            || !baton_http::may_carry_secrets(url.as_str(), &self.plain_hosts)
        {
            return Err("url must begin with https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "url must not have a user name or a password: use authentication".to_owned(),
            );
        }
        // One spelling for each address: by it attempts get their places.
        if url.as_str().trim_end_matches('/') != endpoint.url.trim_end_matches('/') {
            return Err(format!("url must be written so: {url}"));
        }
        let is_plain = baton_http::is_loopback(&url) || url.scheme() == "http";
        if url.port().is_some() && !is_plain {
            return Err("url must not name a port".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        if !self.hosts.iter().any(|allowed| allowed.has(host)) {
            return Err(format!(
                "url: the operator of this agent allows no notifications to the host {host}"
            ));
        }
        if let Some(address) = literal_address(&url)
            && !line.may_reach(address, false)
        {
            return Err(format!("url: the address {address} is not allowed"));
        }
        Ok(url)
    }
}

/// What comes with the body.
pub(super) fn headers(endpoint: &ClientEndpoint) -> HeaderMap {
    let secret = |text: &str| {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    let authorization = |authentication: &Authentication| {
        let credentials = authentication.credentials.as_deref()?;
        secret(&format!("{} {credentials}", authentication.scheme))
    };
    let json = HeaderValue::from_static("application/json");
    let headers = [
        (CONTENT_TYPE, Some(json)),
        (TOKEN, endpoint.token.as_deref().and_then(secret)),
        (
            AUTHORIZATION,
            endpoint.authentication.as_ref().and_then(authorization),
        ),
    ];
    let headers = headers.into_iter();
    headers
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_every_name_below_one() {
        let has = |host: &str, found: &str| host.parse::<PushHost>().unwrap().has(found);
        assert!(has("Hooks.Example.com", "hooks.example.com"));
        assert!(!has("hooks.example.com", "a.hooks.example.com"));
        assert!(!has("hooks.example.com", "evilhooks.example.com"));
        assert!(has("*.example.com", "a.example.com"));
        assert!(has("*.example.com", "a.b.example.com"));
        for other in [
            "example.com",
            ".example.com",
            "evilexample.com",
            "a.example.com.evil",
        ] {
            assert!(!has("*.example.com", other), "{other}");
        }
        assert!(has("127.0.0.1", "127.0.0.1") && has("[::1]", "[::1]"));
    }

    #[test]
    fn what_is_more_or_less_than_a_host_is_refused() {
        for bad in [
            "",
            "*",
            "*.",
            "*.*.example.com",
            "a.*.example.com",
            "https://example.com",
            "example.com:443",
            "example.com/hooks",
            "user@example.com",
            "*.0.0.1",
            "exa mple.com",
        ] {
            assert_eq!(bad.parse::<PushHost>(), Err(NotAHost), "{bad}");
        }
    }
}
