//! Tools that MCP servers run, over real sockets, against servers that say what each test wrote down.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bounds;
#[cfg(all(unix, feature = "children"))]
mod children;
mod conformance;
mod effects;
mod eras;
mod pins;
mod results;
mod server;
#[path = "../http_tools/service.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod service;
mod support;
