//! Gemini's `streamGenerateContent`.
//! Knows its JSON; no connection, no time-out, no retry.
//!
//! Google's newer Interactions are made for a history that Google keeps. Baton keeps its own and sends it with every request, which
//! this older path does in one plain list; Google says that it stays, and other services speak it too.

mod content;
mod decode;
mod fault;
mod request;
mod schema;
mod wire;

use baton_handoff::ports::OUTPUT_TOKENS;
use request::{Asking, Gemini};
use reqwest::Url;
use reqwest::header::HeaderName;

use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::limits::OutputLimit;
use crate::wire::{Opened, Target, Wire};

/// The line in the table of wire formats.
pub(crate) const WIRE: Wire = Wire {
    name: "gemini",
    provider: "gcp.gemini",
    serves,
    open,
};

/// Google speaks OpenAI's format at the same host.
fn serves(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/');
    url.host_str() == Some("generativelanguage.googleapis.com") && !path.ends_with("/openai")
}

/// The version of the API that has all of its fields.
const VERSION: &str = "v1beta";

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let model = target.model.trim_start_matches("models/");
    let action = format!("{model}:streamGenerateContent");
    let path: &[&str] = if has_version(target.base_url) {
        &["models", &action]
    } else {
        &[VERSION, "models", &action]
    };
    let mut url = address("the model's base URL", target.base_url, path)?;
    url.set_query(Some("alt=sse"));
    let key = HeaderName::from_static("x-goog-api-key");
    let credentials = match target.key {
        Some(secret) => Credentials::header("the model's key", key, "", secret)?,
        None => Credentials::None,
    };
    let asking = Asking {
        max_tokens: target
            .output_limit
            .map_or(OUTPUT_TOKENS, OutputLimit::tokens),
        options: target.options,
    };
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Gemini::new(url, model, asking)),
        credentials,
    })
}

/// `…/v1beta` and the like.
fn has_version(base_url: &str) -> bool {
    let last = base_url.trim().trim_end_matches('/').rsplit('/').next();
    let version = last.and_then(|last| last.strip_prefix('v'));
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}
