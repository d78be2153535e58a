//! How Baton behaves with its records in DynamoDB: the suite of the crate `baton-chat`, as it is.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod backend;
#[path = "../engine/mod.rs"]
mod engine;
#[expect(
    dead_code,
    unused_imports,
    reason = "what the suite lends to stores of files and to tests of processes"
)]
#[path = "../../../chat/tests/suite/mod.rs"]
mod suite;
