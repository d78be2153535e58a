//! The function's path on its host: the root behind a function URL, or a stage (`/prod`) or a base path behind a REST API. The
//! router knows paths without that prefix, and its answers use relative references, which are right below any prefix.

use axum::extract::Request;
use axum::response::Redirect;
use http::uri::PathAndQuery;
use http::{Method, Uri};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use crate::edge::error::ApiError;

/// A prefix of all paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    prefix: String,
    /// The request is for the prefix itself, without the slash after it.
    bare: bool,
}

impl Mount {
    /// Removes the prefix from the path, and stores it in the request.
    pub(super) fn resolve(mut request: lambda_http::Request) -> lambda_http::Request {
        if let Some(stage) = NamedStage::of(&request) {
            request.extensions_mut().insert(stage);
            return request;
        }
        let Some(RequestContext::ApiGatewayV1(context)) = request.request_context_ref() else {
            return request;
        };
        let parameters = request.path_parameters_ref();
        let Some((mount, inner)) = Self::find(
            context.path.as_deref().unwrap_or_default(),
            request.raw_http_path(),
            parameters.and_then(|parameters| parameters.first("proxy")),
        ) else {
            return request;
        };
        if let Some(uri) = with_path(request.uri(), &inner) {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(mount);
        }
        request
    }

    /// `public`: the path in the client's request. `raw`: the path in the API's resources. `proxy`: the match of the resource
    /// `{proxy+}`, which is complete even where `raw` begins with the base path of a custom domain.
    fn find(public: &str, raw: &str, proxy: Option<&str>) -> Option<(Self, String)> {
        let proxy = proxy
            .map(|proxy| format!("/{}", proxy.trim_start_matches('/')))
            .filter(|proxy| raw.ends_with(proxy.as_str()));
        let inner = proxy.unwrap_or_else(|| raw.to_owned());
        let bare = inner == "/" && !public.ends_with('/');
        let prefix = if bare {
            public
        } else {
            public.strip_suffix(inner.as_str())?
        };
        let mount = Self {
            prefix: prefix.to_owned(),
            bare,
        };
        Some((mount, inner))
    }

    /// The page's own paths are relative: they need the slash after the prefix.
    pub(super) fn redirect(&self, request: &Request) -> Option<Redirect> {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        (self.bare && is_read && !self.prefix.is_empty())
            .then(|| Redirect::permanent(&format!("{}/", self.prefix)))
    }
}

/// The stage of an HTTP API, which precedes every path.
#[derive(Debug, Clone)]
pub(super) struct NamedStage(String);

impl NamedStage {
    fn of(request: &lambda_http::Request) -> Option<Self> {
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
            return None;
        };
        let stage = context
            .stage
            .as_ref()
            .filter(|stage| *stage != "$default")?;
        let below = request.uri().path().strip_prefix('/')?;
        let below = below.strip_prefix(stage.as_str())?;
        (below.is_empty() || below.starts_with('/')).then(|| Self(stage.clone()))
    }

    /// Otherwise every path would be unknown, without an explanation.
    pub(super) fn refusal(&self) -> ApiError {
        ApiError::not_found(format!(
            "this HTTP API puts its stage before every path (/{0}/health): deploy it to the stage $default instead of {0}, or \
             use the function's URL, which streams",
            self.0
        ))
    }
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_what_the_client_asked_for_beyond_what_the_api_knows() {
        let find = |public, raw, proxy| {
            Mount::find(public, raw, proxy).map(|(mount, inner)| (mount.prefix, mount.bare, inner))
        };
        let found =
            |prefix: &str, bare, inner: &str| Some((prefix.to_owned(), bare, inner.to_owned()));
        assert_eq!(
            find(
                "/prod/chat/completions",
                "/chat/completions",
                Some("chat/completions")
            ),
            found("/prod", false, "/chat/completions")
        );
        assert_eq!(find("/prod/", "/", None), found("/prod", false, "/"));
        assert_eq!(find("/prod", "/", None), found("/prod", true, "/"));
        assert_eq!(find("/", "/", None), found("", false, "/"));
        // A custom domain with the base path `shop`, which the API leaves in its path.
        assert_eq!(
            find("/shop/health", "/shop/health", Some("health")),
            found("/shop", false, "/health")
        );
        assert_eq!(find("/elsewhere", "/health", None), None);
    }
}
