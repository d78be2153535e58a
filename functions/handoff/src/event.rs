//! The events of a turn, as types. Every wire format encodes these; none of the formats is known here.
//!
//! All listeners share the log of a turn, so events hold of arguments and results only the part that customers see.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::failure::FailureCode;
use crate::ids::{ActionId, MessageId, TurnNumber};
use crate::ports::{Millis, Usage};
use crate::record::{ActionState, ToolOutcome};

/// The position of an event: `TURN.STEP.FENCE.OFFSET`.
///
/// The offset is a position within the step, not a count of chunks: text advances it by its bytes, each later event by one. So a
/// recorded step can serve any position although its deltas were never stored. Step 0 precedes the first response. The fence
/// separates the text of one owner of the turn from the same text of the next owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The turn's number.
    pub turn: TurnNumber,
    /// The step, from 1; 0 before the first.
    pub step: u32,
    /// The fence of the owner that sent it.
    pub fence: u64,
    /// The end of this event within the step: a listener with this event continues after it.
    pub offset: u32,
}

/// A string that is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position is TURN.STEP.FENCE.OFFSET")]
pub struct BadPosition;

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}.{}.{}.{}",
            self.turn, self.step, self.fence, self.offset
        )
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(raw: &str) -> Result<Self, BadPosition> {
        let mut parts = raw.split('.');
        let mut next = || {
            parts
                .next()
                .filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
                .ok_or(BadPosition)
        };
        let position = Self {
            turn: next()?.parse().map_err(|_| BadPosition)?,
            step: next()?.parse().map_err(|_| BadPosition)?,
            fence: next()?.parse().map_err(|_| BadPosition)?,
            offset: next()?.parse().map_err(|_| BadPosition)?,
        };
        if parts.next().is_some() {
            Err(BadPosition)
        } else {
            Ok(position)
        }
    }
}

/// One thing that happened in a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its position.
    pub position: Position,
    /// The agent concerned.
    pub agent: Arc<str>,
    /// What happened.
    pub kind: EventKind,
}

/// The kind of an event. A log holds thousands of text deltas for one of most other kinds: those are boxed, so that a delta takes
/// no more room than it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// The turn began to run.
    TurnStarted(Box<TurnStarted>),
    /// More text of the model.
    TextDelta(String),
    /// The model called a tool or asked for a hand-off.
    ToolCalled(Box<ToolCalled>),
    /// A call has its result.
    ToolFinished(Box<ToolFinished>),
    /// An action was accepted and waits for its execution.
    ActionQueued(Box<ActionQueued>),
    /// The customer is asked to confirm an action.
    ConfirmationAsked(Box<ConfirmationAsked>),
    /// The client has a call to execute, and the turn ends for it.
    ClientCalled(Box<ClientCalled>),
    /// An action has ended.
    ActionFinished(Box<ActionFinished>),
    /// Another agent is active now.
    HandedOff(Box<HandedOff>),
    /// The tokens of the turn, all its steps together.
    Usage(Box<Usage>),
    /// The text of this step follows again: discard the text shown so far.
    Reset {
        /// The step.
        step: u32,
    },
    /// The turn is over and recorded.
    TurnCompleted,
    /// The turn is over and failed.
    TurnFailed(FailureCode),
    /// The turn was stopped on request.
    TurnStopped,
    /// This stream ends before the turn does: follow it.
    TurnContinues,
}

/// A turn began to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnStarted {
    /// The customer's message; empty for a turn that a late result or the client's results began.
    pub message: String,
    /// The client's id of it.
    pub message_id: Option<MessageId>,
    /// When it was accepted. Milliseconds since 1970.
    pub accepted_at: Millis,
}

/// The model called a tool or asked for a hand-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCalled {
    /// The model's id of the call.
    pub call: String,
    /// The tool's name, which may be unknown to us.
    pub name: String,
    /// The part of the arguments that customers see.
    pub arguments: Option<String>,
}

/// A call has its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFinished {
    /// The model's id of the call.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// Its outcome.
    pub outcome: ToolOutcome,
    /// The part of the result that customers see.
    pub result: Option<String>,
    /// Its duration.
    pub milliseconds: u64,
}

