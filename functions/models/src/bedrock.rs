//! Amazon Bedrock: Claude by Anthropic's format, models with OpenAI's format by that, and all others by Converse.
//! Knows Bedrock's addresses and credentials; the formats are those of `anthropic/` and `chat/`, and `converse/`.
//!
//! | base URL | format |
//! | --- | --- |
//! | `…/anthropic`, `…/anthropic/v1` | Anthropic's Messages |
//! | `…/openai/v1`, `…/v1` | Chat Completions |
//! | `…/model` | Converse |
//! | without a path | by the model's name: `anthropic.` Messages; `openai.`, or any at `bedrock-mantle`, Chat Completions; else Converse |

#[cfg(feature = "aws")]
mod converse;
#[cfg(feature = "aws")]
mod sigv4;

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::AUTHORIZATION;

#[cfg(feature = "aws")]
pub use sigv4::SigV4;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::wire::{Opened, Target, Wire};
use crate::{anthropic, chat};

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "bedrock",
    provider: "aws.bedrock",
    serves,
    open,
};

const WHAT: &str = "the model's base URL";

fn serves(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host.starts_with("bedrock-"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Messages,
    Chat,
    Converse,
}

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let url = address(WHAT, target.base_url, &[])?;
    let (api, path) = api(&url, target.model);
    let base_url = format!("{}{path}", target.base_url.trim().trim_end_matches('/'));
    let target = Target {
        base_url: &base_url,
        ..*target
    };
    let credentials = credentials(&target)?;
    match api {
        Api::Messages => anthropic::open_with(&target, credentials),
        Api::Chat => chat::open_with(&target, credentials),
        Api::Converse => converse(&target, credentials),
    }
}

/// The format, and what its base URL has behind this one.
fn api(url: &Url, model: &str) -> (Api, &'static str) {
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/anthropic") || path.ends_with("/anthropic/v1") {
        return (Api::Messages, "");
    }
    if path.ends_with("/v1") {
        return (Api::Chat, "");
    }
    if path.ends_with("/model") {
        return (Api::Converse, "");
    }
    let is_mantle = url
        .host_str()
        .is_some_and(|host| host.starts_with("bedrock-mantle"));
    // `anthropic.claude-…`, with the region of an inference profile before it.
    if model.split('.').take(2).any(|part| part == "anthropic") {
        (Api::Messages, "/anthropic")
    } else if is_mantle {
        (Api::Chat, "/v1")
    } else if model.starts_with("openai.") {
        (Api::Chat, "/openai/v1")
    } else {
        (Api::Converse, "/model")
    }
}

/// A Bedrock API key, or else a signature in every request.
fn credentials(target: &Target<'_>) -> Result<Credentials, SettingsError> {
    match (target.key, target.signer) {
        (Some(key), _) => Credentials::header("the model's key", AUTHORIZATION, "Bearer ", key),
        (None, Some(signer)) => Ok(Credentials::Sign(Arc::clone(signer))),
        (None, None) if cfg!(feature = "aws") => Err(SettingsError::Unsigned { what: "Bedrock" }),
        (None, None) => Err(SettingsError::WithoutAws {
            what: "Bedrock without a key",
        }),
    }
}

#[cfg(feature = "aws")]
fn converse(target: &Target<'_>, credentials: Credentials) -> Result<Opened, SettingsError> {
    converse::open(target, credentials)
}

#[cfg(not(feature = "aws"))]
fn converse(_: &Target<'_>, _: Credentials) -> Result<Opened, SettingsError> {
    Err(SettingsError::WithoutAws {
        what: "Bedrock's Converse, which this model needs,",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_base_url_and_the_model() {
        let runtime = "https://bedrock-runtime.eu-central-1.amazonaws.com";
        let mantle = "https://bedrock-mantle.eu-central-1.api.aws";
        for (base, path, model, wanted) in [
            (
                runtime,
                "",
                "eu.anthropic.claude-sonnet-5",
                (Api::Messages, "/anthropic"),
            ),
            (
                runtime,
                "/",
                "anthropic.claude-sonnet-5",
                (Api::Messages, "/anthropic"),
            ),
            (
                mantle,
                "",
                "anthropic.claude-sonnet-5",
                (Api::Messages, "/anthropic"),
            ),
            (mantle, "/anthropic/v1", "my-claude", (Api::Messages, "")),
            (
                runtime,
                "",
                "openai.gpt-oss-120b",
                (Api::Chat, "/openai/v1"),
            ),
            (mantle, "", "qwen.qwen3-coder", (Api::Chat, "/v1")),
            (mantle, "/openai/v1", "openai.gpt-5.5", (Api::Chat, "")),
            (
                runtime,
                "",
                "eu.amazon.nova-pro-v1:0",
                (Api::Converse, "/model"),
            ),
            (
                runtime,
                "/model/",
                "anthropic.claude-3-haiku-20240307-v1:0",
                (Api::Converse, ""),
            ),
        ] {
            let url = Url::parse(&format!("{base}{path}")).unwrap();
            assert_eq!(api(&url, model), wanted, "{url} {model}");
            assert!(serves(&url));
        }
    }
}
