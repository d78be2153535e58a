//! How Baton behaves, from outside, over real sockets.
//!
//! [`suite`] is the behaviour that does not depend on where records live: it runs on whatever this crate's [`backend`] opens,
//! and `dynamo_behaviour` runs it on DynamoDB by including the same folder beside a `backend` of its own. [`process`] is about
//! the real binary `local`: signals, crashes, its file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod backend;
mod formats;
mod process;
#[path = "../suite/mod.rs"]
mod suite;
mod words;
mod writer;
