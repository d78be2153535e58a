//! OpenAI's Responses and Conversations: a turn is a response, and what was said are items. Source: OpenAI's API reference,
//! "Responses" and "Conversations"; its client packages.
//!
//! ```text
//! create: a message                      read: a response again, cancel, delete
//! conversations: objects                 listed: what was said, as items
//! request, input: what is kept of a body approvals: answers to cards
//! events: the stream, an `Encoder`, and the object that it ends with
//!   sequence: numbers of its events      items, object: what stands in them
//! ids: names, which say where a thing is, so that none is recorded
//! ```

mod approvals;
pub(crate) mod conversations;
pub(crate) mod create;
mod events;
mod ids;
mod input;
mod items;
pub(crate) mod listed;
mod object;
pub(crate) mod read;
mod request;
mod sequence;

/// The one model: the team.
const TEAM: &str = "baton";

const MEDIA_TYPE: &str = "text/event-stream";
