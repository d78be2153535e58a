//! The functions `chat` and `worker` as processes under a stand-in of the Lambda Runtime API, their records in a DynamoDB
//! engine, their messages in a server that speaks SQS. They must be built: `cargo build --bins` with the feature `aws`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

#[path = "../behaviour/backend.rs"]
mod backend;
mod cloud;
mod contention;
#[path = "../engine/mod.rs"]
mod engine;
mod hand_over;
#[expect(dead_code, reason = "shared with the tests of resuming")]
#[path = "../../../chat/tests/resume/hearing.rs"]
mod hearing;
mod kills;
#[allow(
    dead_code,
    reason = "shared with the tests of the queue; an expectation does not see its unused trait methods"
)]
#[path = "../moto/mod.rs"]
mod moto;
mod pools;
#[expect(dead_code, reason = "shared with the tests of resuming")]
#[path = "../../../chat/tests/resume/proxy.rs"]
mod proxy;
#[path = "../../../chat/tests/resume/suite.rs"]
mod suite;
