//! Language models over HTTP. Knows nothing of turns, teams or customers; prompts, answers and keys never reach an error or a log.
//!
//! ```text
//! client ─▶ formats, the table ─▶ chat/, responses/ … ─▶ sendable: a request's messages as every service takes them
//!    │                                  │      └──────▶ envelope: address, headers and tools of every request
//!    │                                  └─────────────▶ wire: the traits of a wire format
//!    └────▶ transport/: connections, credentials, tries, time-outs, bounds ─▶ wire
//! ```
//!
//! One request goes out, retried until the first streamed chunk; its answer comes back as the port's chunks. Every wait has a
//! time-out and every size a bound ([`Patience`], [`Bounds`]). The failures and their causes:
//!
//! | kind | provoked by | tried again |
//! | --- | --- | --- |
//! | `BadRequest` | 400, 404, 422 and the other 4xx; a redirect, since none is followed | only without an optional field that the service refuses by its name |
//! | `TooLong`, `Filtered`, `Slip` | an error whose code or words mean that, whatever its status; 413 | no |
//! | `Unauthorized` | 401, 403, from the model or from Entra; with an Entra token after one renewal | no |
//! | `RateLimited` | 429; when the quota is used up, or `Retry-After` asks for more than [`Retries`] allows, at once | yes |
//! | `Unavailable` | 408, 409, 5xx, a connection that closes before the response's head | yes; 501, 505 no |
//! | `Unreachable` | refused connection, unknown name, failed TLS handshake, connect time-out | yes |
//! | `TimedOut` | no head in time, silence between two chunks, a response that takes too long as a whole | no |
//! | `Cut` | the connection ends before the response is complete | no |
//! | `BadStream` | a frame that the format cannot read; a 200 that is a page; Entra's answer without a token | no |
//! | `TooLarge` | a frame, a call's arguments, the number of calls, the text or the frames without content over [`Bounds`] | no |
//! | `Empty` | the model stops with neither text nor calls | no |
//! | `Reported` | an error inside the stream, or a reason for its end that means no whole answer | no |
//!
//! A success whose body is an error counts as the status that its code stands for.

mod address;
mod answer;
mod anthropic;
mod bedrock;
mod chat;
mod client;
mod credentials;
mod envelope;
mod fault;
mod formats;
mod gemini;
#[cfg(test)]
mod heard;
mod limits;
mod order;
mod prepared;
mod refused;
mod responses;
pub mod sendable;
mod settings;
mod surrogates;
mod thoughts;
mod transport;
pub mod wire;

pub use address::SettingsError;
#[cfg(feature = "aws")]
pub use bedrock::SigV4;
pub use chat::azure::AzureAuth;
pub use client::ModelClient;
pub use formats::{WIRE_FORMATS, wire_of};
pub use limits::{Bounds, OutputLimit, Patience, Retries};
pub use settings::{Endpoint, ModelSettings};
