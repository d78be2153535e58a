//! Tools that call out, over real sockets, against services that answer what each test wrote down.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod addresses;
mod answers;
mod asking;
mod known;
mod secure;
mod service;
mod support;
mod tries;
