//! One turn: from the user's message to the terminal event, step by step, each step recorded before anything comes of it.
//! Knows ports only; never HTTP, AWS or the clock.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::calls::{self, Planned, Scope};
use crate::drive::pause_after;
use crate::engine::{Claim, Engine, LOOK_AGAIN, Trouble};
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ids::ActionId;
use crate::journal::JournaledTurn;
use crate::lease::{Interrupted, Lease};
use crate::live::TurnLog;
use crate::narrator::Narrator;
use crate::ports::{
    Change, Message, Millis, ModelError, ModelRequest, ModelStream, StoreError, ToolCall, Usage,
};
use crate::record::{
    AcceptedAction, ActionRecord, ActionState, LateResult, Meta, Origin, Partial, StepRecord, Told,
    TurnRecord, TurnState, keys,
};
use crate::replay;
use crate::response::{Broken, Response};
use crate::team::Agent;
use crate::warm::Warm;
use crate::window;

/// A model call that was started before the turn was recorded, so that the customer does not wait for both in a row.
pub(crate) type Opening = BoxFuture<'static, Result<ModelStream, ModelError>>;

/// No response may take longer than this, however lively it drips.
const LONGEST_RESPONSE: Millis = 10 * 60 * 1_000;

/// A turn that this process has the lease for.
pub(crate) struct Begun {
    pub(crate) claim: Claim,
    pub(crate) meta: Meta,
    pub(crate) meta_version: u64,
    pub(crate) turn: JournaledTurn,
    pub(crate) past: Vec<JournaledTurn>,
    pub(crate) log: Arc<TurnLog>,
    pub(crate) opening: Option<Opening>,
    /// Why it must end without another step.
    pub(crate) end_at_once: Option<EndAtOnce>,
    /// What the owner before us said of the step that it did not finish, when that is to stay.
    pub(crate) kept: String,
}

/// Why a turn must end without another step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndAtOnce {
    /// It killed its owners.
    Failed(FailureCode),
    /// Its owner died before it could be stopped.
    Stopped,
}

/// How a run of a turn came to its end.
enum Ending {
    /// This step, and the turn is over.
    Committed(StepRecord),
    /// A typed error for the customer.
    Failed(FailureCode),
    /// Somebody asked for it.
    Stopped,
}

/// Runs a begun turn to its end, or until it is lost or given up. Its listeners are told the end, except where somebody else
/// goes on with the turn: then whoever drives the conversation finds out what became of it. Returns the conversation as the
/// turn's end left it.
#[tracing::instrument(
    name = "turn",
    skip_all,
    fields(conversation = %begun.claim.conversation, turn = begun.turn.number)
)]
pub(crate) async fn run(engine: &Engine, begun: Begun) -> Option<Warm> {
    let lease = Lease::new(
        engine,
        begun.claim.clone(),
        begun.meta_version,
        begun.meta.clone(),
    );
    let number = begun.turn.number;
    let claim = begun.claim.clone();
    let (mut play, opening) = Play::new(engine, &lease, begun);
    let recorder = play.narrator.recorder();
    let mut work = Box::pin(AssertUnwindSafe(play.run(opening)).catch_unwind());
    let ended = tokio::select! {
       biased;
        result = &mut work => Ended::ByItself(result),
        interrupted = lease.keep(number) => Ended::Interrupted(interrupted),
        () = engine.given_up(&claim.conversation) => Ended::GivenUp,
        never = recorder.run(engine, &claim, number) => match never {},
    };
    drop(work);
    let result = match ended {
        Ended::ByItself(Ok(result)) => result,
        Ended::ByItself(Err(_panic)) => {
            tracing::error!("a turn panicked");
            play.record_end(Ending::Failed(FailureCode::Internal)).await
        }
        Ended::Interrupted(Interrupted::Stopped) => play.record_end(Ending::Stopped).await,
        Ended::Interrupted(Interrupted::Trouble(trouble)) => Err(trouble),
        Ended::GivenUp => {
            play.give_up_lease().await;
            return None;
        }
    };
    match result {
        Ok(()) => return Some(play.into_warm().await),
        Err(Trouble::Lost) => tracing::warn!("somebody else goes on with this turn"),
        Err(Trouble::Store(detail)) => {
            tracing::error!(%detail, "a turn could not be recorded");
            let failed = EventKind::TurnFailed(FailureCode::StoreUnavailable);
            play.narrator.tell(failed);
        }
    }
    None
}

enum Ended {
    ByItself(Result<Result<(), Trouble>, Box<dyn std::any::Any + Send>>),
    Interrupted(Interrupted),
    GivenUp,
}

