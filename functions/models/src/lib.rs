//! Language models over HTTP. Knows nothing of turns, teams or customers; prompts, answers and keys never reach an error or a log.
//!
//! ```text
//! client ─▶ formats, the table ─▶ openai/ ─▶ wire: the traits of a wire format
//!    └────▶ transport/: connections, credentials, tries, time-outs, bounds ─▶ wire
//! ```
//!
//! One request goes out, retried until the first streamed chunk; its answer comes back as the port's chunks. Every wait has a
//! time-out and every size a bound ([`Patience`], [`Bounds`]). The failures and their causes:
//!
//! | kind | provoked by | tried again |
//! | --- | --- | --- |
//! | `BadRequest` | 400, 404, 422 and the other 4xx; a redirect, since none is followed | no |
//! | `Unauthorized` | 401, 403, from the model or from Entra; with an Entra token after one renewal | no |
//! | `RateLimited` | 429; when the quota is used up, or `Retry-After` asks for more than [`Retries`] allows, at once | yes |
//! | `Unavailable` | 408, 409, 5xx, a connection that closes before the response's head | yes; 501, 505 no |
//! | `Unreachable` | refused connection, unknown name, failed TLS handshake, connect time-out | yes |
//! | `TimedOut` | no head in time, silence between two chunks, a response that takes too long as a whole | no |
//! | `Cut` | the connection ends before the response is complete | no |
//! | `BadStream` | a frame that the format cannot read; a 200 that is JSON or HTML; Entra's answer without a token | no |
//! | `TooLarge` | a frame, a call's arguments, the number of calls or the text over [`Bounds`] | no |
//! | `Empty` | the model stops with neither text nor calls | no |
//! | `Reported` | an error inside the stream | no |

mod address;
mod answer;
mod client;
mod credentials;
mod fault;
mod formats;
mod limits;
mod openai;
mod prepared;
pub mod sendable;
mod settings;
mod transport;
pub mod wire;

pub use address::SettingsError;
pub use client::ModelClient;
pub use formats::WIRE_FORMATS;
pub use limits::{Bounds, OutputLimit, Patience, Retries};
pub use openai::azure::AzureAuth;
pub use settings::{Endpoint, ModelSettings};
