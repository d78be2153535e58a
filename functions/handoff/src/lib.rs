//! The domain of Baton: a team of agents that hand a conversation to each other.
//!
//! ```text
//! submit ─▶ drive ─▶ turn ─▶ response   one model response, streamed through narrator into the live log
//!             ▲        ├───▶ calls      the results of its tool calls; actions wait for their records
//!   sweep ────┘        └───▶ lease      every commit of the owner, under its fence
//! execute (action)                      what a worker does about one action
//! ```
//!
//! This crate does no I/O of its own. Everything outside comes through [`ports`]; it knows no HTTP, no AWS, no clock and no
//! environment variables.

#[macro_use]
pub mod sabotage;

mod action;
mod calls;
mod drive;
mod engine;
mod erase;
pub mod event;
pub mod failure;
mod follow;
mod health;
pub mod history;
mod holder;
pub mod ids;
mod journal;
mod lease;
pub mod live;
mod narrator;
mod operate;
pub mod ports;
pub mod record;
mod recorder;
mod regenerate;
mod replay;
mod response;
mod stop;
mod submit;
mod sweep;
pub mod team;
mod tries;
mod turn;
mod warm;
mod window;

pub use action::Executed;
pub use engine::{Engine, Ports};
pub use erase::EraseError;
pub use follow::{Followed, Pulse};
pub use health::Health;
pub use live::Watch;
pub use operate::{ActionPage, ActionSummary, Decision, DecisionError, Settlement, Shown};
pub use regenerate::CannotRegenerate;
pub use replay::Resume;
pub use stop::StopError;
pub use submit::{Accepted, Overlap, Refusal, Submission};
pub use sweep::Swept;
