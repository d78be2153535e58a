//! An OpenAI-compatible model server that follows a script and needs no key.
//!
//! It plays a plausible customer-service model for a first run and for tests. It knows nothing of Baton: all that it goes
//! by is in the request, as for any model. There is no language model in it, and no state between requests: the same
//! request gets the same answer, and what varies is chosen by a hash of the conversation. What it says stands in
//! `scenes.toml`, whose head explains how a scene is added.
//!
//! | route | what |
//! | --- | --- |
//! | `POST /v1/chat/completions` | whole or streamed, with `tools`, `tool_choice`, `max_tokens`, `stream_options.include_usage` |
//! | `GET /v1/models` | one model, `rehearsal`; a request may name any other |
//! | `GET /health` | `{"status":"ok","scripted":true}` |
//!
//! What a request must satisfy is checked as the real service does, above all that every tool call has its result and
//! every result its call. An `Authorization` header is ignored, and so are sampling parameters.
//!
//! # The parts it plays
//!
//! The tools in the request decide the part: `execute_order` makes a sales agent, `execute_refund` one for issues and
//! repairs. Any other agent hands on by the tool with the prefix `transfer_` that fits the message, calls the lookup whose
//! name or description fits it, or greets and asks. Only tools of the request are ever called. Notes in the history about
//! an action that has finished meanwhile (a later system message, or a user message in brackets) are told to the customer.
//!
//! What is written for a model is never repeated to a customer: not the instructions, not a description, not a note, and of
//! a result only the short fields that `scenes.toml` names.
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
