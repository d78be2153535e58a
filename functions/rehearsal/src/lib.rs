//! A model server that follows a script and needs no key, in the wire formats of five services.
//!
//! It plays a plausible customer-service model for a first run and for tests. It knows nothing of Baton: it answers from the
//! request alone, like any model. There is no language model in it, and no state between requests: the same request gets the same
//! answer, and a hash of the conversation chooses between variants. Its words stand in `scenes.toml`, whose head explains how a
//! scene is added.
//!
//! | route | what |
//! | --- | --- |
//! | `POST /v1/chat/completions` | OpenAI's Chat Completions, with `tools`, `tool_choice`, `max_tokens`, `stream_options.include_usage` |
//! | `POST /v1/responses` | OpenAI's Responses; nothing is stored |
//! | `POST /v1/messages` | Anthropic's Messages |
//! | `POST /v1beta/models/{model}:streamGenerateContent?alt=sse`, `…:generateContent` | Gemini; `/v1` too |
//! | `POST /model/{id}/converse-stream`, `…/converse` | Bedrock's Converse, with its frames |
//! | `GET /v1/models` | one model, `rehearsal`; a request may name any other |
//! | `GET /health` | `{"status":"ok","scripted":true}` |
//!
//! Each answers whole or streamed, in its service's own events. Requests are checked like the real service does, above all that
//! every tool call has its result and every result its call, that thoughts with a signature come back where they must, and that
//! there is no field that the service does not know; a refusal has the form of the service. Keys are ignored, and so are sampling
//! parameters. Thoughts come only where a request wants them, by the parameter that its format has for that; with Chat
//! Completions, which have none, by `reasoning_effort`. What services do that is in no documentation is asked for by
//! name, see `quirks.rs`.
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
//! arguments of the answer. It is never zero. What the request before the last answer had in common with this one counts as
//! cached, from 1,024 tokens on in steps of 128; with Anthropic's format and Bedrock's only if the request marks something to be cached.
//!
//! # Phrases for developers
//!
//! | the customer writes | what happens |
//! | --- | --- |
//! | `rehearse: two lookups` | two parallel calls of `look_up_item` in one response, their deltas interleaved |
//! | `rehearse: think`, `rehearse: think and look` | thoughts before a text, or before a call of `look_up_item` |
//! | `rehearse: quirk NAME` | the answer has a quirk of a real service; the other phrases may stand beside it |
//! | `rehearse: long 500` | an answer of 500 words (at most 10,000) |
//! | `rehearse: call NAME {"a": 1}` | calls that tool with these arguments, as they are; one call a line, at most 16 |
//! | `show me some markdown` (or code, or a table) | a sample with a list, a table, a link and a code block |

mod arguments;
mod checksum;
mod conversation;
mod error;
mod exchange;
mod formats;
mod hash;
#[cfg(feature = "load")]
pub mod paced;
mod parts;
mod player;
mod quirks;
mod reply;
pub mod scripted;
mod server;
mod stream;

pub use formats::Format;
pub use player::{BadScenes, Scenes};
pub use server::{Settings, router, serve};
