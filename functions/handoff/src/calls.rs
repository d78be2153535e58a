//! The tool calls of one response: what each of them is, and its one result.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::engine::Engine;
use crate::event::{ActionFinished, EventKind, HandedOff, ToolFinished};
use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::{Millis, ToolCall, ToolRequest};
use crate::record::{ActionRecord, ActionState, EndedAction, Told, ToolOutcome};
use crate::team::{Agent, Amount, Approval, ToolKind};
use crate::window;

/// What a call is. It follows from the agent and the call alone, so that whoever continues the turn sees the same.
pub(crate) enum Planned {
    /// The first hand-off of the response.
    HandOff(Arc<Agent>),
    /// A further hand-off.
    NotTransferred,
    /// A lookup with good arguments.
    Lookup(ToolRequest),
    /// An action with good arguments.
    Action(ActionId, ToolRequest),
    /// What the model is told is wrong with it.
    Wrong(String),
}

/// Which actions a turn may stand for.
pub(crate) struct Scope<'a> {
    /// The turn by which they are known: its own, or the one that it regenerates.
    pub(crate) turn: TurnNumber,
    /// Those that it may have, if it may not have new ones.
    pub(crate) only: Option<&'a [&'a ActionId]>,
}

/// What the model is told when it wants to do something new while it says an old answer anew.
const NOT_AGAIN: &str = "Not done: this answer replaces an earlier one, and only what that one did may be referred to. \
     Ask the customer to say it again in a new message.";

/// Says of each call what it is.
pub(crate) fn plan(
    engine: &Engine,
    agent: &Agent,
    conversation: &ConversationId,
    scope: &Scope<'_>,
    calls: &[ToolCall],
) -> Vec<Planned> {
    let mut handed_off = false;
    calls
        .iter()
        .map(|call| {
            let planned = plan_call(engine, agent, conversation, scope, call);
            match planned {
                Planned::HandOff(_) if handed_off => Planned::NotTransferred,
                Planned::HandOff(to) => {
                    handed_off = true;
                    Planned::HandOff(to)
                }
                other @ (Planned::NotTransferred
                | Planned::Lookup(_)
                | Planned::Action(..)
                | Planned::Wrong(_)) => other,
            }
        })
        .collect()
}

fn plan_call(
    engine: &Engine,
    agent: &Agent,
    conversation: &ConversationId,
    scope: &Scope<'_>,
    call: &ToolCall,
) -> Planned {
    if let Some(hand_off) = agent.hand_off(&call.name) {
        // Teams are checked at start: every hand-off leads to an agent.
        let to = engine
            .team
            .agent(&hand_off.to)
            .unwrap_or_else(|| engine.team.entry_agent());
        return Planned::HandOff(to.clone());
    }
    let Some(tool) = agent.tool(&call.name) else {
        return Planned::Wrong(format!(
            "There is no tool named {:?}. Use only the tools that you were given.",
            call.name
        ));
    };
    match tool.check(&call.arguments) {
        Err(complaint) => Planned::Wrong(complaint),
        Ok(arguments) => {
            let identity = if sabotage!(KeyFromCallId) {
                call.id.clone()
            } else {
                arguments.identity(tool)
            };
            let request = ToolRequest {
                tool: tool.clone(),
                arguments: Arc::new(arguments),
                conversation: conversation.clone(),
            };
            match tool.kind {
                ToolKind::Lookup => Planned::Lookup(request),
                ToolKind::Action => {
                    let id = ActionId::new(conversation.clone(), scope.turn, &tool.name, &identity);
                    match scope.only {
                        Some(only) if !only.contains(&&id) => Planned::Wrong(NOT_AGAIN.to_owned()),
                        Some(_) | None => Planned::Action(id, request),
                    }
                }
            }
        }
    }
}

/// The records of the actions that a response accepts and that the turn does not have yet.
pub(crate) async fn new_actions(
    engine: &Engine,
    agent: &Agent,
    owner: &str,
    planned: &[Planned],
    known: &[ActionRecord],
) -> Vec<ActionRecord> {
    let mut new: Vec<ActionRecord> = Vec::new();
    for plan in planned {
        let Planned::Action(id, request) = plan else {
            continue;
        };
        if known.iter().chain(&new).any(|action| action.id == *id) {
            continue;
        }
        let now = engine.env.now();
        let amount = amount_cents(engine, request).await;
        let (state, look_at) = if needs_approval(&request.tool.approval, amount) {
            (ActionState::Proposed, now + crate::action::APPROVAL_LIFE)
        } else {
            (ActionState::Queued, now + crate::action::RESEND)
        };
        new.push(ActionRecord {
            id: id.clone(),
            owner: owner.to_owned(),
            tool: request.tool.name.clone(),
            arguments: request.arguments.canonical().to_owned(),
            amount_cents: amount,
            agent: agent.name.clone(),
            state,
            accepted_at: now,
            look_at,
            attempts: 0,
            first_try_at: None,
            fence: 0,
            holder: String::new(),
            result: None,
            reason: None,
        });
    }
    new
}

fn needs_approval(approval: &Approval, amount_cents: Option<u64>) -> bool {
    match approval {
        Approval::Never => false,
        Approval::Always => true,
        // What nobody can price moves no money that we know of: the back office rejects an unknown item by itself.
        Approval::Above { limit_cents, .. } => {
            amount_cents.is_some_and(|cents| cents > *limit_cents)
        }
    }
}

