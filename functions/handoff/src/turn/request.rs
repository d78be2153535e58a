//! The request to the model: its agent and its messages.

use std::sync::Arc;

use super::window;
use crate::budget::{CALL_ALLOWANCE, most_input, step_bytes};
use crate::engine::Engine;
use crate::ports::{Message, ModelRequest};
use crate::record::journal::JournaledTurn;
use crate::record::{LateResult, Meta, Origin, TurnRecord};
use crate::team::Agent;

/// The messages for the model: instructions first, then the conversation.
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

/// The most tokens of the next request of a turn that is about to begin, or to go on from its journal, as far as it can be
/// foreseen.
pub(crate) fn foreseen(
    engine: &Engine,
    meta: &Meta,
    turn: &JournaledTurn,
    past: &[JournaledTurn],
) -> u64 {
    let agent = active_agent(engine, meta, first_speaker(turn, past));
    let messages = messages(engine, past, &turn.record);
    let request = request(engine, &agent, window::reported(past), messages);
    let steps = turn.steps.iter().map(|step| {
        let results = step.results.iter().map(|result| result.result.len() as u64);
        step_bytes(step) + results.sum::<u64>()
    });
    let calls = turn.steps.last().map_or(0, |step| step.calls.len());
    let results = (calls + meta.pending_reports.len()) as u64;
    most_input(&request) + steps.sum::<u64>() + CALL_ALLOWANCE.saturating_mul(results)
}

/// The past, and the start of this turn.
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
        Origin::Customer | Origin::Regenerated { .. } => Message::User(window::words(record)),
        // The first step replaces it: only then are the late results known.
        Origin::LateResult => window::late_prompt(&[]),
    });
    messages
}

/// The agent of the turn's next step, by the journal: the agent of its last step, or of the first step of the regenerated answer.
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

/// The agent of this name, or the conversation's active agent. A name that the team no longer has becomes the entry agent.
pub(crate) fn active_agent(engine: &Engine, meta: &Meta, name: Option<&str>) -> Arc<Agent> {
    engine
        .team
        .agent(name.unwrap_or(&meta.agent))
        .unwrap_or_else(|| engine.team.entry_agent())
        .clone()
}
