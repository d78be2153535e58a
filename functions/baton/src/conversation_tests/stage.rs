//! One run of a case: an engine of its own, on records of its own, which a script or a simulated customer talks to.
//! Knows the engine as the programs do; never what is expected.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use baton_handoff::history::Item;
use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::Cursor;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{
    Claims, Conversation, Decision, Engine, Kind, Operator, Principal, Reasons, Role, Shown,
    Subject, Submission, Tenant, View,
};
use baton_setup::{Sandbox, Scratch};
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::evidence::{End, Evidence, turn_of};
use super::file::{Case, Customer, Turn};
use super::persona::{Persona, Said};
use super::tools::{Live, RunTools};
use super::words::{is_no, is_yes};

/// How often the conversation is read while something goes on beside its turns, in milliseconds.
const PULSE: u64 = 100;

/// How often lost work is looked for: as `local` does.
const SWEEP: Duration = Duration::from_secs(3);

/// How long running work may take when a run ends.
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

/// Plays a case once.
///
/// # Errors
/// The run could not be carried out: that says nothing of the team.
pub(super) async fn play(
    sandbox: &Sandbox,
    case: &Arc<Case>,
    live: Live,
    patience: Duration,
    persona: Option<&Persona>,
) -> anyhow::Result<Evidence> {
    let scratch = sandbox.scratch();
    let real = if live.any() {
        Some(sandbox.real_tools(&scratch)?)
    } else {
        None
    };
    let tools = RunTools::new(case.clone(), scratch.office.clone(), real, live);
    let tools = Arc::new(tools);
    let engine = sandbox.engine(&scratch, tools.clone());
    let pool = Pool::start(
        scratch.queue.clone(),
        Arc::new(EngineWork(engine.clone())),
        Lanes::default(),
    );
    let stop = CancellationToken::new();
    tokio::spawn(sweep_until(engine.clone(), SWEEP, stop.clone()));
    let played = async {
        let principal = principal(&case.customer)?;
        let conversation = engine.begin(&principal);
        let conversation = conversation.with_claims(claims(&case.customer)?);
        let stage = Stage {
            engine: engine.clone(),
            tenant: principal.tenant(),
            conversation,
            patience,
        };
        let mut evidence = match persona {
            Some(persona) => stage.improvise(persona).await?,
            None => stage.script(case).await?,
        };
        let seen = tools.take_seen();
        evidence.effects = seen.effects;
        evidence.unanswered = seen.unanswered;
        (evidence.orders, evidence.refunds) = books(&scratch, &stage.tenant).await?;
        Ok(evidence)
    };
    let played = played.await;
    stop.cancel();
    engine.drain();
    // What does not end in time ends with the program: its records are in memory.
    let _late = tokio::time::timeout(GRACE, pool.drain()).await;
    played
}

fn tenant(customer: &Customer) -> anyhow::Result<Tenant> {
    let tenant = customer.tenant.as_deref().map(Tenant::parse).transpose();
    Ok(tenant.context("tenant of [customer]")?.unwrap_or_default())
}

fn principal(customer: &Customer) -> anyhow::Result<Principal> {
    let (kind, name) = match &customer.id {
        Some(id) => (Kind::Customer, id.as_str()),
        None => (Kind::Visitor, "test-visitor"),
    };
    let subject = Subject::parse(name).context("id of [customer]")?;
    Ok(Principal::new(tenant(customer)?, kind, subject))
}

