//! The HTTP client of one service, and its failures in the port's words.

use baton_handoff::ports::{ModelError, ModelErrorKind};
use baton_http::{builder, chain};
use reqwest::{Client, Url};

use crate::address::SettingsError;
use crate::settings::ModelSettings;

/// A client for the service at this address.
pub(super) fn client(
    url: &Url,
    settings: &ModelSettings,
    http2_prior_knowledge: bool,
) -> Result<Client, SettingsError> {
    builder(url, &settings.extra_roots, http2_prior_knowledge)
        .map_err(SettingsError::Certificates)?
        .connect_timeout(settings.patience.connect)
        .build()
        .map_err(SettingsError::Client)
}

/// A failure of the HTTP client before the response's head.
pub(super) fn failure(error: reqwest::Error) -> ModelError {
    let kind = if error.is_connect() {
        ModelErrorKind::Unreachable
    } else if error.is_timeout() {
        ModelErrorKind::TimedOut
    } else {
        ModelErrorKind::Unavailable
    };
    ModelError::new(kind, chain(&error.without_url()))
}