struct Play<'a> {
    engine: &'a Engine,
    lease: &'a Lease<'a>,
    claim: Claim,
    narrator: Narrator,
    turn_version: u64,
    record: TurnRecord,
    number: u32,
    /// The turns before this one.
    past: Vec<JournaledTurn>,
    /// The journal of this turn.
    steps: Vec<StepRecord>,
    actions: Vec<ActionRecord>,
    agent: Arc<Agent>,
    hand_offs: u32,
    /// The past, and of this turn all but the last step, as the model is shown it. Without instructions.
    messages: Vec<Message>,
    told_late: Vec<LateResult>,
    /// Late results that stand in the request that is being answered.
    late: Vec<LateResult>,
    /// Results of the last step; the next commit records them.
    told: Vec<Told>,
    /// Whose ends the model was still to be told when those results were gathered.
    untold: Vec<ActionId>,
    end_at_once: Option<EndAtOnce>,
    kept: String,
}

impl<'a> Play<'a> {
    fn new(engine: &'a Engine, lease: &'a Lease<'a>, begun: Begun) -> (Self, Option<Opening>) {
        let Begun {
            claim,
            meta,
            turn,
            past,
            log,
            opening,
            end_at_once,
            kept,
            meta_version: _,
        } = begun;
        let agent = active_agent(engine, &meta, first_speaker(&turn, &past));
        let narrator = Narrator::new(
            log,
            turn.number,
            claim.fence,
            Arc::from(agent.name.as_str()),
        );
        let mut play = Self {
            engine,
            lease,
            narrator,
            number: turn.number,
            turn_version: turn.version,
            agent,
            hand_offs: 0,
            messages: messages(engine, &past, &turn.record),
            told_late: window::told_late(&past).cloned().collect(),
            late: Vec::new(),
            told: Vec::new(),
            untold: Vec::new(),
            actions: turn.actions,
            record: turn.record,
            steps: Vec::with_capacity(turn.steps.len()),
            claim,
            past,
            end_at_once,
            kept,
        };
        for step in turn.steps {
            play.restore(step);
        }
        (play, opening)
    }

    /// Takes a step from the journal; its `told` completes the one before it.
    fn restore(&mut self, step: StepRecord) {
        if self.steps.is_empty() && self.record.origin == Origin::LateResult {
            self.messages.pop();
            self.messages.push(window::late_prompt(&step.late));
        }
        if let Some(before) = self.steps.last() {
            window::push_step(&mut self.messages, before, &step.told);
            self.hand_offs += hand_offs_in(&step.told);
        }
        self.keep(step);
    }

    /// Adds a recorded step to the turn.
    fn keep(&mut self, step: StepRecord) {
        self.record.usage = add(self.record.usage, step.usage);
        self.told_late.extend(step.late.iter().cloned());
        self.steps.push(step);
    }

    async fn run(&mut self, opening: Option<Opening>) -> Result<(), Trouble> {
        let ending = self.run_steps(opening).await?;
        self.record_end(ending).await
    }

    /// Steps until the team waits for the customer again.
    async fn run_steps(&mut self, mut opening: Option<Opening>) -> Result<Ending, Trouble> {
        if let Some(end) = self.end_at_once {
            self.begin_step();
            let kept = std::mem::take(&mut self.kept);
            if !kept.is_empty() {
                self.narrator.say(kept);
            }
            return Ok(match end {
                EndAtOnce::Failed(code) => Ending::Failed(code),
                EndAtOnce::Stopped => Ending::Stopped,
            });
        }
        if !self.steps.is_empty() {
            self.resume_last_step().await;
        } else if !self.claim.taken_over {
            // Who takes over has told the journal first, and the start is in it.
            self.narrator.tell(replay::started(&self.record));
        }
        loop {
            if let Some(code) = self.limit_reached() {
                return Ok(Ending::Failed(code));
            }
            self.begin_step();
            let step = match self.respond(opening.take()).await? {
                Ok(step) => step,
                Err(Broken { code, detail }) => {
                    tracing::warn!(code = code.as_str(), %detail, "a model call failed");
                    return Ok(Ending::Failed(code));
                }
            };
            if step.calls.is_empty() {
                return Ok(Ending::Committed(step));
            }
            let planned = self.record_step(step).await?;
            self.answer_calls(&planned).await;
        }
    }

    /// What another owner said of this step, if anything, is said anew.
    fn begin_step(&mut self) {
        self.narrator
            .stand_at(self.next_step(), self.claim.fence, 0);
        if std::mem::take(&mut self.claim.taken_over) {
            self.narrator.reset();
        }
    }

