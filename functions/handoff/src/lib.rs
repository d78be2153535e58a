//! The domain of Baton: a team of agents that hand a conversation to each other.
//!
//! An [`Engine`] puts the ports and a team together. A caller opens a [`Conversation`] in a [`Principal`]'s name; a worker or an
//! operator takes an [`Action`]. `tests/engine` shows each of them at work, on records in memory.
//!
//! ```text
//! conversation   what a caller may do: submit, follow, stop, regenerate, history, export, erase
//!      │
//!      ▼
//!    drive        which process advances it: one driver here, one lease among all; the sweep finds lost work
//!      │
//!      ▼
//!    turn         one turn, step by step: ask, response, commits, calls; replay rebuilds its events
//!      │
//!      ▼
//!   action        one action: claimed, tried, recorded; approved and settled by operators
//! ```
//!
//! This crate does no I/O of its own. Everything outside comes through [`ports`]; it knows no HTTP, no AWS, no clock and no
//! environment variables.

#[macro_use]
pub mod sabotage;

mod action;
mod bounds;
mod budget;
mod conversation;
mod drive;
mod engine;
pub mod event;
pub mod failure;
pub mod ids;
mod json;
pub mod moment;
mod money;
mod notice;
mod people;
pub mod ports;
mod principal;
pub mod record;
mod shown;
mod speaker;
mod summary;
pub mod team;
pub mod text;
pub mod trace;
mod turn;

pub use action::confirm::Stale;
pub use action::list::{ActionPage, ActionSummary};
pub use action::operate::{DecisionError, News, Reasons, Shown};
pub use action::report::{CannotReport, Report};
pub use action::{Action, Executed};
pub use bounds::counts::Counts;
pub use bounds::{Bound, Bounds, OverBound, Party, Scope as BoundScope};
pub use conversation::client::{Client, ClientResult, ClientTool};
pub use conversation::confirm::CannotConfirm;
pub use conversation::erase::EraseError;
pub use conversation::follow::{Followed, Pulse};
pub use conversation::message::{Accepted, Overlap, Refusal, Submission};
pub use conversation::open::Conversation;
pub use conversation::push::CannotPush;
pub use conversation::regenerate::CannotRegenerate;
pub use conversation::stop::StopError;
pub use drive::hub::Watch;
pub use drive::log::{Seen, TurnLog, Unread, events_of};
pub use drive::retention::Retention;
pub use drive::sweep::Swept;
pub use engine::probe::Health;
pub use engine::{Engine, EngineSettings, Ports};
pub use notice::{EndpointNow, NoticeLane};
pub use people::CreateError;
pub use people::alias::{SignInError, same_owners};
pub use people::possessions::{ErasedAll, Possessed};
pub use people::trail::{AuditLine, AuditPage};
pub use principal::{BadName, Kind, Owner, Principal, Subject, Tenant};
pub use record::api_key::{ApiKey, Scope};
pub use record::audit::{AuditDetails, AuditEntry, Audited, AuditedDecision, BadDay, Day};
pub use record::notice::EndpointState;
pub use record::operator::{BadRole, KnownOperator, Operator, Role};
pub use record::size::MESSAGE as MOST_MESSAGE;
pub use record::{Decision, Settlement};
pub use shown::View;
pub use speaker::{Claims, MOST_CLAIMS, Speaker};
pub use turn::replay::Resume;

/// A conversation as people read it.
pub mod history {
    pub use crate::conversation::export::{Export, ExportError};
    pub use crate::conversation::history::{History, Item, Role, ShownCard, Summary};
    pub use crate::conversation::list::SummaryPage;
    pub use crate::record::Unreadable;
}
