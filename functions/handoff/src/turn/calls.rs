//! The tool calls of one response: their kinds, and one result for each.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::acceptance::sentence;
use super::conditions::Conditions;
use super::replay::result_events;
use super::window;
use crate::action::tries::given_up_after;
use crate::action::wait::wait_for;
use crate::drive::holder::Claim;
use crate::engine::Engine;
use crate::event::EventKind;
use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::{CallContext, Millis, ToolCall, ToolError, ToolRequest};
use crate::record::{
    ActionState, CallResult, ClientCall, EndedAction, NotAccepted, OfferedTool, StepRecord,
    ToolOutcome, size,
};
use crate::team::{ActionOrder, Agent, Tool, ToolKind};
use crate::trace::{SpanContext, TraceId};

/// The pause before the one repeat of a broken lookup: as long as the back-off of so many lost races.
const LOOK_UP_AGAIN: u32 = 5;

/// The kind of a call. It depends on the agent and the call alone, so that an owner that recovers the turn finds the same.
pub(crate) enum Planned {
    /// The first hand-off of the response.
    HandOff(Arc<Agent>),
    /// A further hand-off.
    NotTransferred,
    /// A lookup with valid arguments.
    Lookup(ToolRequest),
    /// An action with valid arguments.
    Action(ActionId, ToolRequest),
    /// A call that the client executes, with its name for the tool.
    Client(String),
    /// A mistake, as a sentence for the model.
    Wrong(String),
}

/// The actions that calls of a turn may stand for.
pub(crate) struct Scope<'a> {
    /// The turn in their ids: its own, or the one that it regenerates.
    pub(crate) turn: TurnNumber,
    /// The allowed actions, if the turn may not accept new ones.
    pub(crate) only: Option<Only<'a>>,
    /// The actions accepted so far, in the order of their acceptance.
    pub(crate) accepted: Vec<Accepted>,
    /// What tools may know of the turn's calls.
    pub(crate) context: CallContext,
    /// The turn's steps before these calls.
    pub(crate) steps: usize,
    /// The tools that the client executes.
    pub(crate) client: &'a [OfferedTool],
    /// What the calls may rely on.
    pub(crate) conditions: Conditions<'a>,
}

/// The actions that calls may stand for in a turn that may not accept new ones.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Only<'a> {
    /// Those of the answer that it replaces.
    Known(&'a [&'a ActionId]),
    /// None: its message came in a conversation of its own.
    None,
}

impl Only<'_> {
    /// Why a call does not stand for this action.
    fn refuses(self, id: &ActionId) -> Option<&'static str> {
        match self {
            Self::Known(known) => (!known.contains(&id)).then_some(NOT_AGAIN),
            Self::None => Some(NOT_ALONE),
        }
    }
}

/// An accepted action of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: ActionId,
    /// Whether it has a place in the order of the conversation's actions.
    pub(crate) ordered: bool,
}

impl Scope<'_> {
    /// The action of this call: a repeat of one that the turn has already, or a new one.
    ///
    /// An action that names its identity, or an amount, exists once in a turn, whatever lies between: money moves once. For every
    /// other action a repeat is the same action only while no other ordered action was accepted in between: *set A, set B, set A*
    /// runs all three.
    fn action(&mut self, conversation: &ConversationId, tool: &Tool, identity: &str) -> ActionId {
        let id = |occurrence| {
            ActionId::new(
                conversation.clone(),
                self.turn,
                &tool.name,
                identity,
                occurrence,
            )
        };
        let once = tool.is_once_a_turn() || sabotage!(IdentityForWholeTurn);
        let mut occurrence = 0;
        let found = loop {
            let candidate = id(occurrence);
            let Some(at) = self.accepted.iter().position(|known| known.id == candidate) else {
                break candidate;
            };
            let since = self.accepted.get(at + 1..).unwrap_or_default();
            if once || !since.iter().any(|later| later.ordered) {
                return candidate;
            }
            occurrence += 1;
        };
        self.accepted.push(Accepted {
            id: found.clone(),
            ordered: tool.order == ActionOrder::Kept,
        });
        found
    }
}

/// The result for a new action while an old answer is regenerated.
const NOT_AGAIN: &str = "Not done: this answer replaces an earlier one, and only what that one did may be referred to. \
     Ask the customer to say it again in a new message.";

/// The result for an action of a message that names no conversation.
const NOT_ALONE: &str = "Not done: the request names no conversation, so a repeat of it could not be told from a second one. Say \
     that nothing was done, and that the program in use must send the header X-Conversation-Id for that.";

