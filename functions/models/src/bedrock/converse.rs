//! Converse, which all text models on Bedrock speak.
//! Knows its JSON and its frames; no connection, no time-out, no retry.

mod content;
mod decode;
mod request;

use baton_handoff::ports::OUTPUT_TOKENS;
use request::{Asking, Converse};

use super::WHAT;
use crate::address::{SettingsError, address};
use crate::credentials::Credentials;
use crate::limits::OutputLimit;
use crate::wire::{Opened, Target};

/// The base URL ends in `/model`.
pub(super) fn open(target: &Target<'_>, credentials: Credentials) -> Result<Opened, SettingsError> {
    let mut url = address(WHAT, target.base_url, &[])?;
    let base = url.path().trim_end_matches('/');
    // Signatures are over the path as AWS's own clients write it: names have colons, ARNs slashes.
    let path = format!("{base}/{}/converse-stream", encoded(target.model));
    url.set_path(&path);
    let asking = Asking {
        max_tokens: target
            .output_limit
            .map_or(OUTPUT_TOKENS, OutputLimit::tokens),
        options: target.options,
        is_cached: has_cache(target.model),
    };
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Converse::new(url, asking)),
        credentials,
    })
}

fn encoded(segment: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(encode).collect()
}

/// Models without a cache refuse marks for it; of the names that Bedrock has, these have one.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
fn has_cache(model: &str) -> bool {
    let is_old_claude = ["claude-3-", "claude-v2", "claude-instant"]
        .iter()
        .any(|old| model.contains(old));
    model.contains("amazon.nova") || (model.contains("anthropic.claude") && !is_old_claude)
}
