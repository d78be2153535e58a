//! OpenAI's Chat Completions, for every service that speaks it, and Azure OpenAI.
//! Knows its JSON and its dialects; no connection, no time-out, no retry.

pub(crate) mod azure;
mod calls;
mod decode;
mod fault;
pub(crate) mod request;
mod wire;

use request::{Asking, Chat};
use reqwest::header::AUTHORIZATION;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::wire::{Opened, Target, Wire};

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "openai",
    open,
};

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let url = address(
        "the model's base URL",
        target.base_url,
        &["chat", "completions"],
    )?;
    let credentials = match target.key {
        Some(key) => Credentials::header("the model's key", AUTHORIZATION, "Bearer ", key)?,
        None => Credentials::None,
    };
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
