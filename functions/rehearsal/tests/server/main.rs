//! The server as its clients see it: over a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod client;
mod dialogues;
mod formats;
mod quirks;
mod refusals;
mod secrets;
mod wires;
