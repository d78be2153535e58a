//! Baton's outside world on one machine: SQLite store and queue, model clients, back office.

#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
pub mod limits;
pub mod memory;
pub mod office;
pub mod sqlite;
mod waiting;
