//! The ports and the team that one process serves, put together.

pub(crate) mod circuits;
mod health;
pub(crate) mod models;
pub(crate) mod probe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use self::circuits::Circuits;
use self::probe::Probe;
use crate::bounds::Bounds;
use crate::bounds::places::ToolPlaces;
use crate::bounds::rates::Rates;
use crate::budget::Ledger;
use crate::drive::admission::Admission;
use crate::drive::hub::Hub;
use crate::drive::progress::Sweeps;
use crate::drive::retention::{Retention, Round, Tenants};
use crate::drive::warm::Memory;
use crate::ids::ConversationId;
use crate::people::pseudonym::Pseudonyms;
use crate::people::remembered::Remembered;
use crate::ports::{Env, Millis, Model, Queue, Store, Tools, Traces, Webhooks, jitter, millis};
use crate::principal::Owner;
use crate::record::api_key::ApiKey;
use crate::record::operator::KnownOperator;
use crate::team::{Agent, Facts, Team};
use crate::turn::told::RESULTS_ARE_DATA;

/// How long a conversation stays its owner's without a sign of life, unless set.
const LEASE: Millis = 30_000;

/// How often a commit that lost a race is tried again before the caller gets an error.
pub(crate) const MAX_TRIES: u32 = 12;

/// The parts of a process that serves conversations.
pub struct Ports {
    /// Where records live.
    pub store: Arc<dyn Store>,
    /// Carries ids of actions and conversations to the workers.
    pub queue: Arc<dyn Queue>,
    /// The language model.
    pub model: Arc<dyn Model>,
    /// Executes the tools.
    pub tools: Arc<dyn Tools>,
    /// Tells other systems.
    pub webhooks: Arc<dyn Webhooks>,
    /// Where the trace of each turn is sent; none: nowhere, and nothing is written for it.
    pub traces: Option<Arc<dyn Traces>>,
    /// Time, randomness and tasks.
    pub env: Arc<dyn Env>,
}

/// Settings of an engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// How long an owner keeps a conversation without a renewal. Clocks of processes on one store may differ by a second, so at
    /// least a few seconds. Processes may have different leases.
    pub lease: Duration,
    /// Above this amount, in US cents, and where the amount is unknown, an action needs the approval of two operators. None: one
    /// is enough.
    pub four_eyes_above_cents: Option<u64>,
    /// How long records are kept.
    pub retention: Retention,
    /// What owners, addresses and all together may take.
    pub bounds: Bounds,
    /// Whether this process is one of many that each see few requests, as the instances of a function do.
    pub is_one_of_many: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_millis(LEASE),
            four_eyes_above_cents: None,
            retention: Retention::default(),
            bounds: Bounds::default(),
            is_one_of_many: false,
        }
    }
}

/// One team on one set of ports. Everything that changes a conversation goes through it.
pub struct Engine {
    pub(crate) team: Arc<Team>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) tools: Arc<dyn Tools>,
    pub(crate) webhooks: Arc<dyn Webhooks>,
    pub(crate) traces: Option<Arc<dyn Traces>>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) hub: Hub,
    pub(crate) memory: Memory,
    pub(crate) circuits: Circuits,
    pub(crate) probe: Probe,
    pub(crate) sweeps: Sweeps,
    pub(crate) ledger: Ledger,
    /// Which visitors have signed in, as far as this process knows.
    pub(crate) aliases: Remembered<Owner, Option<Owner>>,
    /// The API keys that it has seen lately, by hash.
    pub(crate) keys: Remembered<String, Option<ApiKey>>,
    /// The operators that it has seen lately, by name.
    pub(crate) operators: Remembered<String, Option<KnownOperator>>,
    /// The keys of pseudonyms that it knows, by tenant.
    pub(crate) pseudonym_keys: Remembered<String, Pseudonyms>,
    /// The instructions that are the same in all turns, shared by them; otherwise each open turn would hold a copy.
    instructions: BTreeMap<String, Arc<str>>,
    draining: watch::Sender<bool>,
    /// One permit: for a turn that is suspected of killing its owners.
    pub(crate) suspects: Arc<Semaphore>,
    pub(crate) bounds: Bounds,
    pub(crate) admission: Arc<Admission>,
    pub(crate) rates: Rates,
    pub(crate) tool_places: Arc<ToolPlaces>,
    pub(crate) is_one_of_many: bool,
    lease: Millis,
    pub(crate) four_eyes_above_cents: Option<u64>,
    pub(crate) retention: Retention,
    pub(crate) round: Round,
    pub(crate) tenants: Tenants,
}

/// The agent's instructions, and what holds for every agent.
fn whole(instructions: &str) -> Arc<str> {
    Arc::from(format!("{instructions}\n\n{RESULTS_ARE_DATA}"))
}

