//! The behaviour suite's servers in this process and its client.

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the behaviour suite, which uses the rest"
)]
#[path = "../suite/support/mod.rs"]
pub(crate) mod support;
