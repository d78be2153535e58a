//! The functions `chat` and `worker` as processes under a stand-in of the Lambda Runtime API, their records in a DynamoDB
//! engine, their messages in a server that speaks SQS. They must be built: `cargo build --bins` with the feature `aws`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

#[path = "../dynamo_behaviour/backend.rs"]
mod backend;
mod cloud;
mod contention;
mod hand_over;
#[expect(dead_code, reason = "shared with the tests of resuming")]
#[path = "../resume/hearing.rs"]
mod hearing;
mod kills;
mod pools;
#[expect(dead_code, reason = "shared with the tests of resuming")]
#[path = "../resume/proxy.rs"]
mod proxy;
#[path = "../resume/suite.rs"]
mod suite;
