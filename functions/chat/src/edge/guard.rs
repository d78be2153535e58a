//! Checks `Host` and `Origin` of every request, so that neither another site nor a rebound name can drive this server; and the
//! access to operator routes. Health answers by whatever name it is asked.
//!
//! A browser misled by DNS rebinding sends the attacker's host, so a name must be known. An address cannot be rebound.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::app::{App, Exposure};
use crate::edge::authority::Authority;
use crate::edge::error::ApiError;

/// Headers that clients of other origins may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-conversation-id, x-turn, location, retry-after");

/// Whether pages of other origins may embed an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What browsers say of the page and the purpose of a request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Marks a request that AWS routed here: AWS only routes this function's names, so none of them can be rebound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutedByAws;

/// Refuses a request with a wrong host or origin, and answers preflights of allowed origins.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app.exposure, &request) {
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
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
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
            "content-type, accept, authorization, x-baton-authorization, x-baton-client, idempotency-key, last-event-id, prefer, \
             x-conversation-id, x-openwebui-chat-id, user-agent, x-stainless-arch, x-stainless-lang, x-stainless-os, \
             x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, \
             x-stainless-timeout",
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
fn admit(exposure: &Exposure, request: &Request) -> Result<Option<HeaderValue>, ApiError> {
    let headers = request.headers();
    let is_routed = request.extensions().get::<RoutedByAws>().is_some();
    let host = only(headers, &header::HOST)?;
    let origin = only(headers, &header::ORIGIN)?;
    let host = if is_for_balancers(request.uri().path()) {
        host.and_then(|host| Authority::parse(host.to_str().ok()?))
    } else {
        let host = host_of(host, request.uri())?;
        if !is_routed && !exposure.knows_host(&host) {
            return Err(ApiError::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this server does not answer for that host; set BATON_ORIGINS to the origins that it is reached by",
            ));
        }
        Some(host)
    };
    let Some(origin) = origin else {
        return if is_embedded_elsewhere(request) {
            Err(wrong_origin())
        } else {
            Ok(None)
        };
    };
    let name = origin.to_str().unwrap_or_default();
    // A function is reached by TLS only. Any other server speaks none itself, and BATON_ORIGINS names the proxy that does.
    let scheme = if is_routed { "https" } else { "http" };
    match exposure.relation(name, host.as_ref(), scheme) {
        Relation::Own => Ok(None),
        Relation::Listed => Ok(Some(origin.clone())),
        Relation::Foreign => Err(wrong_origin()),
    }
}

fn wrong_origin() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "requests from that origin are not allowed; see BATON_ORIGINS",
    )
}

/// A header that may be there once. Of two values a proxy may heed the one and we the other: RFC 9112, section 3.2, refuses two
/// of `Host`, and no browser sends two of `Origin`.
fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(ApiError::bad_request(format!(
            "the header {name} is there twice"
        ))),
    }
}

/// The client's name for this server. RFC 9112, section 3.2.2: a target that names a host has the same as the header.
fn host_of<'a>(header: Option<&'a HeaderValue>, uri: &'a Uri) -> Result<Authority<'a>, ApiError> {
    let read = |text: &'a str| {
        Authority::parse(text).ok_or_else(|| {
            ApiError::bad_request("the Host of the request is not a host with or without a port")
        })
    };
    let target = uri.authority().map(|target| read(target.as_str()));
    let target = target.transpose()?;
    let Some(header) = header else {
        return target.ok_or_else(|| ApiError::bad_request("a Host header is needed"));
    };
    let header = header
        .to_str()
        .map_err(|_| ApiError::bad_request("the Host header is not text"))?;
    let header = read(header)?;
    if target.is_some_and(|target| !target.is(&header)) {
        return Err(ApiError::bad_request(
            "the target of the request and its Host header name different hosts",
        ));
    }
    Ok(header)
}

/// A page of another site embeds this address or calls it blindly: the answer cannot be read there, so nobody needs it. Following
/// a link is something else.
fn is_embedded_elsewhere(request: &Request) -> bool {
    let is = |name: &HeaderName, values: &[&str]| {
        let value = request.headers().get(name);
        value.is_some_and(|value| values.iter().any(|known| value == known))
    };
    let is_link = [Method::GET, Method::HEAD].contains(request.method())
        && is(&FETCH_MODE, &["navigate"])
        && !is(&FETCH_DEST, &["iframe", "frame", "embed", "object"]);
    is(&FETCH_SITE, &["cross-site", "same-site"]) && !is_link
}

/// What an origin is to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// The server's own.
    Own,
    /// Another one that the settings name.
    Listed,
    /// Any other.
    Foreign,
}

impl Exposure {
    fn knows_host(&self, host: &Authority<'_>) -> bool {
        host.is_loopback()
            || host.is_address()
            || self.listed().any(|(_, listed)| listed.has_host_of(host))
    }

    fn listed(&self) -> impl Iterator<Item = (&str, Authority<'_>)> {
        let origins = self.origins.iter();
        origins.filter_map(|origin| Authority::of_origin(origin))
    }

