//! An issuer's key set over HTTP, by discovery or from its address. One attempt; knows nothing of caches.

use std::time::Duration;

use baton_http::suspended::{self, Late};
use baton_http::{builder, chain, is_loopback, read_some};
use baton_setup::settings::KeySource;
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::key_set::{BadKeySet, KeySet};

/// The longest body, in bytes. The largest real key sets have 20 KB.
const BODY: usize = 256 * 1024;
/// How long one answer may take, from the connection to its first byte, and then to its last.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long keys are fresh unless the issuer says it, and the bounds of what it may say.
const FRESH: Duration = Duration::from_mins(10);
const FRESH_AT_LEAST: Duration = Duration::from_mins(5);
const FRESH_AT_MOST: Duration = Duration::from_hours(24);

/// The reason why there are no keys, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the client could not be built: {0}")]
    Client(String),
    #[error("{url} did not answer: {cause}")]
    Network { url: Url, cause: String },
    #[error("{url} did not answer in time")]
    Late { url: Url },
    #[error("{url} answered {status}")]
    Status { url: Url, status: StatusCode },
    #[error("the body of {url} is longer than {BODY} bytes")]
    TooLong { url: Url },
    #[error("the metadata of {url} cannot be read")]
    Metadata { url: Url },
    #[error("the metadata of {url} are of another issuer")]
    OtherIssuer { url: Url },
    #[error("the metadata of {url} name an address for the keys that is not https://")]
    Address { url: Url },
    #[error("the key set of {url} cannot be used: {cause}")]
    KeySet { url: Url, cause: BadKeySet },
    #[error("a shared secret is not fetched")]
    Secret,
}

/// A key set, and how long it is fresh.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) fresh: Duration,
}

/// The members of the metadata that matter (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Fetches the keys of an issuer, in at most four times [`PATIENCE`].
pub(super) async fn fetch(source: &KeySource, issuer: &str) -> Result<Fetched, FetchError> {
    let url = match source {
        KeySource::KeySet(url) => url.clone(),
        KeySource::Discovery(url) => discover(url, issuer).await?,
        KeySource::Secret(_) => return Err(FetchError::Secret),
    };
    let (headers, body) = get(&url).await?;
    let keys = KeySet::parse(&body).map_err(|cause| FetchError::KeySet { url, cause })?;
    Ok(Fetched {
        keys,
        fresh: fresh(&headers),
    })
}

async fn discover(url: &Url, issuer: &str) -> Result<Url, FetchError> {
    let (_, body) = get(url).await?;
    let metadata: Metadata =
        serde_json::from_slice(&body).map_err(|_| FetchError::Metadata { url: url.clone() })?;
    // Otherwise one issuer could hand out the keys of another (OpenID Connect Discovery 1.0, 4.3).
    if metadata.issuer != issuer {
        return Err(FetchError::OtherIssuer { url: url.clone() });
    }
    let address =
        Url::parse(&metadata.jwks_uri).map_err(|_| FetchError::Metadata { url: url.clone() })?;
    let safe = match address.scheme() {
        "https" => true,
        "http" => is_loopback(&address) && is_loopback(url),
        _ => false,
    };
    if safe {
        Ok(address)
    } else {
        Err(FetchError::Address { url: url.clone() })
    }
}

/// A client of its own for each request: keys are fetched every few minutes, and an open connection would be closed until then.
async fn get(url: &Url) -> Result<(HeaderMap, Vec<u8>), FetchError> {
    let client = builder(url, &[], false)
        .map_err(|error| FetchError::Client(chain(&error)))?
        .build()
        .map_err(|error| FetchError::Client(chain(&error)))?;
    let request = client.get(url.clone()).header(ACCEPT, "application/json");
    let url = || url.clone();
    let response = match suspended::within(PATIENCE, request.send()).await {
        Err(Late) => return Err(FetchError::Late { url: url() }),
        Ok(Err(error)) => {
            let cause = chain(&error.without_url());
            return Err(FetchError::Network { url: url(), cause });
        }
        Ok(Ok(response)) => response,
    };
    let status = response.status();
    if status != StatusCode::OK {
        return Err(FetchError::Status { url: url(), status });
    }
    let headers = response.headers().clone();
    let body = read_some(response, BODY + 1, PATIENCE).await;
    if body.len() > BODY {
        return Err(FetchError::TooLong { url: url() });
    }
    Ok((headers, body))
}

/// How long an answer is fresh (RFC 9111, 5.2.2.1), within bounds.
fn fresh(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut directives = lines.flat_map(|line| line.split(','));
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let is_age = name.trim().eq_ignore_ascii_case("max-age");
        let seconds = value.trim().trim_matches('"');
        is_age.then(|| seconds.parse().ok()).flatten()
    });
    seconds.map_or(FRESH, |seconds| {
        Duration::from_secs(seconds).clamp(FRESH_AT_LEAST, FRESH_AT_MOST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_says_how_long_its_keys_are_fresh_within_bounds() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            fresh(&headers).as_secs()
        };
        assert_eq!(fresh(&HeaderMap::new()), Duration::from_mins(10));
        assert_eq!(of("public, Max-Age=3600, must-revalidate"), 3600);
        assert_eq!(of("max-age=0"), 300);
        assert_eq!(of("max-age=31536000"), 86_400);
        assert_eq!(of("no-store"), 600);
        assert_eq!(of("max-age=soon"), 600);
    }
}
