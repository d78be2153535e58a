//! The function `chat` as a process, against a [stand-in](baton_kit::lambda) of the Lambda Runtime API: what comes out of it byte by
//! byte, and how answers end. [`holds`] is about the same stack without the process: what it leaves behind when it may be frozen.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test"
)]

mod crowd;
mod ends;
mod function;
mod holds;
mod matrix;
mod mounted;
mod page;
#[expect(dead_code, reason = "shared with the tests of resuming")]
#[path = "../resume/proxy.rs"]
mod proxy;
mod streams;
mod torn;
mod warm;