/// An action was accepted and waits for its execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionQueued {
    /// The action.
    pub action: ActionId,
    /// The model's id of the call.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// `queued`, or `proposed` when a person must approve it first.
    pub state: ActionState,
}

/// The customer is asked to confirm an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmationAsked {
    /// The action.
    pub action: ActionId,
    /// The tool's name.
    pub name: String,
    /// The question.
    pub title: String,
    /// The arguments that the customer agrees to, a JSON object.
    pub shown: String,
    /// What an answer is bound to.
    pub arguments_hash: String,
    /// Until when it can be answered. Milliseconds since 1970.
    pub expires_at: Millis,
}

/// The client has a call to execute: the conversation waits for its result, after the end of the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCalled {
    /// The id of the call, for its result.
    pub call: String,
    /// The client's name for the tool.
    pub name: String,
    /// All arguments, a JSON object as the model wrote it.
    pub arguments: String,
}

/// An action has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionFinished {
    /// The action.
    pub action: ActionId,
    /// The tool's name.
    pub name: String,
    /// Its final state.
    pub state: ActionState,
    /// The part of its result that customers see.
    pub result: Option<String>,
}

/// Another agent is active now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOff {
    /// The agent before.
    pub from: Arc<str>,
    /// The agent from now on.
    pub to: Arc<str>,
}

impl EventKind {
    /// The text of a text delta.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::TextDelta(text) => Some(text),
            Self::TurnStarted { .. }
            | Self::ToolCalled { .. }
            | Self::ToolFinished { .. }
            | Self::ActionQueued { .. }
            | Self::ConfirmationAsked { .. }
            | Self::ClientCalled { .. }
            | Self::ActionFinished { .. }
            | Self::HandedOff { .. }
            | Self::Usage(_)
            | Self::Reset { .. }
            | Self::TurnCompleted
            | Self::TurnFailed(_)
            | Self::TurnStopped
            | Self::TurnContinues => None,
        }
    }

    /// By how much the event advances the position:
    ///
    /// | event | advance |
    /// | --- | --- |
    /// | text | its bytes |
    /// | a reset; the turn continues elsewhere | 0: neither belongs to the turn itself |
    /// | any other | 1 |
    pub(crate) fn room(&self) -> u32 {
        match self {
            Self::TextDelta(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
            Self::Reset { .. } | Self::TurnContinues => 0,
            Self::TurnStarted { .. }
            | Self::ToolCalled { .. }
            | Self::ToolFinished { .. }
            | Self::ActionQueued { .. }
            | Self::ConfirmationAsked { .. }
            | Self::ClientCalled { .. }
            | Self::ActionFinished { .. }
            | Self::HandedOff { .. }
            | Self::Usage(_)
            | Self::TurnCompleted
            | Self::TurnFailed(_)
            | Self::TurnStopped => 1,
        }
    }

    /// Whether a stream ends with this event. Every stream ends with exactly one.
    pub fn ends_stream(&self) -> bool {
        match self {
            Self::TurnCompleted | Self::TurnFailed(_) | Self::TurnStopped | Self::TurnContinues => {
                true
            }
            Self::TurnStarted(_)
            | Self::TextDelta(_)
            | Self::ToolCalled(_)
            | Self::ToolFinished(_)
            | Self::ActionQueued(_)
            | Self::ConfirmationAsked(_)
            | Self::ClientCalled(_)
            | Self::ActionFinished(_)
            | Self::HandedOff(_)
            | Self::Usage(_)
            | Self::Reset { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_kind_of_event_makes_no_text_delta_larger() {
        assert_eq!(size_of::<EventKind>(), size_of::<String>());
    }

    #[test]
    fn a_position_survives_its_text() {
        let position = Position {
            turn: 3,
            step: 2,
            fence: 7,
            offset: 41,
        };
        assert_eq!("3.2.7.41".parse(), Ok(position));
        assert_eq!(position.to_string(), "3.2.7.41");
        for bad in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.-4",
            "+1.2.3.4",
            "a.b.c.d",
            "99999999999.1.1.1",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(BadPosition), "{bad:?}");
        }
    }
}
