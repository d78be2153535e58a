//! For Baton's own tests: the suites that every store and queue passes, and a model service that says what a test wrote down.
//! Knows `handoff` only, so that every other crate may test with it.

pub mod conformance;
pub mod model;
