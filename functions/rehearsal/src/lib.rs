//! An OpenAI-compatible model server that follows a script and needs no key.
//!
//! It plays a plausible customer-service model for a first run and for tests. It knows nothing of Baton: it answers from the
//! request alone, like any model. There is no language model in it, and no state between requests: the same request gets the same
//! answer, and a hash of the conversation chooses between variants. Its words stand in `scenes.toml`, whose head explains how a
//! scene is added.
//!
//! | route | what |
//! | --- | --- |
//! | `POST /v1/chat/completions` | whole or streamed, with `tools`, `tool_choice`, `max_tokens`, `stream_options.include_usage` |
//! | `GET /v1/models` | one model, `rehearsal`; a request may name any other |
//! | `GET /health` | `{"status":"ok","scripted":true}` |
//!
//! Requests are checked like the real service does, above all that every tool call has its result and every result its call. An
//! `Authorization` header is ignored, and so are sampling parameters.
//!
//! # The parts it plays
//!
//! The tools in the request decide the part: `execute_order` makes a sales agent, `execute_refund` one for issues and repairs.
//! Any other agent hands on by the tool with the prefix `transfer_` that matches the message, calls the lookup whose name or
//! description matches it, or greets and asks. Only tools of the request are ever called. The customer is told of notes in the
//! history about a finished action (a later system message, or a user message in brackets).
//!
//! Text for a model is never repeated to a customer: no instructions, no description, no note, and of a result only the short
//! fields named in `scenes.toml`.
//!
//! Tests that want other answers, or faults, start the [scripted mode](scripted::ScriptedModel). With the feature `load` there is
//! a mode for benchmarks, `paced`: one prepared answer for every request.
//!
//! # Usage
//!
//! A token is taken for four bytes, rounded up: of all texts, calls and tools of the request, and of the text and
//! arguments of the answer. It is never zero.
//!
//! # Phrases for developers
//!
//! | the customer writes | what happens |
//! | --- | --- |
//! | `rehearse: two lookups` | two parallel calls of `look_up_item` in one response, their deltas interleaved |
//! | `rehearse: long 500` | an answer of 500 words (at most 10,000) |
//! | `rehearse: call NAME {"a": 1}` | calls that tool with these arguments, as they are; one call a line, at most 16 |
//! | `show me some markdown` (or code, or a table) | a sample with a list, a table, a link and a code block |

mod arguments;
mod completion;
mod error;
mod message;
#[cfg(feature = "load")]
pub mod paced;
mod pairs;
mod player;
mod reply;
mod request;
pub mod scripted;
mod server;
mod stream;

pub use server::{Settings, router, serve};
