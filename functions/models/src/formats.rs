//! The wire formats that Baton speaks: one line each.

use crate::address::SettingsError;
use crate::openai;
use crate::openai::request::Asking;
use crate::settings::{Endpoint, ModelSettings};
use crate::wire::{Opened, Target, Wire};

/// All wire formats, by their names in the settings.
pub const WIRE_FORMATS: &[Wire] = &[openai::WIRE];

pub(crate) fn open(settings: &ModelSettings) -> Result<Opened, SettingsError> {
    let target = |base_url, model, key| Target {
        base_url,
        model,
        key,
        ask_usage: settings.ask_usage,
        output_limit: settings.output_limit,
        options: settings.options,
    };
    match &settings.endpoint {
        Endpoint::OpenAi {
            base_url,
            model,
            key,
        } => (openai::WIRE.open)(&target(base_url, model, key.as_ref())),
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
            openai::azure::open(resource, deployment, api_version, auth, asking)
        }
        Endpoint::Service {
            wire,
            base_url,
            model,
            key,
        } => (wire.open)(&target(base_url, model, key.as_ref())),
    }
}
