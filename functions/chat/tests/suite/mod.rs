//! The behaviour of the whole service, whatever store it runs on.
//!
//! A test binary includes this folder and provides `crate::backend::Backend` with two functions: `fresh()`, an empty store, and
//! `open(&self, env)`, which hands out store and queue and is called again at each restart of the server.

mod a2a;
mod a2a_lists;
mod a2a_push;
pub(crate) mod actions;
mod ag_ui;
mod asking;
mod bounds;
mod buyers;
mod confirm;
pub(crate) mod contract;
pub(crate) mod conversations;
pub(crate) mod crashes;
pub(crate) mod defects;
pub(crate) mod failures;
mod guard;
mod load;
pub(crate) mod matrix;
mod mcp;
mod operators;
mod order;
mod overlap;
mod page;
mod planted;
mod refusals;
mod relay;
mod responses;
mod sessions;
pub(crate) mod team;
mod visitors;

pub(crate) mod support;
