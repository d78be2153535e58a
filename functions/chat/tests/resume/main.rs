//! A stream that cannot be lost: cut anywhere, resumed anywhere, stopped and taken over from anywhere, over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod addresses;
mod backend;
mod cuts;
mod fallback;
mod follow;
mod hearing;
mod hops;
mod listeners;
#[path = "../behaviour/process/local.rs"]
mod local;
mod overlap;
mod pair;
mod proxy;
mod regenerate;
mod stops;
mod suite;