impl Engine {
    /// The names of the tools that models are not told of: they are not what the team's operator agreed to any more.
    pub fn withdrawn_tools(&self) -> Vec<String> {
        self.tools.withdrawn()
    }

    /// An engine that has done nothing yet.
    pub fn new(team: Arc<Team>, ports: Ports) -> Arc<Self> {
        Self::with(team, ports, EngineSettings::default())
    }

    /// An engine with these settings.
    pub fn with(team: Arc<Team>, ports: Ports, settings: EngineSettings) -> Arc<Self> {
        let Ports {
            store,
            queue,
            model,
            tools,
            webhooks,
            traces,
            env,
        } = ports;
        let shared =
            |agent: &Arc<Agent>| Some((agent.name.clone(), whole(agent.instructions.fixed()?)));
        let instructions = team.agents().filter_map(shared).collect();
        Arc::new(Self {
            team,
            store,
            queue,
            model,
            tools,
            webhooks,
            traces,
            env,
            hub: Hub::default(),
            memory: Memory::default(),
            circuits: Circuits::default(),
            probe: Probe::default(),
            sweeps: Sweeps::default(),
            ledger: Ledger::default(),
            aliases: Remembered::default(),
            keys: Remembered::default(),
            operators: Remembered::default(),
            pseudonym_keys: Remembered::default(),
            instructions,
            draining: watch::Sender::new(false),
            suspects: Arc::new(Semaphore::new(1)),
            bounds: settings.bounds,
            admission: Admission::new(settings.bounds),
            rates: Rates::default(),
            tool_places: Arc::default(),
            is_one_of_many: settings.is_one_of_many,
            lease: millis(settings.lease),
            four_eyes_above_cents: settings.four_eyes_above_cents,
            retention: settings.retention,
            round: Round::default(),
            tenants: Tenants::default(),
        })
    }

    /// How long a lease lasts.
    pub(crate) fn lease(&self) -> Millis {
        self.lease
    }

    /// A third of the lease: two renewals may fail before it is lost.
    pub(crate) fn renewal(&self) -> Millis {
        self.lease / 3
    }

    /// How much longer the claim of an action lasts than its tool's time-out: time to record the outcome.
    pub(crate) fn claim_margin(&self) -> Millis {
        self.lease / 2
    }

    /// The team that is served.
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }

    /// The store, for read-only callers.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How many conversations this process advances or waits for.
    pub fn busy(&self) -> usize {
        self.hub.len()
    }

    /// How many turns run in this process.
    pub fn running(&self) -> u64 {
        self.admission.running()
    }

    /// What owners, addresses and all together may take.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Gives up every running turn at its next await: its listeners are asked to follow it, and any other process may go on.
    /// No message is accepted afterwards.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether this process is ending.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Gives up this process's turn of the conversation, if there is one, as [`Engine::drain`] does for all. For a function near
    /// its deadline. A worker is asked to go on.
    pub fn give_up(&self, conversation: &ConversationId) {
        self.hub.give_up(conversation);
    }

    /// Resolves when this process has no driver for the conversation.
    pub async fn left(&self, conversation: &ConversationId) {
        self.hub.left(conversation).await;
    }

    /// Resolves when the running turn must be left to another process.
    pub(crate) async fn given_up(&self, conversation: &ConversationId) {
        tokio::select! {
            biased;
            () = self.drained() => {}
            () = self.hub.given_up(conversation) => {}
        }
    }

    /// Resolves when the process is asked to end.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        // The sender lives as long as this engine, so that waiting cannot fail.
        let _never_closed = draining.wait_for(|draining| *draining).await;
    }

    pub(crate) fn instructions_of(&self, agent: &Agent, facts: Facts<'_>) -> Arc<str> {
        let shared = self.instructions.get(&agent.name);
        shared.map_or_else(|| whole(&agent.instructions.fill(facts)), Arc::clone)
    }

    pub(crate) async fn sleep(&self, milliseconds: Millis) {
        self.env.sleep_until(self.env.now() + milliseconds).await;
    }

    /// Waits a random part of an exponentially growing time, so that racing writers do not meet again.
    pub(crate) async fn back_off(&self, attempt: u32) {
        let ceiling = Duration::from_millis(5 << attempt.min(8));
        self.sleep(millis(jitter(ceiling, self.env.random()))).await;
    }

    /// The time, in milliseconds since 1970.
    pub fn now(&self) -> Millis {
        self.env.now()
    }

    /// 128 random bits in hexadecimal, for any unique name.
    pub fn random_id(&self) -> String {
        format!("{:032x}", self.env.random())
    }
}
