//! The credentials of a service, as a wire format names them. The transport uses and renews them.

use baton_http::Secret;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::address::SettingsError;

/// Authenticates our requests to a service.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// None; local services need none.
    None,
    /// One header, the same in every request: a bearer token, `x-api-key`, `api-key` …
    Header(HeaderName, HeaderValue),
    /// A token of Entra ID as a bearer token, renewed before its end.
    Entra(ClientCredentials),
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
