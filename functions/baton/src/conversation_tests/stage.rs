//! One run of a case: an engine of its own, on records of its own, which a script or a simulated customer talks to.
//! Knows the engine as the programs do; never what is expected.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use baton_handoff::history::Item;
use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::Cursor;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{
    Conversation, Decision, Engine, Kind, Operator, Principal, Reasons, Role, Shown, Subject,
    Submission, Tenant, View,
};
use baton_setup::{Sandbox, Scratch};
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::entries::Text;
use super::evidence::{CardAnswered, Evidence};
use super::file::{Case, Customer, Turn};
use super::persona::{Persona, Said};
use super::tools::{Live, RunTools};
use super::words::bare_answer;

/// How often the conversation is read while something goes on beside its turns, in milliseconds.
const PULSE: u64 = 100;

/// How often lost work is looked for: as `local` does.
const SWEEP: Duration = Duration::from_secs(3);

/// How long running work may take when a run ends, and the last reading of one that broke off.
const GRACE: Duration = Duration::from_secs(1);

/// The most entries of the back office that are read.
const MOST_ENTRIES: usize = 1_000;
const PAGE: usize = 100;

/// The most pieces of an export that are read.
const MOST_PIECES: usize = 10_000;

/// How an operator is called who decides as the script says. A second one approves what needs two.
const OPERATORS: [&str; 2] = ["test-operator", "second-test-operator"];

/// The reason of every decision.
const REASON: &str = "as the test says";

/// Plays a case once. Returns what it left behind, and why it broke off if it did: that says nothing of the team.
pub(super) async fn play(
    sandbox: &Sandbox,
    case: &Arc<Case>,
    live: Live,
    patience: Duration,
    persona: Option<&Persona>,
) -> (Evidence, Option<anyhow::Error>) {
    let mut evidence = Evidence::default();
    let played = perform(sandbox, case, live, patience, persona, &mut evidence).await;
    (evidence, played.err())
}

async fn perform(
    sandbox: &Sandbox,
    case: &Arc<Case>,
    live: Live,
    patience: Duration,
    persona: Option<&Persona>,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    let scratch = sandbox.scratch();
    let real = if live.any() {
        Some(sandbox.real_tools(&scratch)?)
    } else {
        None
    };
    let tools = RunTools::new(case.clone(), scratch.office.clone(), real, live);
    let tools = Arc::new(tools);
    let engine = sandbox.engine(&scratch, tools.clone());
    let principal = principal(&case.customer)?;
    let conversation = engine.begin(&principal);
    let stage = Stage {
        engine: engine.clone(),
        tenant: principal.tenant(),
        conversation: conversation.with_claims(case.customer.claims.clone()),
        patience,
    };
    let pool = Pool::start(
        scratch.queue.clone(),
        Arc::new(EngineWork(engine.clone())),
        Lanes::default(),
    );
    let stop = CancellationToken::new();
    tokio::spawn(sweep_until(engine.clone(), SWEEP, stop.clone()));
    let played = match persona {
        Some(persona) => stage.improvise(persona, evidence).await,
        None => stage.script(case, evidence).await,
    };
    let seen = tools.take_seen();
    evidence.effects = seen.effects;
    evidence.unanswered = seen.unanswered;
    let books = books(&scratch, &stage.tenant).await;
    stop.cancel();
    engine.drain();
    // What does not end in time ends with the program: its records are in memory.
    let _late = tokio::time::timeout(GRACE, pool.drain()).await;
    played?;
    (evidence.orders, evidence.refunds) = books?;
    Ok(())
}

fn principal(customer: &Customer) -> anyhow::Result<Principal> {
    let (kind, subject) = match &customer.id {
        Some(id) => (Kind::Customer, id.clone()),
        None => (Kind::Visitor, Subject::parse("test-visitor")?),
    };
    Ok(Principal::new(customer.tenant.clone(), kind, subject))
}

