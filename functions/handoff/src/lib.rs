//! The domain of Baton: a team of agents that hand a conversation to each other.
//!
//! This crate does no I/O of its own. Everything outside comes through [`ports`]; it knows no HTTP, no AWS, no clock and no
//! environment variables.

pub mod event;
pub mod failure;
pub mod ids;
pub mod live;
pub mod ports;
pub mod record;
pub mod team;