/// Classifies each call.
pub(crate) fn plan(
    engine: &Engine,
    agent: &Agent,
    claim: &Claim,
    mut scope: Scope<'_>,
    calls: &[ToolCall],
) -> Vec<Planned> {
    let mut handed_off = false;
    calls
        .iter()
        .map(|call| {
            let planned = plan_call(engine, agent, claim, &mut scope, call);
            match planned {
                Planned::HandOff(_) if handed_off => Planned::NotTransferred,
                Planned::HandOff(to) => {
                    handed_off = true;
                    Planned::HandOff(to)
                }
                other @ (Planned::NotTransferred
                | Planned::Lookup(_)
                | Planned::Action(..)
                | Planned::Client(_)
                | Planned::Wrong(_)) => other,
            }
        })
        .collect()
}

/// The actions of the calls of a recorded step, from the journal.
pub(crate) fn planned_by(step: &StepRecord, mut planned: Vec<Planned>) -> Vec<Planned> {
    for (call, plan) in step.calls.iter().zip(&mut planned) {
        let clients = step.client.iter().find(|clients| clients.call == call.id);
        if let Some(clients) = clients {
            *plan = Planned::Client(clients.name.clone());
        }
        let Planned::Action(id, _) = plan else {
            continue;
        };
        let accepted = step
            .actions
            .iter()
            .find(|accepted| accepted.call == call.id);
        if let Some(accepted) = accepted {
            *id = accepted.action.clone();
        } else {
            let refused = step.refused.iter().find(|refused| refused.call == call.id);
            let why = refused.map_or(NotAccepted::TooManyOpen, |refused| refused.why);
            *plan = Planned::Wrong(sentence(why).to_owned());
        }
    }
    planned
}

fn plan_call(
    engine: &Engine,
    agent: &Agent,
    claim: &Claim,
    scope: &mut Scope<'_>,
    call: &ToolCall,
) -> Planned {
    if let Some(hand_off) = agent.hand_off(&call.name) {
        // Teams are checked at the start: every hand-off leads to an agent.
        let to = engine
            .team
            .agent(&hand_off.to)
            .unwrap_or_else(|| engine.team.entry_agent());
        return Planned::HandOff(to.clone());
    }
    let Some(tool) = agent.tool(&call.name) else {
        return plan_clients(scope.client, call);
    };
    match tool.check(&call.arguments) {
        Err(complaint) => Planned::Wrong(complaint),
        Ok(arguments) => {
            let identity = if sabotage!(KeyFromCallId) {
                call.id.clone()
            } else {
                tool.identity_of(&arguments)
            };
            let mut request = ToolRequest {
                tool: tool.clone(),
                arguments: Arc::new(arguments),
                context: scope.context.clone(),
            };
            // Before it gets an id: what is refused lies between no two other actions.
            if let Some(sentence) = scope.conditions.refusal(call, &request) {
                return Planned::Wrong(sentence);
            }
            match tool.kind {
                ToolKind::Lookup => {
                    let trace = TraceId::of(&claim.conversation, request.context.turn);
                    request.context.span = SpanContext::of_lookup(trace, scope.steps, &call.id);
                    Planned::Lookup(request)
                }
                ToolKind::Action => {
                    let id = scope.action(&claim.conversation, tool, &identity);
                    request.context.span = SpanContext::of_action(&id);
                    match scope.only.and_then(|only| only.refuses(&id)) {
                        Some(refusal) => Planned::Wrong(refusal.to_owned()),
                        None => Planned::Action(id, request),
                    }
                }
            }
        }
    }
}

/// A call of no tool of the agent.
fn plan_clients(client: &[OfferedTool], call: &ToolCall) -> Planned {
    let Some(tool) = client.iter().find(|tool| tool.called() == call.name) else {
        return Planned::Wrong(format!(
            "There is no tool named {:?}. Use only the tools that you were given.",
            call.name
        ));
    };
    match tool.check(&call.arguments) {
        Ok(()) => Planned::Client(tool.name.clone()),
        Err(complaint) => Planned::Wrong(complaint),
    }
}

/// The calls that the client executes.
pub(crate) fn clients(calls: &[ToolCall], planned: &[Planned]) -> Vec<ClientCall> {
    let calls = calls.iter().zip(planned);
    let clients = calls.filter_map(|(call, plan)| match plan {
        Planned::Client(name) => Some(ClientCall {
            call: call.id.clone(),
            name: name.clone(),
        }),
        Planned::HandOff(_)
        | Planned::NotTransferred
        | Planned::Lookup(_)
        | Planned::Action(..)
        | Planned::Wrong(_) => None,
    });
    clients.collect()
}

