//! The parts of this test, by subject.

mod acme;
mod facts;
mod folder;
mod input;
mod models;
mod reports;
mod runs;
mod services;
