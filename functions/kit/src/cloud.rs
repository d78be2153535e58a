//! Engines that speak the protocols of AWS on this machine. They know no client of AWS: each says where it listens.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are for tests: a panic is how they fail"
)]

mod dynamo;
mod moto;

pub use dynamo::Dynamo;
pub use moto::{Moto, Queues};