    /// `host` and `scheme`: how this request reached the server. Where the settings name the origin of that host, the scheme is
    /// theirs: on the way to a page of `http://` anybody may be in between, and that page must not drive the one of `https://`.
    fn relation(&self, origin: &str, host: Option<&Authority<'_>>, scheme: &str) -> Relation {
        let is_listed = self.origins.iter().any(|listed| listed == origin);
        let Some((origin_scheme, authority)) = Authority::of_origin(origin) else {
            return Relation::Foreign;
        };
        let is_here = host.is_some_and(|host| authority.is(host));
        let is_named = self.listed().any(|(_, listed)| listed.is(&authority));
        if is_here && (is_listed || !is_named && origin_scheme == scheme) {
            Relation::Own
        } else if is_listed {
            Relation::Listed
        } else {
            Relation::Foreign
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(origins: &[&str]) -> Exposure {
        Exposure {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
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

    /// Whether a request with these headers is admitted, and the origin that its answer allows.
    fn admits(exposure: &Exposure, headers: &[(&str, &str)]) -> Result<Option<String>, u16> {
        asks(exposure, "GET", "/conversations/c", headers)
    }

    fn asks(
        exposure: &Exposure,
        method: &str,
        target: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Option<String>, u16> {
        let mut request = http::Request::new(axum::body::Body::empty());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = target.parse().unwrap();
        *request.headers_mut() = headers(pairs);
        admit(exposure, &request)
            .map(|origin| origin.map(|origin| origin.to_str().unwrap().to_owned()))
            .map_err(|refused| refused.into_response().status().as_u16())
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
            assert_eq!(admits(&open, &[("host", host)]), Ok(None), "{host}");
        }
        for host in [
            "evil.example:8501",
            "localhost.evil.example",
            "localhost.",
            "127.0.0.1.nip.example",
        ] {
            assert_eq!(admits(&open, &[("host", host)]), Err(421), "{host}");
        }
        for host in [
            "[127.0.0.1].evil.example",
            "localhost:evil",
            "[localhost]",
            "",
        ] {
            assert_eq!(admits(&open, &[("host", host)]), Err(400), "{host}");
        }
        let known = exposure(&["https://chat.example"]);
        assert_eq!(admits(&known, &[("host", "chat.example")]), Ok(None));
    }

    #[test]
    fn a_request_names_its_host_once_and_its_target_no_other() {
        let open = exposure(&[]);
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(admits(&open, &twice), Err(400));
        assert_eq!(asks(&open, "GET", "/health", &twice), Err(400));
        let target = |target, host| asks(&open, "GET", target, &[("host", host)]);
        assert_eq!(target("http://localhost:8501/", "localhost:8501"), Ok(None));
        assert_eq!(target("http://evil.example/", "localhost:8501"), Err(400));
        assert_eq!(target("http://localhost:8501/", "evil.example"), Err(400));
        assert_eq!(asks(&open, "GET", "http://evil.example/", &[]), Err(421));
    }

    #[test]
    fn another_site_is_refused_unless_it_is_listed() {
        let from = |listed: &[&str], origin| {
            let request = [("host", "localhost:8501"), ("origin", origin)];
            admits(&exposure(listed), &request)
        };
        assert_eq!(from(&[], "http://localhost:8501"), Ok(None));
        let chat = &["https://chat.example"];
        for origin in [
            "http://evil.example",
            "null",
            "",
            "http://localhost:9",
            "https://localhost:8501",
            "http://u@localhost:8501",
            "ws://localhost:8501",
            "http://chat.example",
            "https://chat.example.evil",
            "https://chat.example:8501",
        ] {
            assert_eq!(from(chat, origin), Err(403), "{origin}");
        }
        let listed = Some("https://chat.example".to_owned());
        assert_eq!(from(chat, "https://chat.example"), Ok(listed));
        let own = [
            ("host", "localhost:8501"),
            ("origin", "http://localhost:8501"),
        ];
        let twice = [own.as_slice(), &[("origin", "http://evil.example")]].concat();
        assert_eq!(admits(&exposure(&[]), &twice), Err(400));
    }

    #[test]
    fn the_own_origin_has_the_scheme_that_the_settings_name() {
        let with = |listed: &[&str], origin| {
            let request = [("host", "chat.example"), ("origin", origin)];
            admits(&exposure(listed), &request)
        };
        let secure = &["https://chat.example"];
        assert_eq!(with(secure, "https://chat.example"), Ok(None));
        assert_eq!(with(secure, "http://chat.example"), Err(403));
        let both = &["https://chat.example", "http://chat.example"];
        assert_eq!(with(both, "http://chat.example"), Ok(None));
        // A page under development at another port of the same host.
        let page = [
            ("host", "localhost:8501"),
            ("origin", "http://localhost:8501"),
        ];
        let other = exposure(&["http://localhost:3000"]);
        assert_eq!(admits(&other, &page), Ok(None));
    }

    #[test]
    fn another_site_may_link_to_an_address_and_not_embed_it() {
        let from = |method: &str, fetch: [&str; 3]| {
            let [site, mode, dest] = fetch;
            let request = [
                ("host", "localhost:8501"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            asks(&exposure(&[]), method, "/", &request)
        };
        assert_eq!(
            from("GET", ["cross-site", "navigate", "document"]),
            Ok(None)
        );
        assert_eq!(from("GET", ["none", "navigate", "document"]), Ok(None));
        assert_eq!(from("GET", ["same-origin", "no-cors", "script"]), Ok(None));
        for site in ["cross-site", "same-site"] {
            for (method, mode, dest) in [
                ("GET", "no-cors", "image"),
                ("GET", "navigate", "iframe"),
                ("POST", "navigate", "document"),
            ] {
                let found = from(method, [site, mode, dest]);
                assert_eq!(found, Err(403), "{site} {method} {mode} {dest}");
            }
        }
    }
}
