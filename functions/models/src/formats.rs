//! The wire formats that Baton speaks: one line each.

use reqwest::Url;

use crate::address::SettingsError;
use crate::anthropic;
use crate::bedrock;
use crate::chat;
use crate::chat::request::Asking;
use crate::gemini;
use crate::responses;
use crate::settings::{Endpoint, ModelSettings};
use crate::wire::{Opened, Target, Wire};

/// All wire formats, by their names in the settings. The first one that serves an address is the guess for it.
pub const WIRE_FORMATS: &[Wire] = &[
    responses::WIRE,
    anthropic::WIRE,
    gemini::WIRE,
    bedrock::WIRE,
    chat::WIRE,
];

/// The wire format of a service by its address, where none is set.
pub fn wire_of(base_url: &str) -> Wire {
    let url = Url::parse(base_url.trim()).ok();
    let serves = |wire: &&Wire| url.as_ref().is_some_and(|url| (wire.serves)(url));
    WIRE_FORMATS
        .iter()
        .find(serves)
        .copied()
        .unwrap_or(chat::WIRE)
}

pub(crate) fn open(settings: &ModelSettings) -> Result<Opened, SettingsError> {
    let target = |base_url, model, key| Target {
        base_url,
        model,
        key,
        ask_usage: settings.ask_usage,
        output_limit: settings.output_limit,
        options: settings.options,
        signer: settings.signer.as_ref(),
    };
    match &settings.endpoint {
        Endpoint::OpenAi {
            base_url,
            model,
            key,
        } => (chat::WIRE.open)(&target(base_url, model, key.as_ref())),
        Endpoint::Azure {
            resource,
            deployment,
            api_version,
            auth,
        } => {
            let asking = Asking {
                usage: settings.ask_usage,
                output_limit: settings.output_limit,
                options: settings.options,
            };
            chat::azure::open(resource, deployment, api_version, auth, asking)
        }
        Endpoint::Service {
            wire,
            base_url,
            model,
            key,
        } => (wire.open)(&target(base_url, model, key.as_ref())),
    }
}
