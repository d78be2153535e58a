//! The request to the model: its agent and its messages.

use std::sync::Arc;

use super::draft::{Begun, Draft};
use super::past::Past;
use super::window;
use crate::budget::{CALL_ALLOWANCE, most_input};
use crate::engine::Engine;
use crate::engine::models::Chosen;
use crate::ports::{ModelRequest, ToolDefinition};
use crate::principal::Owner;
use crate::record::journal::JournaledTurn;
use crate::record::{Meta, OfferedTool, Origin, TurnRecord};
use crate::team::{Agent, Facts};

/// The request for the next response of a turn. `short`: the model called it too long.
pub(crate) fn request(
    engine: &Engine,
    agent: &Agent,
    owner: &Owner,
    model: &str,
    short: bool,
    past: &Past,
    turn: &Begun<'_>,
) -> ModelRequest {
    let mut draft = Draft::new(
        engine.instructions_of(agent, facts(turn.record, owner)),
        model,
        short,
    );
    if let Some(summary) = past.summary_of(turn.record) {
        draft.add_summary(summary);
    }
    for ended in window::kept(&past.turns, turn.record, &engine.team.limits, short) {
        draft.add_ended(ended);
    }
    draft.add_begun(turn);
    draft.finish(tools(engine, agent, turn.record))
}

/// The agent's tools, and behind them those of the turn's client.
fn tools(engine: &Engine, agent: &Agent, record: &TurnRecord) -> Arc<[ToolDefinition]> {
    let offered = &record.client.tools;
    let withdrawn: Vec<_> = agent
        .tools
        .iter()
        .filter(|tool| !engine.tools.offers(tool))
        .map(|tool| tool.name.as_str())
        .collect();
    if offered.is_empty() && withdrawn.is_empty() {
        return Arc::clone(&agent.tool_definitions);
    }
    // The team may have changed since the turn was accepted.
    let is_free = |tool: &&OfferedTool| {
        let own = agent.tool_definitions.iter();
        !own.clone().any(|own| own.name == tool.called())
    };
    let offered = offered.iter().filter(is_free);
    let offered = offered.filter_map(OfferedTool::definition);
    let own = agent.tool_definitions.iter();
    let own = own.filter(|own| !withdrawn.contains(&own.name.as_str()));
    own.cloned().chain(offered).collect()
}

/// What instructions may say of a turn. All of it is in its record, or never changes.
fn facts<'a>(record: &'a TurnRecord, owner: &'a Owner) -> Facts<'a> {
    Facts {
        accepted_at: record.accepted_at,
        tenant: owner.tenant(),
        customer: record.speaker.verified(owner),
        claims: &record.speaker.claims,
    }
}

/// The model of the next request of a turn that is about to begin, or to go on from its journal, and its most tokens, as far as
/// they can be foreseen.
pub(crate) fn foreseen(
    engine: &Engine,
    meta: &Meta,
    turn: &JournaledTurn,
    past: &Past,
) -> (Chosen, u64) {
    let agent = active_agent(engine, meta, first_speaker(turn, &past.turns));
    let model = engine.first_model(&agent, turn.steps.last());
    let begun = Begun {
        record: &turn.record,
        steps: &turn.steps,
        results: &[],
        late: &[],
    };
    let request = request(
        engine,
        &agent,
        &meta.owner,
        &model.name,
        false,
        past,
        &begun,
    );
    let calls = turn.steps.last().map_or(0, |step| step.calls.len());
    let results = (calls + meta.pending_reports.len()) as u64;
    let input = most_input(&request) + CALL_ALLOWANCE.saturating_mul(results);
    (model, input)
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
