//! The common base of Baton's HTTP clients: connections, TLS, proxies, time-outs, `Retry-After`, bodies.
//! Knows nothing of models, tools, AWS or conversations, and no other crate of Baton.

mod body;
mod chain;
mod client;
pub mod inflate;
mod media_type;
mod retry_after;
mod secret;
pub mod suspended;

pub use body::read_some;
pub use chain::chain;
pub use client::{builder, is_loopback, may_carry_secrets, tls};
pub use media_type::media_type;
pub use retry_after::retry_after;
pub use secret::Secret;
