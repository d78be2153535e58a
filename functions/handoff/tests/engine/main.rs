//! What the engine does, in words: on records in memory, with a model that answers as the test says, on a clock that does not
//! wait. `cargo test -p baton-handoff` runs it in a moment; what faults do to the engine is the matter of `simulation`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of it is a test: a panic is a finding"
)]

mod actions;
mod bounds;
mod budgets;
mod client_tools;
mod conditions;
mod confirm;
mod conversations;
mod fallback;
mod instructions;
mod kept;
mod model;
mod models;
mod money;
mod notices;
mod operators;
mod owners;
mod play;
mod ports;
mod processes;
mod pushes;
mod shown;
mod store;
mod summaries;
mod traces;
mod turns;
mod withdrawn;
