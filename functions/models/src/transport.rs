//! Requests to a model service over HTTP: connections, credentials, attempts, time-outs, limits of bytes.
//! Knows HTTP; no vendor and no wire format.

pub(crate) mod entra;
pub(crate) mod exchange;
mod frames;
mod http;
pub(crate) mod response;
mod retry;
mod watched;