    fn limit_reached(&self) -> Option<FailureCode> {
        let limits = &self.engine.team.limits;
        if self.hand_offs > limits.hand_offs {
            Some(FailureCode::HandOffLimit)
        } else if self.steps.len() >= limits.steps as usize {
            Some(FailureCode::StepLimit)
        } else {
            None
        }
    }

    fn next_step(&self) -> u32 {
        u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX)
    }

    /// Asks the model and streams what it says.
    async fn respond(
        &mut self,
        opening: Option<Opening>,
    ) -> Result<Result<StepRecord, Broken>, Trouble> {
        let opening = if let Some(opening) = opening {
            opening
        } else {
            self.late = self.late_results().await?;
            self.prompt_with_late_results();
            let late = self.told_late.iter().chain(&self.late);
            self.engine.model.clone().stream(request(
                self.engine,
                &self.agent,
                late,
                &self.messages,
            ))
        };
        let mut response = Response::default();
        let read = async {
            let stream = opening.await?;
            response.read(stream, |text| self.narrator.say(text)).await
        };
        let read = tokio::select! {
           biased;
            read = read => read,
            () = self.engine.sleep(LONGEST_RESPONSE) => Err(Broken {
                code: FailureCode::ModelTimedOut,
                detail: "the response as a whole took too long".to_owned(),
            }),
        };
        Ok(read.map(|()| StepRecord {
            agent: self.agent.name.clone(),
            fence: self.claim.fence,
            text: response.text,
            calls: response.calls,
            actions: Vec::new(),
            told: std::mem::take(&mut self.told),
            late: std::mem::take(&mut self.late),
            usage: response.usage,
        }))
    }

    fn plan(&self, calls: &[ToolCall]) -> Vec<Planned> {
        let known: Vec<_> = self.actions.iter().map(|action| &action.id).collect();
        let scope = match self.record.origin {
            Origin::Customer | Origin::LateResult => Scope {
                turn: self.number,
                only: None,
            },
            // What the old answer did is not done again, and what it did not do is not done either.
            Origin::Regenerated { of } => Scope {
                turn: of,
                only: Some(&known),
            },
        };
        calls::plan(
            self.engine,
            &self.agent,
            &self.claim.conversation,
            &scope,
            calls,
        )
    }

    /// Actions that the model believes pending and that have ended by now.
    async fn late_results(&self) -> Result<Vec<LateResult>, StoreError> {
        let mut untold = self.lease.meta().await.untold;
        untold.sort();
        untold.dedup();
        untold.retain(|id| !ends_in(&self.told).any(|told| told == id));
        ended_actions(self.engine, &untold).await
    }

    /// A turn that late results began has them as its first message.
    fn prompt_with_late_results(&mut self) {
        if self.record.origin == Origin::LateResult
            && self.steps.is_empty()
            && let Some(prompt) = self.messages.last_mut()
        {
            *prompt = window::late_prompt(&self.late);
        }
    }

    /// The commit that accepts the actions of a response. Nothing of it has an effect before.
    async fn record_step(&mut self, mut step: StepRecord) -> Result<Vec<Planned>, Trouble> {
        let conversation = self.claim.conversation.clone();
        let planned = self.plan(&step.calls);
        let owner = self.lease.meta().await.owner;
        let new =
            calls::new_actions(self.engine, &self.agent, &owner, &planned, &self.actions).await;
        self.actions.extend(new.iter().cloned());
        step.actions = accepted_actions(&step, &planned, &self.actions);

        let number = self.next_step();
        let others = || {
            let step = Change::Create(
                keys::step(&conversation, self.number, number),
                step.record(),
            );
            let actions = new
                .iter()
                .map(|action| Change::Create(keys::action(&action.id), action.record()));
            std::iter::once(step).chain(actions).collect()
        };
        let change = |meta: &mut Meta| {
            forget_told(meta, &self.untold, &step.told, &step.late);
            meta.untold
                .extend(new.iter().map(|action| action.id.clone()));
            meta.look_at = self.engine.env.now() + LOOK_AGAIN;
            if let Some(running) = &mut meta.running {
                running.takeovers = 0;
            }
        };
        if sabotage!(SendBeforeRecord) {
            for action in &new {
                self.engine.send_action(&owner, &action.id).await;
            }
        }
        self.lease.commit(others, change).await?;

        self.narrator.text_is_recorded();
        step.calls
            .iter()
            .map(replay::called)
            .for_each(|kind| self.narrator.tell(kind));
        replay::accepted(&step).for_each(|kind| self.narrator.tell(kind));
        // Before any await: a stop must find the step that was recorded.
        self.keep(step);
        for action in new
            .iter()
            .filter(|action| action.state == ActionState::Queued)
        {
            self.engine.send_action(&owner, &action.id).await;
        }
        Ok(planned)
    }

    /// Carries out the calls of the last step, and lets the hand-off happen that won.
    async fn answer_calls(&mut self, planned: &[Planned]) {
        // Before any result is read: what is to be told from here on may be news that they do not have.
        self.untold = self.lease.meta().await.untold;
        let Some(step) = self.steps.last() else {
            return;
        };
        let engine = self.engine;
        let narrator = &mut self.narrator;
        let speaker = narrator.speaker();
        let told = calls::answer(engine, &step.calls, planned, &speaker, |kind| {
            narrator.tell(kind);
        })
        .await;
        window::push_step(&mut self.messages, step, &told);
        self.hand_offs += hand_offs_in(&told);
        let winner = told.iter().find_map(|told| told.handed_to.as_deref());
        if let Some(to) = winner.and_then(|name| engine.team.agent(name)) {
            self.agent = to.clone();
            self.narrator.hand_to(&to.name);
        }
        self.told = told;
    }

    /// The owner before us recorded the last step, and what came of its calls is not known. They are answered again: lookups
    /// are looked up anew, actions are what their records say.
    async fn resume_last_step(&mut self) {
        let Some(step) = self.steps.last() else {
            return;
        };
        self.narrator.stand_at(
            self.next_step() - 1,
            step.fence,
            replay::offset_behind_calls(step),
        );
        let planned = self.plan(&step.calls);
        let owner = self.lease.meta().await.owner;
        for accepted in step
            .actions
            .iter()
            .filter(|accepted| accepted.state == ActionState::Queued)
        {
            self.engine.send_action(&owner, &accepted.action).await;
        }
        self.answer_calls(&planned).await;
    }

    /// The commit that ends the turn, and the event that says so.
    async fn record_end(&mut self, ending: Ending) -> Result<(), Trouble> {
        let mut record = self.record.clone();
        record.ended_at = Some(self.engine.env.now());
        record.fence = self.claim.fence;
        let last = match ending {
            Ending::Committed(step) => {
                record.state = TurnState::Committed;
                record.usage = add(record.usage, step.usage);
                Some(step)
            }
            Ending::Failed(code) => {
                record.state = TurnState::Failed;
                record.failure = Some(code);
                None
            }
            Ending::Stopped => {
                record.state = TurnState::Stopped;
                None
            }
        };
        if last.is_none() {
            record.partial = self.partial();
            record.told.clone_from(&self.told);
        }
        let number = self.next_step();
        let conversation = self.claim.conversation.clone();
        let others = || {
            let turn = Change::Replace(
                keys::turn(&conversation, self.number),
                self.turn_version,
                record.record(),
            );
            let step = last.as_ref().map(|step| {
                Change::Create(
                    keys::step(&conversation, self.number, number),
                    step.record(),
                )
            });
            std::iter::once(turn).chain(step).collect()
        };
        let change = |meta: &mut Meta| {
            // A turn that failed or was stopped ended before the model could say anything about its last results: those are
            // still to be told.
            if let Some(step) = &last {
                forget_told(meta, &self.untold, &step.told, &step.late);
            }
            meta.agent.clone_from(&self.agent.name);
            meta.stop = meta.stop.filter(|turn| *turn != self.number);
            meta.late_failures = match (record.origin, record.state) {
                (Origin::LateResult, TurnState::Failed) => meta.late_failures.saturating_add(1),
                (
                    Origin::LateResult,
                    TurnState::Accepted | TurnState::Committed | TurnState::Stopped,
                )
                | (Origin::Customer | Origin::Regenerated { .. }, _) => 0,
            };
            meta.look_at = self.engine.env.now() + pause_after(meta.late_failures);
            meta.running = None;
        };
        self.lease.commit(others, change).await?;
        self.turn_version += 1;
        self.steps.extend(last);
        if record.usage != Usage::default() {
            self.narrator.tell(EventKind::Usage(record.usage));
        }
        self.narrator.tell(match (record.state, record.failure) {
            (TurnState::Stopped, _) => EventKind::TurnStopped,
            (_, Some(code)) => EventKind::TurnFailed(code),
            (_, None) => EventKind::TurnCompleted,
        });
        tracing::info!(
            state = record.state.as_str(),
            steps = self.steps.len(),
            prompt_tokens = record.usage.prompt_tokens,
            completion_tokens = record.usage.completion_tokens,
            duration_ms = record
                .ended_at
                .unwrap_or_default()
                .saturating_sub(record.accepted_at),
            "a turn ended"
        );
        self.record = record;
        Ok(())
    }

    /// What the next message needs to know, as the commit of the turn's end left it.
    async fn into_warm(self) -> Warm {
        let (version, meta) = self.lease.held().await;
        let mut past = self.past;
        past.push(JournaledTurn {
            number: self.number,
            version: self.turn_version,
            record: self.record,
            steps: self.steps,
            actions: self.actions,
        });
        let surplus = past
            .len()
            .saturating_sub(self.engine.team.limits.window_turns);
        past.drain(..surplus);
        Warm {
            version,
            meta,
            past,
        }
    }

    fn partial(&self) -> Option<Partial> {
        let text = self.narrator.text();
        (!text.is_empty()).then(|| Partial {
            agent: self.agent.name.clone(),
            text: text.to_owned(),
        })
    }

    async fn give_up_lease(&mut self) {
        match self.lease.release().await {
            Ok(()) => {
                let owner = self.lease.meta().await.owner;
                self.engine
                    .send_conversation(&owner, &self.claim.conversation)
                    .await;
            }
            Err(trouble) => tracing::warn!(
                ?trouble,
                "a turn could not be given up; its lease runs out by itself"
            ),
        }
        self.narrator.tell(EventKind::TurnContinues);
    }
}

