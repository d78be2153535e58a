//! Requests of tools to services: the way there, the headers, and the secrets in them.
//! Knows HTTP and addresses; never the meaning of an answer.

pub(crate) mod headers;
pub(crate) mod keys;
pub(crate) mod known;
pub(crate) mod line;
pub(crate) mod secrets;

pub use headers::BadHeader;
