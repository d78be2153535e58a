//! One conversation and the engine that advances it.

use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::Millis;
use crate::turn::begun::Begun;

/// How often a conversation that another process owns is read, at most.
pub(super) const LONGEST_PAUSE: Millis = 1_000;

/// Drives one conversation. Its methods are in the files of what they do: the loop, what comes next, how a turn begins.
pub(super) struct Driver<'a> {
    pub(super) engine: &'a Engine,
    pub(super) conversation: &'a ConversationId,
}

/// What is to be done about a conversation.
pub(super) enum Next {
    Run(Box<Begun>),
    /// Another process has it until then.
    Wait(Millis),
    /// Another task or process wrote in between.
    LookAgain,
    Nothing,
}
