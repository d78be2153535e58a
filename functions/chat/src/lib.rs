//! Baton's HTTP interface: one [`router`], served by axum here and by Lambda there.
//!
//! ```text
//! bin local ─▶ settings ─▶ backend ─▶ router ─▶ routes/ ─▶ engine (baton-handoff)
//!                                        │         └─────▶ stream/: listeners, formats, and the memory limit of long answers
//!                                        ├─ faces/: other protocols, and the door that every message comes through
//!                                        └─ edge/: Host and Origin, traces, refusals as JSON
//! app: the shared state of the routes
//! auth: credentials of requests
//! serve: the accept loop with its bounds, and the drain
//! lambda: the same router as a function
//! ```
//!
//! Only `baton-setup` reads the environment. No rule about conversations lives here: those are the engine's.

mod app;
pub mod auth;
pub mod backend;
mod edge;
mod faces;
#[cfg(feature = "aws")]
pub mod lambda;
#[cfg(test)]
mod openapi;
mod router;
mod routes;
pub mod serve;
pub mod stream;

pub use app::{App, Exposure};
pub use auth::checks::Auth;
pub use baton_setup::{ModelInfo, settings};
pub use router::router;
