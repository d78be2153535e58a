//! How Baton behaves with its records in DynamoDB: [`suite`], as it is.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod backend;
#[expect(
    dead_code,
    unused_imports,
    reason = "what the suite lends to stores of files and to tests of processes"
)]
#[path = "../suite/mod.rs"]
mod suite;
