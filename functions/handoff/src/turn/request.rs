//! The request to the model: who answers, and what it is shown.

use std::sync::Arc;

use super::window;
use crate::engine::Engine;
use crate::ports::{Message, ModelRequest};
use crate::record::journal::JournaledTurn;
use crate::record::{LateResult, Meta, Origin, TurnRecord};
use crate::team::Agent;

/// What the model is asked: instructions first, then the conversation.
pub(crate) fn request<'a>(
    engine: &Engine,
    agent: &Agent,
    late: impl Iterator<Item = &'a LateResult>,
    messages: Vec<Message>,
) -> ModelRequest {
    let instructions = window::instructions(&engine.instructions_of(agent), late);
    let messages = std::iter::once(instructions).chain(messages).collect();
    ModelRequest {
        messages,
        tools: Arc::clone(&agent.tool_definitions),
    }
}

/// The past, and what this turn begins with.
pub(crate) fn messages(
    engine: &Engine,
    past: &[JournaledTurn],
    record: &TurnRecord,
) -> Vec<Message> {
    let replaced = match record.origin {
        Origin::Customer | Origin::LateResult => None,
        Origin::Regenerated { of } => Some(of),
    };
    let mut messages = window::past_messages(past, replaced, &engine.team.limits);
    messages.push(match record.origin {
        Origin::Customer | Origin::Regenerated { .. } => {
            Message::User(Arc::from(record.message.as_str()))
        }
        // The first step replaces it: only then is it known what has come in.
        Origin::LateResult => window::late_prompt(&[]),
    });
    messages
}

/// Who speaks next in the turn, as far as the journal says: the speaker of its last step, or of the first one of the answer
/// that is said anew.
pub(super) fn first_speaker<'a>(
    turn: &'a JournaledTurn,
    past: &'a [JournaledTurn],
) -> Option<&'a str> {
    let old = match turn.record.origin {
        Origin::Customer | Origin::LateResult => None,
        Origin::Regenerated { of } => past
            .iter()
            .find(|turn| turn.number == of)
            .and_then(|old| old.steps.first()),
    };
    turn.steps.last().or(old).map(|step| step.agent.as_str())
}

/// The agent of this name, or who the conversation was left with. One that the team no longer has becomes the entry agent.
pub(crate) fn active_agent(engine: &Engine, meta: &Meta, name: Option<&str>) -> Arc<Agent> {
    engine
        .team
        .agent(name.unwrap_or(&meta.agent))
        .unwrap_or_else(|| engine.team.entry_agent())
        .clone()
}
