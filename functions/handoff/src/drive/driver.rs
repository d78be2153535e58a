//! One conversation and the engine that advances it.

use crate::bounds::Party;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::Millis;
use crate::turn::begun::Begun;

/// The longest pause between two polls of a conversation that another process owns.
pub(super) const LONGEST_PAUSE: Millis = 1_000;

/// Drives one conversation. Each method is in the file of its step: the loop, the decision, the begin of a turn.
pub(super) struct Driver<'a> {
    pub(super) engine: &'a Engine,
    pub(super) conversation: &'a ConversationId,
}

/// The next step for a conversation.
pub(super) enum Next {
    Run(Box<Begun>),
    /// Another process owns the conversation until then.
    Wait(Millis),
    /// No turn of this party may run here now.
    Full(Party),
    /// Another task or process wrote in between.
    Recheck,
    Nothing,
}
