//! OpenAI's Responses, for every service that speaks it. Nothing is stored there: each request has the whole conversation, and the
//! model's thoughts go back encrypted.
//! Knows its JSON; no connection, no time-out, no retry.

mod decode;
mod input;
mod items;
mod request;

use request::Responses;
use reqwest::Url;
use reqwest::header::AUTHORIZATION;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::wire::{Opened, Target, Wire};

/// The end of the address.
const PATH: &str = "responses";

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "responses",
    provider: "openai",
    serves,
    open,
};

/// A host that has this format has Chat Completions too, so that only the path tells.
fn serves(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/responses")
}

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let base_url = target.base_url.trim().trim_end_matches('/');
    let url = address(
        "the model's base URL",
        base_url.strip_suffix("/responses").unwrap_or(base_url),
        &[PATH],
    )?;
    let credentials = match target.key {
        Some(key) => Credentials::header("the model's key", AUTHORIZATION, "Bearer ", key)?,
        None => Credentials::None,
    };
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Responses::new(url, target)),
        credentials,
    })
}

#[cfg(test)]
mod tests;
