//! For Baton's own tests: the suites that every store and queue passes. Knows `handoff` only, so that every other crate may test
//! with it.

pub mod conformance;
