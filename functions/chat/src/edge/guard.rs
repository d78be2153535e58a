//! Checks `Host` and `Origin` of every request except health, so that neither another site nor a rebound name can drive this
//! server; and the access to operator routes.
//!
//! A browser misled by DNS rebinding sends the attacker's host, so a name must be known. An address cannot be rebound.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::app::{App, Exposure};
use crate::edge::error::ApiError;

/// Headers that clients of other origins may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-conversation-id, x-turn, location, retry-after");

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Marks a request that AWS routed here: AWS only routes this function's names, so none of them can be rebound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutedByAws;

/// Refuses a request with a wrong host or origin, and answers preflights of allowed origins.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_routed = request.extensions().get::<RoutedByAws>().is_some();
    let host = host(request.headers(), request.uri().host());
    let admitted = if is_for_balancers(request.uri().path()) {
        admit_origin(
            &app.exposure,
            request.headers(),
            host.ok().unwrap_or_default(),
        )
    } else if is_routed {
        host.and_then(|host| admit_origin(&app.exposure, request.headers(), host))
    } else {
        host.and_then(|host| admit(&app.exposure, request.headers(), host))
    };
    let mut response = match admitted {
        Ok(origin) => answer(origin, request, next).await,
        Err(refused) => refused.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// The answer to an admitted request, with the headers that let the page of an allowed origin read it.
async fn answer(origin: Option<HeaderValue>, request: Request, next: Next) -> Response {
    let Some(origin) = origin else {
        return next.run(request).await;
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        preflight_answer()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

fn preflight_answer() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "content-type, accept, authorization, idempotency-key, last-event-id, prefer",
        ),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    response
}

/// Balancers send any name or address to health, or in HTTP/1.0 none. Its answer is no secret.
fn is_for_balancers(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == "/health"
}

/// The origin to allow in the answer, if the request comes from another one.
fn admit(
    exposure: &Exposure,
    headers: &HeaderMap,
    host: &str,
) -> Result<Option<HeaderValue>, ApiError> {
    if !exposure.knows_host(host) {
        return Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this server does not answer for that host; set BATON_ORIGINS to the origins that it is reached by",
        ));
    }
    admit_origin(exposure, headers, host)
}

/// The client's name for this server.
fn host<'a>(headers: &'a HeaderMap, uri_host: Option<&'a str>) -> Result<&'a str, ApiError> {
    match headers.get(header::HOST) {
        Some(host) => host
            .to_str()
            .map_err(|_| ApiError::bad_request("the Host header is not text")),
        None => uri_host.ok_or_else(|| ApiError::bad_request("a Host header is needed")),
    }
}

/// The origin to allow in the answer of this host, if the request comes from another one.
fn admit_origin(
    exposure: &Exposure,
    headers: &HeaderMap,
    host: &str,
) -> Result<Option<HeaderValue>, ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let name = origin.to_str().unwrap_or_default();
    if is_own_origin(name, host) {
        return Ok(None);
    }
    if exposure.origins.iter().any(|allowed| allowed == name) {
        return Ok(Some(origin.clone()));
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "requests from that origin are not allowed; see BATON_ORIGINS",
    ))
}

fn is_own_origin(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    }
}

impl Exposure {
    fn knows_host(&self, host: &str) -> bool {
        let name = host_name(host);
        if is_loopback_name(name) || name.parse::<IpAddr>().is_ok() {
            return true;
        }
        let mut known = self
            .origins
            .iter()
            .filter_map(|origin| origin.split_once("://"));
        known.any(|(_, authority)| {
            authority.eq_ignore_ascii_case(host) || host_name(authority).eq_ignore_ascii_case(name)
        })
    }

    /// Whether this request may see operator routes. Without a token they exist on loopback only, and not for requests from a
    /// proxy. A proxy may be invisible: with configured origins a proxy is assumed.
    pub(crate) fn check_presence(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let at_home = self.loopback && self.origins.is_empty() && is_direct(headers);
        if self.operator_token.is_some() || at_home {
            Ok(())
        } else {
            Err(ApiError::not_found("no such page"))
        }
    }

    /// Whether the request may use operator routes.
    pub(crate) fn check_operator(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.check_presence(headers)?;
        let Some(token) = &self.operator_token else {
            return Ok(());
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if given.is_some_and(|(_, given)| same_secret(given.trim(), token.expose())) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "operator routes need the operator token",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer"))
    }
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_direct(headers: &HeaderMap) -> bool {
    const FORWARDED: [HeaderName; 3] = [
        header::FORWARDED,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    let local = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .is_some_and(|host| is_loopback_name(host_name(host)));
    local && !FORWARDED.iter().any(|name| headers.contains_key(name))
}

/// Compares hashes, so that the duration reveals nothing about the token.
fn same_secret(given: &str, token: &str) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use baton_http::Secret;

    use super::*;

    fn exposure(origins: &[&str]) -> Exposure {
        Exposure {
            loopback: true,
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            operator_token: None,
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_operator_token_is_not_printed() {
        let exposure = Exposure {
            operator_token: Some(Secret::new("secret")),
            ..exposure(&[])
        };
        assert!(!format!("{exposure:?}").contains("secret"));
    }

    #[test]
    fn a_rebound_name_is_refused_and_an_address_is_not() {
        let open = exposure(&[]);
        for host in [
            "localhost:8501",
            "127.0.0.1:8501",
            "[::1]:8501",
            "10.1.2.3",
            "LOCALHOST",
        ] {
            assert!(admit(&open, &headers(&[]), host).is_ok(), "{host}");
        }
        for host in [
            "evil.example:8501",
            "localhost.evil.example",
            "127.0.0.1.nip.example",
        ] {
            assert!(admit(&open, &headers(&[]), host).is_err(), "{host}");
        }
        let known = exposure(&["https://chat.example"]);
        assert!(admit(&known, &headers(&[]), "chat.example").is_ok());
    }

    #[test]
    fn another_site_is_refused_unless_it_is_listed() {
        let host = "localhost:8501";
        let own = headers(&[("origin", "http://localhost:8501")]);
        assert_eq!(admit(&exposure(&[]), &own, host).unwrap(), None);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:9",
            "https://chat.example.evil",
        ] {
            let other = headers(&[("origin", origin)]);
            assert!(
                admit(&exposure(&["https://chat.example"]), &other, host).is_err(),
                "{origin}"
            );
        }
        let listed = headers(&[("origin", "https://chat.example")]);
        assert!(
            admit(&exposure(&["https://chat.example"]), &listed, host)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn operator_routes_are_open_on_loopback_only_and_need_the_token_where_there_is_one() {
        let local = headers(&[("host", "localhost:8501")]);
        assert!(exposure(&[]).check_operator(&local).is_ok());
        let proxied = headers(&[("host", "localhost:8501"), ("x-forwarded-for", "1.2.3.4")]);
        assert!(exposure(&[]).check_operator(&proxied).is_err());
        assert!(
            Exposure {
                loopback: false,
                ..exposure(&[])
            }
            .check_operator(&local)
            .is_err()
        );
        let behind_a_proxy = exposure(&["https://chat.example"]);
        assert!(behind_a_proxy.check_operator(&local).is_err());
        let with_token = Exposure {
            operator_token: Some(Secret::new("secret")),
            ..exposure(&[])
        };
        assert!(with_token.check_operator(&local).is_err());
        let bearer = headers(&[("host", "localhost"), ("authorization", "Bearer secret")]);
        assert!(with_token.check_operator(&bearer).is_ok());
    }
}
