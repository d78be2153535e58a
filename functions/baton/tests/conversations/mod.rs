//! The parts of this test, by subject.

mod acme;
mod folder;
