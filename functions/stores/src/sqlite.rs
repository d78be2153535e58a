//! Store and queue in one SQLite file, which several processes of one machine may share.
//!
//! All writes go through one thread, which groups waiting jobs into one durable transaction. Reads bypass it, on connections of
//! their own. Knows records and messages; never their content.

pub mod copy;
mod database;
mod fault;
#[cfg(test)]
mod health;
mod identity;
mod mailbox;
mod messages;
mod neighbours;
mod open;
mod queue;
mod records;
mod rendezvous;
mod residue;
mod rights;
mod schema;
mod store;
mod writer;

pub use open::OpenError;
pub use queue::SqliteQueue;
pub use store::SqliteStore;
