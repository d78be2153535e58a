//! Events as streams of bytes. A format is one file, and one line in the table of [`format`].

pub(crate) mod budget;
pub(crate) mod conversation;
pub(crate) mod format;
pub(crate) mod listener;
mod ndjson;
mod sse;
