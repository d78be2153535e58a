//! One list of behaviours over all wire formats that are not OpenAI's: `speaks` says a script in each of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../model/support.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the transport, which use more of it"
)]
mod support;

mod answers;
mod anthropic;
mod bedrock;
#[cfg(feature = "aws")]
mod converse;
mod cuts;
mod failures;
mod gemini;
mod requests;
mod speaks;
mod thoughts;
