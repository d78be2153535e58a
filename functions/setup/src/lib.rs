//! Settings, log and assembly of every program of Baton: the only crate that knows all others.
//!
//! ```text
//! environment, .env, flags, secrets ─▶ settings ─▶ services ─▶ records   a store and its queue, by a list of openers
//!                                                     ├──────▶ models    the clients of model services, or the rehearsal model
//!                                                     └──────▶ tools     back office, services behind HTTP
//! settings ─▶ sandbox   a team with its models on records in memory, for tests of conversations
//! settings ─▶ migrate   the lists of a table that an earlier release wrote
//! ```

mod check;
mod kept_secret;
pub mod log;
#[cfg(feature = "aws")]
mod migrate;
mod models;
pub mod probe;
mod records;
#[cfg(feature = "embedded")]
mod sandbox;
mod services;
pub mod settings;
pub mod signals;
mod signed;
mod traces;

pub use check::{CheckedModel, Report, check};
pub use kept_secret::secret_beside;
#[cfg(feature = "aws")]
pub use migrate::{Counts, ListMigration};
#[cfg(feature = "embedded")]
pub use sandbox::{Actors, CastModel, Sandbox, Scratch};
#[cfg(feature = "aws")]
pub use services::function_settings;
pub use services::{ModelInfo, Services, check_team, use_default_chain};
