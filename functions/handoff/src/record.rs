//! The records of conversations and of people, and their keys. Knows JSON; never the store.

mod action;
mod amount;
pub(crate) mod api_key;
pub(crate) mod audit;
mod before;
pub(crate) mod client;
mod confirmation;
mod decision;
pub(crate) mod journal;
pub mod keys;
mod message;
mod meta;
pub(crate) mod notice;
pub(crate) mod operator;
pub(crate) mod size;
mod spending;
mod spent;
mod step;
mod stored;
mod summary;
mod turn;

pub(crate) use action::{APPROVAL_LIFE, RESEND};
pub use action::{ActionApproval, ActionRecord, ActionState, Decided, actions_in};
pub use amount::{Amount, Limit};
pub use before::{Lists, lists_of};
pub(crate) use client::CLIENT_WAIT;
pub use client::{ClientAnswer, ClientCall, FromClient, OfferedTool, WaitingForClient};
pub use confirmation::{Answer, Confirmation, OpenCard};
pub use decision::{Decision, Settlement};
pub use message::MessageRecord;
pub use meta::{Meta, Running, conversations_of, conversations_with_agents};
pub(crate) use meta::{RECHECK, erased_of, recheck_after};
pub(crate) use spending::Caller;
pub use spending::{Reservation, Spending};
pub(crate) use spent::day_of;
pub use spent::{Counted, DaySpent, Share, Spent};
pub use step::{
    AcceptedAction, Asked, CallResult, EndedAction, FailedCall, LateResult, NotAccepted, Opaque,
    RefusedCall, StepRecord, ToolOutcome,
};
pub(crate) use stored::encode;
pub use stored::{Unreadable, decode};
pub use summary::{OpenLine, Summarise, SummaryRecord, Window};
pub use turn::{AnsweredCard, Origin, Partial, TurnRecord, TurnState};

/// The tenant of all requests that name none, and of all records of before.
pub const DEFAULT_TENANT: &str = "default";
