//! The behaviour of the whole service, whatever store it runs on.
//!
//! A test binary includes this folder and provides `crate::backend::Backend` with two functions: `fresh()`, an empty store, and
//! `open(&self, env)`, which hands out store and queue and is called again at each restart of the server.

mod actions;
mod asking;
mod bounds;
mod buyers;
mod confirm;
mod contract;
mod conversations;
mod crashes;
mod defects;
mod failures;
mod guard;
mod load;
mod matrix;
mod operators;
mod order;
mod overlap;
mod page;
mod planted;
mod refusals;
mod relay;
mod sessions;
mod team;
mod visitors;

pub(crate) mod support;
