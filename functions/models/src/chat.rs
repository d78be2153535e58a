//! OpenAI's Chat Completions, for every service that speaks it, and Azure OpenAI.
//! Knows its JSON and its dialects; no connection, no time-out, no retry.

pub(crate) mod azure;
mod calls;
mod decode;

pub(crate) mod fault;
mod fields;
mod messages;
mod opaque;
mod reason;
pub(crate) mod request;
mod tools;
mod usual;

use request::{Asking, Chat};
use reqwest::Url;
use reqwest::header::AUTHORIZATION;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::wire::{Opened, Target, Wire};

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "chat",
    provider: "openai",
    serves,
    open,
};

/// Nearly every service has these paths, so an address of no other format is one of this.
fn serves(_: &Url) -> bool {
    true
}

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let credentials = match target.key {
        Some(key) => Credentials::header("the model's key", AUTHORIZATION, "Bearer ", key)?,
        None => Credentials::None,
    };
    open_with(target, credentials)
}

/// With other credentials than a bearer token.
pub(crate) fn open_with(
    target: &Target<'_>,
    credentials: Credentials,
) -> Result<Opened, SettingsError> {
    let base_url = target.base_url.trim().trim_end_matches('/');
    let base_url = base_url.strip_suffix("/chat/completions");
    let url = address(
        "the model's base URL",
        base_url.unwrap_or(target.base_url),
        &["chat", "completions"],
    )?;
    let asking = Asking {
        usage: target.ask_usage,
        output_limit: target.output_limit,
        options: target.options,
    };
    let model = Some(target.model.to_owned());
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Chat::new(url, model, asking)),
        credentials,
    })
}

#[cfg(test)]
mod tests;