/// The state of an action when its turn stopped waiting for it.
type Awaited<'a> = Shared<BoxFuture<'a, (ActionState, String)>>;

/// Executes the calls, without the client's, and returns their results in the order of their completion. They run concurrently, except lookups after an
/// action of the same response: their results may depend on it.
pub(crate) async fn answer(
    engine: &Engine,
    calls: &[ToolCall],
    planned: &[Planned],
    from: &Arc<str>,
    mut emit: impl FnMut(EventKind),
) -> Vec<CallResult> {
    let bound = size::result_bound(calls.len());
    let mut before: Vec<(&str, Awaited<'_>)> = Vec::new();
    let mut running = FuturesUnordered::new();
    for (call, plan) in calls.iter().zip(planned) {
        if let Planned::Action(id, _) = plan {
            before.push((&call.name, wait_for(engine, id).boxed().shared()));
        }
        if !matches!(plan, Planned::Client(_)) {
            running.push(answer_call(engine, call, plan, before.clone()));
        }
    }
    let mut results = Vec::with_capacity(calls.len());
    while let Some((call, answer)) = running.next().await {
        let result = CallResult {
            call: call.id.clone(),
            outcome: answer.outcome,
            result: size::shorten(&answer.result, bound),
            at: answer.at,
            milliseconds: answer.milliseconds,
            ended: answer.ended,
            handed_to: answer.handed_to,
        };
        result_events(&engine.team, call, &result, from).for_each(&mut emit);
        results.push(result);
    }
    results
}

struct Answer {
    outcome: ToolOutcome,
    result: String,
    at: Millis,
    milliseconds: Millis,
    ended: Option<EndedAction>,
    handed_to: Option<String>,
}

impl Answer {
    fn new(outcome: ToolOutcome, result: impl Into<String>) -> Self {
        Self {
            outcome,
            result: result.into(),
            at: 0,
            milliseconds: 0,
            ended: None,
            handed_to: None,
        }
    }
}

/// `before`: the actions of the response up to and including this call.
async fn answer_call<'a>(
    engine: &Engine,
    call: &'a ToolCall,
    planned: &Planned,
    before: Vec<(&str, Awaited<'_>)>,
) -> (&'a ToolCall, Answer) {
    let mut began = engine.env.now();
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
        // It has no result before the client's.
        Planned::Client(_) => Answer::new(ToolOutcome::Pending, window::NOT_ANSWERED),
        Planned::Lookup(request) => {
            let mut undone = Vec::new();
            for (action, awaited) in before {
                if !awaited.await.0.is_terminal() {
                    undone.push(action);
                }
            }
            began = engine.env.now();
            let mut answer = look_up(engine, request).await;
            if !undone.is_empty() {
                let undone = undone.join(", ");
                let note = format!(
                    "\n[Looked up before this was carried out, which is still pending: {undone}.]"
                );
                answer.result.push_str(&note);
            }
            answer
        }
        Planned::Action(id, _) => {
            let (state, result) = match before.into_iter().next_back() {
                Some((_, awaited)) => awaited.await,
                None => wait_for(engine, id).await,
            };
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
    answer.at = began;
    answer.milliseconds = engine.env.now().saturating_sub(began);
    (call, answer)
}

/// A lookup, repeated once if the first attempt broke off. Both attempts share the tool's time-out.
async fn look_up(engine: &Engine, request: &ToolRequest) -> Answer {
    let asked = async {
        match engine.tools.lookup(request).await {
            Err(ToolError::Unavailable(_)) => {
                engine.back_off(LOOK_UP_AGAIN).await;
                engine.tools.lookup(request).await
            }
            other @ (Ok(_) | Err(ToolError::Refused(_))) => other,
        }
    };
    let looked_up = tokio::select! {
       biased;
        looked_up = asked => looked_up,
        () = engine.sleep(given_up_after(request)) => {
            return Answer::new(ToolOutcome::Error, format!("{} took too long and was given up.", request.tool.name));
        }
    };
    match looked_up {
        Ok(result) => Answer::new(ToolOutcome::Ok, request.tool.result.of(result)),
        Err(error) => Answer::new(ToolOutcome::Error, error.to_string()),
    }
}
