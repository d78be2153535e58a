//! The principal behind a request: its credential is found, checked by one of the `METHODS`, and never taken for none when it is
//! bad.
//!
//! ```text
//! routes ─▶ caller, session ─▶ methods ─▶ credential
//!                                 ├─────▶ api_key, operator, own_tokens, issuer: each a `Method`
//!                                 └─────▶ guesses: refused credentials are slowed and counted
//! checks: what they need, from the settings        identity, denied: what they find
//! ```
//!
//! A new way to authenticate is a file with a `Method`, and a line in `METHODS` in `methods.rs`.

mod api_key;
pub(crate) mod asking;
pub(crate) mod caller;
pub(crate) mod checks;
mod cookie;
mod credential;
mod denied;
mod guesses;
mod identity;
mod issuer;
pub mod jwt;
mod method;
mod methods;
mod operator;
mod own_tokens;
pub(crate) mod session;
