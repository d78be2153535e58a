//! The benchmark of Baton beside a plain relay.
fn main() {}