/// What the model is asked: instructions first, then the conversation.
pub(crate) fn request<'a>(
    engine: &Engine,
    agent: &Agent,
    late: impl Iterator<Item = &'a LateResult>,
    messages: &[Message],
) -> ModelRequest {
    let instructions = window::instructions(&engine.instructions_of(agent), late);
    let messages = std::iter::once(instructions)
        .chain(messages.iter().cloned())
        .collect();
    ModelRequest {
        messages,
        tools: agent.tool_definitions.clone(),
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
fn first_speaker<'a>(turn: &'a JournaledTurn, past: &'a [JournaledTurn]) -> Option<&'a str> {
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

/// Those of the actions that have ended, as the model is told them.
pub(crate) async fn ended_actions(
    engine: &Engine,
    ids: &[ActionId],
) -> Result<Vec<LateResult>, StoreError> {
    let mut ended = Vec::new();
    for id in ids {
        let Some((_, action)) = engine.read_action(id).await? else {
            continue;
        };
        if action.state.is_terminal() {
            let result =
                window::end_sentence(action.state, action.result.as_deref().unwrap_or_default());
            ended.push(LateResult {
                action: id.clone(),
                tool: action.tool,
                state: action.state,
                result,
            });
        }
    }
    Ok(ended)
}

fn accepted_actions(
    step: &StepRecord,
    planned: &[Planned],
    actions: &[ActionRecord],
) -> Vec<AcceptedAction> {
    let accepted = step.calls.iter().zip(planned).filter_map(|(call, plan)| {
        let Planned::Action(id, _) = plan else {
            return None;
        };
        let state = actions
            .iter()
            .find(|action| action.id == *id)
            .map(|action| action.state)?;
        Some(AcceptedAction {
            call: call.id.clone(),
            action: id.clone(),
            state,
        })
    });
    accepted.collect()
}

fn ends_in(told: &[Told]) -> impl Iterator<Item = &ActionId> {
    told.iter()
        .filter_map(|told| told.ended.as_ref())
        .map(|ended| &ended.action)
}

/// The model said something after it was told these ends. `untold` is what was still to be told when `told` was gathered.
fn forget_told(meta: &mut Meta, untold: &[ActionId], told: &[Told], late: &[LateResult]) {
    let answers = told
        .iter()
        .filter_map(|told| told.ended.as_ref())
        .filter(|ended| ended.state != ActionState::Unknown || untold.contains(&ended.action))
        .map(|ended| (&ended.action, ended.state));
    let ends: BTreeMap<_, _> = answers
        .chain(late.iter().map(|late| (&late.action, late.state)))
        .collect();
    for (action, state) in ends {
        if state != ActionState::Unknown {
            meta.untold.retain(|id| id != action);
        } else if let Some(at) = meta.untold.iter().position(|id| id == action) {
            // Somebody may have found out meanwhile what became of it: then it stands there once more.
            meta.untold.remove(at);
        }
    }
}

fn hand_offs_in(told: &[Told]) -> u32 {
    told.iter()
        .map(|told| u32::from(told.handed_to.is_some()))
        .sum()
}

fn add(a: Usage, b: Usage) -> Usage {
    Usage {
        prompt_tokens: a.prompt_tokens + b.prompt_tokens,
        completion_tokens: a.completion_tokens + b.completion_tokens,
    }
}
