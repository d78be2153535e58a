//! For Baton's own tests: what the tests of several crates share.
//!
//! ```text
//! conformance   the suites that every store and every queue passes
//! script        what a scripted model reads in a request, and a clerk who does what the customer says
//! lambda        a stand-in of the Lambda Runtime API, the processes under it, the endpoints in front of it
//! dice          chance that comes again from its seed
//! cloud         engines that speak the protocols of AWS (feature `cloud`, which takes long to build)
//! ```
//!
//! Knows `handoff` and the rehearsal model only, so that every other crate may test with it.

#[cfg(feature = "cloud")]
pub mod cloud;
pub mod conformance;
pub mod dice;
pub mod lambda;
pub mod script;
