//! What a listener of a turn sees, as types. Every wire format is an encoder of these; none of them is known here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::failure::FailureCode;
use crate::ids::{ActionId, MessageId, TurnNumber};
use crate::ports::{ToolCall, Usage};
use crate::record::{ActionState, ToolOutcome};

/// Where an event stands: `TURN.STEP.FENCE.OFFSET`.
///
/// The offset is a place inside the step, not a count of chunks: text takes its bytes, each event behind the text one more. So
/// a recorded step can serve any position although its deltas were never stored. Step 0 is what comes before the first
/// response. The fence tells the text of one owner of the turn from that of the next one, who says it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The turn's number.
    pub turn: TurnNumber,
    /// The step, from 1; 0 before the first.
    pub step: u32,
    /// Under which fence it was said.
    pub fence: u64,
    /// The end of this event within the step: a listener who has it wants what lies behind.
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
    /// Where it stands.
    pub position: Position,
    /// Whose agent it concerns.
    pub agent: Arc<str>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. A log holds thousands of text deltas for one of most others: those are boxed, so that a delta takes no more
/// room than it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// The turn began to run.
    TurnStarted(Box<TurnStarted>),
    /// The model said more.
    TextDelta(String),
    /// The model called a tool or asked for a hand-off.
    ToolCalled(Box<ToolCall>),
    /// The model will be told this result.
    ToolFinished(Box<ToolFinished>),
    /// An action was accepted and is on its way.
    ActionQueued(Box<ActionQueued>),
    /// An action came to its end.
    ActionFinished(Box<ActionFinished>),
    /// Another agent is active now.
    HandedOff(Box<HandedOff>),
    /// The tokens of the turn, all its steps together.
    Usage(Usage),
    /// The text of this step is said anew: forget what was shown of it.
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
    /// What the customer wrote; empty for a turn that a late result began.
    pub message: String,
    /// The client's id of it.
    pub message_id: Option<MessageId>,
}

/// The model will be told a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFinished {
    /// The model's id of the call.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// How it went.
    pub outcome: ToolOutcome,
    /// What the model is told.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// An action was accepted and is on its way.
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

/// An action came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionFinished {
    /// The action.
    pub action: ActionId,
    /// The tool's name.
    pub name: String,
    /// How it ended.
    pub state: ActionState,
    /// Its result or the reason.
    pub result: String,
}

/// Another agent is active now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOff {
    /// Who was.
    pub from: Arc<str>,
    /// Who is.
    pub to: Arc<str>,
}

impl EventKind {
    /// The text, if it is some.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::TextDelta(text) => Some(text),
            Self::TurnStarted { .. }
            | Self::ToolCalled { .. }
            | Self::ToolFinished { .. }
            | Self::ActionQueued { .. }
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

    /// How many places it takes: by so much it moves the position on.
    ///
    /// | event | places |
    /// | --- | --- |
    /// | text | its bytes |
    /// | a reset; the turn continues elsewhere | 0: they say nothing of the turn itself |
    /// | any other | 1 |
    pub(crate) fn room(&self) -> u32 {
        match self {
            Self::TextDelta(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
            Self::Reset { .. } | Self::TurnContinues => 0,
            Self::TurnStarted { .. }
            | Self::ToolCalled { .. }
            | Self::ToolFinished { .. }
            | Self::ActionQueued { .. }
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