fn claims(customer: &Customer) -> anyhow::Result<Claims> {
    let table = toml::Value::Table(customer.claims.clone());
    let claims =
        super::pattern::json(table).map_err(|why| anyhow!("claims of [customer]: {why}"))?;
    let Value::Object(claims) = claims else {
        bail!("claims of [customer] must be a table");
    };
    Claims::new(claims).context("claims of [customer] are larger than 2 KB")
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

impl Stage {
    async fn script(&self, case: &Case) -> anyhow::Result<Evidence> {
        let mut evidence = Evidence::default();
        for (number, turn) in case.turns.iter().enumerate() {
            let turn = turn.get_ref();
            let step = tokio::time::timeout(self.patience, self.step(turn));
            let done = step.await.map_err(|_| self.late(number))??;
            if let Some(sentence) = done {
                evidence.not_done.push((number, sentence));
            }
            self.rest(number, turn.confirm, &mut evidence).await?;
        }
        Ok(evidence)
    }

    fn late(&self, number: usize) -> anyhow::Error {
        let (turn, seconds) = (number + 1, self.patience.as_secs());
        anyhow!("turn {turn} did not end within {seconds} s; --turn-seconds gives it more")
    }

    /// A simulated customer writes.
    async fn improvise(&self, persona: &Persona) -> anyhow::Result<Evidence> {
        let mut evidence = Evidence::default();
        for number in 0..persona.most_messages() {
            let Said::Message(message) = persona.next(&evidence).await? else {
                break;
            };
            let card = self.proposed(None).await?;
            let card = card.into_iter().find(ActionRecord::waits_for_customer);
            let answer = match card {
                Some(_) if is_yes(&message) => Some(true),
                Some(_) if is_no(&message) => Some(false),
                Some(_) | None => None,
            };
            let turn = Turn {
                confirm: answer,
                says: answer.is_none().then_some(message),
                ..Turn::default()
            };
            let step = tokio::time::timeout(self.patience, self.step(&turn));
            step.await.map_err(|_| self.late(number))??;
            self.rest(number, answer, &mut evidence).await?;
        }
        Ok(evidence)
    }

    /// Does what a step of the script says, and waits for the end of its turn. Some: why it could not be done.
    async fn step(&self, turn: &Turn) -> anyhow::Result<Option<String>> {
        if let Some(message) = &turn.says {
            let submission = Submission {
                message: message.clone(),
                ..Submission::default()
            };
            let accepted = self.conversation.submit(submission).await?;
            accepted.log.ended().await;
        }
        if let Some(yes) = turn.confirm {
            return self.answer(yes).await;
        }
        if let Some(tool) = &turn.approve {
            return self.decide(Decision::Approve, tool.get_ref()).await;
        }
        if let Some(tool) = &turn.reject {
            return self.decide(Decision::Reject, tool.get_ref()).await;
        }
        Ok(None)
    }

    /// Answers the one open card.
    async fn answer(&self, yes: bool) -> anyhow::Result<Option<String>> {
        let mut waiting = self.proposed(None).await?;
        waiting.retain(ActionRecord::waits_for_customer);
        let [card] = waiting.as_slice() else {
            let count = waiting.len();
            return Ok(Some(format!(
                "there should be one card to answer, and there are {count}"
            )));
        };
        let hash = card.arguments_hash();
        self.conversation.confirm(&card.id, &hash, yes).await?;
        Ok(None)
    }

    /// Decides on the waiting actions of a tool.
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

    /// Waits until nothing goes on any more, late results included, and notes how the conversation stands.
    async fn rest(
        &self,
        number: usize,
        answered: Option<bool>,
        evidence: &mut Evidence,
    ) -> anyhow::Result<()> {
        let quiet = tokio::time::timeout(self.patience, self.quiet());
        let (items, agent) = quiet.await.map_err(|_| self.late(number))??;
        let waiting = items.iter().filter_map(|item| match item {
            Item::Action {
                name,
                state: ActionState::Proposed,
                ..
            } => Some(name.clone()),
            Item::Message { .. }
            | Item::ToolCall { .. }
            | Item::HandOff { .. }
            | Item::Action { .. }
            | Item::Turn { .. } => None,
        });
        evidence.ends.push(End {
            upto: items.last().map_or(0, turn_of),
            agent,
            waiting: waiting.collect(),
            answered,
        });
        evidence.items = items;
        Ok(())
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
