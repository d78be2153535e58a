//! Baton's outside world on one machine: SQLite store and queue, model clients, back office, tools that call services.

#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
pub mod env;
pub mod http_tools;
mod inflate;
pub mod limits;
pub mod memory;
pub mod model;
pub mod office;
#[cfg(feature = "sqlite")]
pub mod presence;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod suspended;
pub mod toolbox;
mod waiting;
