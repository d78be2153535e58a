//! Anthropic's Messages, for every service that speaks it.
//! Knows its JSON; no connection, no time-out, no retry.

mod content;
mod decode;
mod fault;
mod request;
mod wire;

use baton_handoff::ports::OUTPUT_TOKENS;
use request::{Asking, Messages};
use reqwest::Url;
use reqwest::header::HeaderName;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::limits::OutputLimit;
use crate::wire::{Opened, Target, Wire};

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "anthropic",
    provider: "anthropic",
    serves,
    open,
};

fn serves(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/');
    url.host_str() == Some("api.anthropic.com")
        || path.ends_with("/anthropic")
        || path.ends_with("/anthropic/v1")
}

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let credentials = match target.key {
        Some(key) => Credentials::header(
            "the model's key",
            HeaderName::from_static("x-api-key"),
            "",
            key,
        )?,
        None => Credentials::None,
    };
    open_with(target, credentials)
}

/// With other credentials than Anthropic's own.
pub(crate) fn open_with(
    target: &Target<'_>,
    credentials: Credentials,
) -> Result<Opened, SettingsError> {
    const WHAT: &str = "the model's base URL";
    // The base URL of Anthropic's own clients is without the version.
    let has_version = target
        .base_url
        .trim()
        .trim_end_matches('/')
        .ends_with("/v1");
    let path: &[&str] = if has_version {
        &["messages"]
    } else {
        &["v1", "messages"]
    };
    let url = address(WHAT, target.base_url, path)?;
    let asking = Asking {
        max_tokens: target
            .output_limit
            .map_or(OUTPUT_TOKENS, OutputLimit::tokens),
        options: target.options,
    };
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Messages::new(url, target.model.to_owned(), asking)),
        credentials,
    })
}
