//! Language models over HTTP: every service that speaks OpenAI's Chat Completions, and Azure OpenAI.
//! Knows nothing of turns, teams or customers; prompts, answers and keys never reach an error or a log.
//!
//! One request goes out, retried while nothing was streamed; its answer comes back as the port's chunks. Every wait has a
//! time-out and every size a bound ([`Patience`], [`Bounds`]). What each failure means and what provokes it:
//!
//! | kind | provoked by | tried again |
//! | --- | --- | --- |
//! | `BadRequest` | 400, 404, 422 and the other 4xx; a redirect, since none is followed | no |
//! | `Unauthorized` | 401, 403, from the model or from Entra; with an Entra token after one renewal | no |
//! | `RateLimited` | 429; when the quota is used up, or `Retry-After` asks for more than [`Retries`] allows, at once | yes |
//! | `Unavailable` | 408, 409, 5xx, a connection that closes before the response's head | yes; 501, 505 no |
//! | `Unreachable` | refused connection, unknown name, failed TLS handshake, connect time-out | yes |
//! | `TimedOut` | no head in time, silence between two chunks, a response that takes too long as a whole | no |
//! | `Cut` | the connection ends before a `finish_reason` | no |
//! | `BadStream` | invalid UTF-8, JSON or delta in the stream; a 200 that is JSON or HTML; Entra's answer without a token | no |
//! | `TooLarge` | an event, a call's arguments, the number of calls or the text over [`Bounds`] | no |
//! | `Empty` | `finish_reason` `stop` with neither text nor calls | no |
//! | `Reported` | an `error` object inside the stream | no |

mod calls;
mod client;
mod decode;
mod entra;
mod failure;
mod prepared;
mod request;
mod retry;
mod settings;
mod watched;
mod wire;

pub use client::OpenAiModel;
pub use settings::{
    AzureAuth, Bounds, Endpoint, ModelSettings, OutputLimit, Patience, Retries, SettingsError,
};