/// What a call is worth; asked only where a person may have to decide on it.
async fn amount_cents(engine: &Engine, request: &ToolRequest) -> Option<u64> {
    let amount = match &request.tool.approval {
        Approval::Never => return None,
        Approval::Always => &Amount::BackOffice,
        Approval::Above { amount, .. } => amount,
    };
    match amount {
        Amount::BackOffice => engine.tools.amount_cents(request).await,
        Amount::Parameter(name) => request
            .arguments
            .as_value()
            .get(name)
            .and_then(dollars_as_cents),
    }
}

/// The amount that a parameter names in US dollars; rounded up, so that a fraction cannot slip under the limit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and negative amounts are below every limit"
)]
fn dollars_as_cents(value: &serde_json::Value) -> Option<u64> {
    value
        .as_f64()
        .map(|dollars| (dollars * 100.0).ceil() as u64)
}

/// Carries the calls out, side by side, and returns their results in the order in which they came.
pub(crate) async fn answer(
    engine: &Engine,
    calls: &[ToolCall],
    planned: &[Planned],
    from: &Arc<str>,
    mut emit: impl FnMut(EventKind),
) -> Vec<Told> {
    let bound = window::result_bound(calls.len());
    let mut running: FuturesUnordered<_> = calls
        .iter()
        .zip(planned)
        .map(|(call, plan)| answer_call(engine, call, plan))
        .collect();
    let mut told = Vec::with_capacity(calls.len());
    while let Some((call, answer)) = running.next().await {
        let result = Told {
            call: call.id.clone(),
            outcome: answer.outcome,
            result: window::shorten(&answer.result, bound),
            milliseconds: answer.milliseconds,
            ended: answer.ended,
            handed_to: answer.handed_to,
        };
        result_events(call, &result, from).for_each(&mut emit);
        told.push(result);
    }
    told
}

/// What listeners see of a result, now or when it is replayed from the journal.
pub(crate) fn result_events(
    call: &ToolCall,
    told: &Told,
    from: &Arc<str>,
) -> impl Iterator<Item = EventKind> {
    let ended = told.ended.as_ref().map(|ended| {
        EventKind::ActionFinished(Box::new(ActionFinished {
            action: ended.action.clone(),
            name: call.name.clone(),
            state: ended.state,
            result: told.result.clone(),
        }))
    });
    let answered = match &told.handed_to {
        Some(to) => EventKind::HandedOff(Box::new(HandedOff {
            from: from.clone(),
            to: Arc::from(to.as_str()),
        })),
        None => EventKind::ToolFinished(Box::new(ToolFinished {
            call: call.id.clone(),
            name: call.name.clone(),
            outcome: told.outcome,
            result: told.result.clone(),
            milliseconds: told.milliseconds,
        })),
    };
    ended.into_iter().chain(std::iter::once(answered))
}

struct Answer {
    outcome: ToolOutcome,
    result: String,
    milliseconds: Millis,
    ended: Option<EndedAction>,
    handed_to: Option<String>,
}

impl Answer {
    fn new(outcome: ToolOutcome, result: impl Into<String>) -> Self {
        Self {
            outcome,
            result: result.into(),
            milliseconds: 0,
            ended: None,
            handed_to: None,
        }
    }
}

async fn answer_call<'a>(
    engine: &Engine,
    call: &'a ToolCall,
    planned: &Planned,
) -> (&'a ToolCall, Answer) {
    let began = engine.env.now();
    let mut answer = match planned {
        Planned::HandOff(to) => Answer {
            handed_to: Some(to.name.clone()),
            ..Answer::new(
                ToolOutcome::HandedOff,
                format!("Transferred. You are {} now; go on at once.", to.name),
            )
        },
        Planned::NotTransferred => Answer::new(
            ToolOutcome::Error,
            "Not transferred: the conversation was already handed over in this response.",
        ),
        Planned::Wrong(complaint) => Answer::new(ToolOutcome::Error, complaint.clone()),
        Planned::Lookup(request) => look_up(engine, request).await,
        Planned::Action(id, _) => {
            let (state, result) = engine.await_action(id).await;
            let outcome = match state {
                ActionState::Done => ToolOutcome::Ok,
                ActionState::Rejected | ActionState::Unknown => ToolOutcome::Error,
                ActionState::Proposed | ActionState::Queued | ActionState::Running => {
                    ToolOutcome::Pending
                }
            };
            let ended = state.is_terminal().then(|| EndedAction {
                action: id.clone(),
                state,
            });
            Answer {
                ended,
                ..Answer::new(outcome, window::end_sentence(state, &result))
            }
        }
    };
    answer.milliseconds = engine.env.now().saturating_sub(began);
    (call, answer)
}

async fn look_up(engine: &Engine, request: &ToolRequest) -> Answer {
    let timeout = Millis::try_from(request.tool.timeout.as_millis()).unwrap_or(Millis::MAX / 2);
    let looked_up = tokio::select! {
       biased;
        looked_up = engine.tools.lookup(request) => looked_up,
        () = engine.sleep(timeout) => {
            return Answer::new(ToolOutcome::Error, format!("{} took too long and was given up.", request.tool.name));
        }
    };
    match looked_up {
        Ok(result) => Answer::new(ToolOutcome::Ok, result),
        Err(error) => Answer::new(ToolOutcome::Error, error.to_string()),
    }
}