/// What customers ordered and were refunded. Examples are nobody's.
async fn books(scratch: &Scratch, tenant: &Tenant) -> anyhow::Result<(Vec<Value>, Vec<Value>)> {
    let (mut orders, mut refunds) = (Vec::new(), Vec::new());
    let mut after: Option<Cursor> = None;
    for _ in 0..MOST_ENTRIES / PAGE {
        let page = scratch.office.orders(tenant, after.as_ref(), PAGE).await?;
        let ordered = page.entries.iter().filter(|it| it.conversation.is_some());
        for order in ordered {
            orders.push(serde_json::to_value(order)?);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    after = None;
    for _ in 0..MOST_ENTRIES / PAGE {
        let page = scratch.office.refunds(tenant, after.as_ref(), PAGE).await?;
        for refund in &page.entries {
            refunds.push(serde_json::to_value(refund)?);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok((orders, refunds))
}

struct Stage {
    engine: Arc<Engine>,
    tenant: Tenant,
    conversation: Conversation,
    /// For one step of the script.
    patience: Duration,
}

/// What came of a step of the script.
#[derive(Default)]
struct Did {
    /// Why the step could not be done.
    not_done: Option<String>,
    answered: Option<CardAnswered>,
}

impl Did {
    fn not(sentence: String) -> Self {
        Self {
            not_done: Some(sentence),
            answered: None,
        }
    }
}

impl Stage {
    async fn script(&self, case: &Case, evidence: &mut Evidence) -> anyhow::Result<()> {
        for (number, turn) in case.turns.iter().enumerate() {
            self.turn(number, turn.get_ref(), evidence).await?;
        }
        Ok(())
    }

    /// A simulated customer writes.
    async fn improvise(&self, persona: &Persona, evidence: &mut Evidence) -> anyhow::Result<()> {
        for number in 0..persona.most_messages() {
            let Said::Message(message) = persona.next(evidence).await? else {
                break;
            };
            let mut cards = self.proposed(None).await?;
            cards.retain(ActionRecord::waits_for_customer);
            // With two cards nobody knows which one is meant; and what is more than a yes or a no is for the agents.
            let answer = match cards.as_slice() {
                [_] => bare_answer(&message),
                _ => None,
            };
            let turn = Turn {
                confirm: answer,
                says: answer.is_none().then_some(Text(message)),
                ..Turn::default()
            };
            self.turn(number, &turn, evidence).await?;
        }
        Ok(())
    }

    /// One step of the script and all that follows from it, in the time of one turn. What was done until it broke off is noted too.
    async fn turn(
        &self,
        number: usize,
        turn: &Turn,
        evidence: &mut Evidence,
    ) -> anyhow::Result<()> {
        let mut did = Did::default();
        let played = tokio::time::timeout(self.patience, async {
            did = self.step(turn).await?;
            self.quiet().await
        });
        let played = played.await.unwrap_or_else(|_| {
            let (turn, seconds) = (number + 1, self.patience.as_secs());
            Err(anyhow!(
                "turn {turn} did not end within {seconds} s; --turn-seconds gives it more"
            ))
        });
        evidence
            .not_done
            .extend(did.not_done.map(|sentence| (number, sentence)));
        let (stands, trouble) = match played {
            Ok(stands) => (Some(stands), Ok(())),
            Err(error) => {
                let stands = tokio::time::timeout(GRACE, self.export()).await;
                (stands.ok().and_then(Result::ok), Err(error))
            }
        };
        if let Some((items, agent)) = stands {
            evidence.end_step(items, agent, did.answered);
        }
        trouble
    }

    /// Does what a step of the script says, and waits for the end of its turn.
    async fn step(&self, turn: &Turn) -> anyhow::Result<Did> {
        if let Some(message) = &turn.says {
            let submission = Submission {
                message: message.0.clone(),
                ..Submission::default()
            };
            let accepted = self.conversation.submit(submission).await?;
            accepted.log.ended().await;
        }
        if let Some(yes) = turn.confirm {
            return self.answer(yes).await;
        }
        let decided = match (&turn.approve, &turn.reject) {
            (Some(tool), _) => self.decide(Decision::Approve, tool.get_ref()).await?,
            (None, Some(tool)) => self.decide(Decision::Reject, tool.get_ref()).await?,
            (None, None) => None,
        };
        Ok(decided.map_or_else(Did::default, Did::not))
    }

    /// Answers the one open card.
    async fn answer(&self, yes: bool) -> anyhow::Result<Did> {
        let mut waiting = self.proposed(None).await?;
        waiting.retain(ActionRecord::waits_for_customer);
        let [card] = waiting.as_slice() else {
            let count = waiting.len();
            return Ok(Did::not(format!(
                "there should be one card to answer, and there are {count}"
            )));
        };
        let hash = card.arguments_hash();
        self.conversation.confirm(&card.id, &hash, yes).await?;
        let title = card.confirmation.as_ref().map(|card| card.title.clone());
        Ok(Did {
            not_done: None,
            answered: Some(CardAnswered {
                yes,
                tool: card.tool.clone(),
                title: title.unwrap_or_default(),
            }),
        })
    }

    /// Decides on the waiting actions of a tool. Some: why that could not be done.
    async fn decide(&self, decision: Decision, tool: &str) -> anyhow::Result<Option<String>> {
        let waiting = self.proposed(Some(tool)).await?;
        if waiting.is_empty() {
            return Ok(Some(format!("no action of {tool} waits for a colleague")));
        }
        for mut action in waiting {
            if action.waits_for_customer() && decision == Decision::Approve {
                return Ok(Some(format!(
                    "{tool} waits for its customer, and a colleague comes after"
                )));
            }
            for name in OPERATORS {
                let operator = Operator {
                    name: Subject::parse(name)?,
                    tenant: self.tenant.clone(),
                    roles: Role::ALL.to_vec(),
                };
                let reasons = Reasons {
                    colleagues: Some(REASON.to_owned()),
                    customer: None,
                };
                let shown = Shown::of(&action);
                let decided = self.engine.action(&action.id);
                action = decided.decide(decision, &shown, &operator, reasons).await?;
                if action.state != ActionState::Proposed {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// The actions that wait for a yes.
    async fn proposed(&self, tool: Option<&str>) -> anyhow::Result<Vec<ActionRecord>> {
        let (id, state) = (self.conversation.id(), ActionState::Proposed);
        let page = self
            .engine
            .actions_of(&self.tenant, id, Some(state), None, PAGE);
        let mut actions = page.await?.actions;
        actions.retain(|action| tool.is_none_or(|tool| action.tool == tool));
        Ok(actions)
    }

    /// Resolves when no turn runs or waits, no action runs, and every end was reported: with all that was said and done.
    async fn quiet(&self) -> anyhow::Result<(Vec<Item>, String)> {
        loop {
            let watch = self.conversation.watch();
            if let Some(turns) = self.turns_if_quiet().await? {
                let (items, agent) = self.export().await?;
                let runs = |item: &Item| {
                    matches!(
                        item,
                        Item::Action {
                            state: ActionState::Queued | ActionState::Running,
                            ..
                        }
                    )
                };
                // Once more: an action may have ended before the export, and its end be told in a turn that is not in it.
                let is_quiet = !items.iter().any(runs);
                if is_quiet && self.turns_if_quiet().await? == Some(turns) {
                    return Ok((items, agent));
                }
            }
            self.conversation.changed(watch, PULSE).await;
        }
    }

    /// The number of the next turn, if none runs or waits and every end of an action was reported.
    async fn turns_if_quiet(&self) -> anyhow::Result<Option<TurnNumber>> {
        Ok(match self.conversation.pulse().await? {
            None => Some(0),
            Some(pulse) if pulse.open.is_none() && pulse.ended.is_empty() => Some(pulse.next_turn),
            Some(_) => None,
        })
    }

    /// The whole conversation, and its agent.
    async fn export(&self) -> anyhow::Result<(Vec<Item>, String)> {
        let mut items = Vec::new();
        let Some(mut export) = self.conversation.export(View::Operator).await? else {
            return Ok((items, self.engine.team().entry_agent().name.clone()));
        };
        for _ in 0..MOST_PIECES {
            let Some(more) = self.conversation.next_of_export(&mut export).await? else {
                break;
            };
            items.extend(more);
        }
        Ok((items, export.summary.agent))
    }
}
