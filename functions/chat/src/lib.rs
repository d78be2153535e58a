//! Baton's HTTP interface: one [`router`] that is served by axum here and by Lambda there.
//!
//! ```text
//! bin local ─▶ settings ─▶ backend ─▶ router ─▶ routes ─▶ engine (baton-handoff)
//!                                        │          └────▶ body ─▶ encode (NDJSON, SSE)
//!                                        ├─ guard (Host, Origin), error (JSON details)
//!                                        └─ budget: what long answers may take of the memory
//! serve: the accept loop with its bounds, and the drain
//! ```
//!
//! Only `baton-setup` reads the environment. No rule about conversations lives here: those are the engine's.

mod accept;
pub mod backend;
mod body;
mod budget;
mod deadline;
mod encode;
mod error;
mod follow;
mod guard;
#[cfg(feature = "aws")]
pub mod lambda;
#[cfg(test)]
mod openapi;
mod router;
mod routes;
pub mod serve;
mod trace;

pub use baton_setup::settings;
pub use router::{App, Exposure, ModelInfo, router};
