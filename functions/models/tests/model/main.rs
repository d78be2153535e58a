//! The model client over real sockets, against a service that says what each test wrote down.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod asking;
mod dialects;
mod entra;
mod failures;
mod new_format;
mod options;
mod quirks;
mod retries;
mod streaming;
mod support;
mod transport;
