//! The credentials of a service, as a wire format names them. The transport uses and renews them.

use std::fmt;
use std::sync::Arc;

use baton_handoff::ports::ModelError;
use baton_http::Secret;
use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::address::SettingsError;
use crate::wire::HttpRequest;

/// Authenticates our requests to a service.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// None; local services need none.
    None,
    /// One header, the same in every request: a bearer token, `x-api-key`, `api-key` …
    Header(HeaderName, HeaderValue),
    /// A token of Entra ID as a bearer token, renewed before its end.
    Entra(ClientCredentials),
    /// Headers that follow from the request itself, made anew for each attempt.
    Sign(Arc<dyn Signer>),
}

/// Signs requests.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The headers to add to this request.
    fn sign<'a>(&'a self, request: &'a HttpRequest)
    -> BoxFuture<'a, Result<HeaderMap, ModelError>>;
}

/// The request for a token, by the OAuth 2.0 client credentials grant (RFC 6749, section 4.4).
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The issuer's endpoint for tokens.
    pub token_url: Url,
    /// The application (client).
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Secret,
    /// The use of the token.
    pub scope: String,
}

impl Credentials {
    /// A key in this header, behind this prefix; `what` names the setting in an error.
    pub fn header(
        what: &'static str,
        name: HeaderName,
        prefix: &str,
        key: &Secret,
    ) -> Result<Self, SettingsError> {
        let value = key.header(prefix).ok_or(SettingsError::Key { what })?;
        Ok(Self::Header(name, value))
    }
}
