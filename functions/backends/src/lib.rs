//! Baton's outside world on one machine: SQLite store and queue, model clients, back office.

pub mod model;
