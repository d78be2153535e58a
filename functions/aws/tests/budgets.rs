//! Two processes and one table: parallel turns of one tenant never pass its budget, and no transaction cancels another for it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use baton_aws::{DynamoStore, local_config};
use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Env, FinishReason, Index, IndexPage, Key, Millis, Model,
    ModelChunk, ModelError, ModelRequest, ModelStream, Page, Range, Store, StoreError, Stored,
    Usage,
};
use baton_handoff::team::{BackOfficeTools, Team};
use baton_handoff::{
    Day, Engine, Kind, Overlap, Ports, Principal, Seen, Subject, Submission, Tenant, TurnLog,
    events_of,
};
use baton_kit::cloud::Dynamo;
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryQueue;
use baton_tools::office::BackOffice;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt as _, stream};

/// Conversations that speak at once, of as many customers.
const CONVERSATIONS: usize = 64;

/// Room for some of them only: all would use 64,000 tokens. A call reserves some 8,000.
const LIMIT: u64 = 40_000;

/// The tokens of each answer.
const USED: u64 = 1_000;

/// The system's clock, which a test may put forward.
#[derive(Default)]
struct Clock {
    ahead: AtomicU64,
}

impl Env for Clock {
    fn now(&self) -> Millis {
        SystemEnv.now() + self.ahead.load(SeqCst)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        SystemEnv.sleep_until(moment.saturating_sub(self.ahead.load(SeqCst)))
    }

    fn random(&self) -> u128 {
        SystemEnv.random()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        SystemEnv.spawn(task);
    }
}

/// Answers every request with one word.
struct Brief;

impl Model for Brief {
    fn stream(
        self: Arc<Self>,
        _: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let usage = Usage {
            prompt_tokens: USED - 1,
            completion_tokens: 1,
            ..Usage::default()
        };
        let chunks = [
            ModelChunk::Text("Fine.".to_owned()),
            ModelChunk::Finished(FinishReason::Stop),
            ModelChunk::Usage(usage),
        ];
        async move { Ok(Box::pin(stream::iter(chunks.map(Ok))) as ModelStream) }.boxed()
    }
}

/// What went to the table for budgets' sake.
#[derive(Default)]
struct Tally {
    cancelled: AtomicUsize,
    plain: AtomicUsize,
    lost: AtomicUsize,
}

struct Counted {
    store: Arc<dyn Store>,
    tally: Arc<Tally>,
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.store.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.store.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.store.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let is_transaction = changes.len() > 1;
        let of_budget = changes
            .iter()
            .any(|change| change.key().partition.starts_with("L#"));
        let committed = self.store.commit(changes).await;
        if !of_budget {
            return committed;
        }
        match (&committed, is_transaction) {
            (Err(CommitError::Conflict), true) => {
                self.tally.cancelled.fetch_add(1, SeqCst);
            }
            (Err(CommitError::Conflict), false) => {
                self.tally.lost.fetch_add(1, SeqCst);
            }
            (_, false) => {
                self.tally.plain.fetch_add(1, SeqCst);
            }
            (_, true) => {}
        }
        committed
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.store.index(index, after, limit).await
    }
}

fn team() -> Team {
    let acme = include_str!("../../handoff/teams/acme.toml");
    let text = format!("{acme}\n[budget]\ntenant_day = {{ tokens = {LIMIT} }}\n");
    Team::parse("acme.toml", &text, &[&BackOfficeTools]).unwrap()
}

async fn process(table: &Dynamo, tally: &Arc<Tally>, clock: &Arc<Clock>) -> Arc<Engine> {
    let env: Arc<dyn Env> = clock.clone();
    let config = local_config(&table.url()).unwrap();
    let store = DynamoStore::new(&config, "baton", env.clone());
    store.create_table().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Counted {
        store: Arc::new(store),
        tally: tally.clone(),
    });
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        store: store.clone(),
        queue: Arc::new(MemoryQueue::new(env.clone())),
        model: Arc::new(Brief),
        tools: Arc::new(BackOffice::new(store, env.clone())),
        env,
    };
    Engine::new(Arc::new(team()), ports)
}

/// How a turn ended: answered, or without room in the budget.
async fn is_answered(log: &TurnLog) -> bool {
    log.ended().await;
    let (events, _, _) = log.read_now(Seen::default(), events_of);
    let end = events.last().unwrap().kind.clone();
    let exceeded = EventKind::TurnFailed(FailureCode::BudgetExceeded);
    assert!(
        end == EventKind::TurnCompleted || end == exceeded,
        "{end:?}"
    );
    end == EventKind::TurnCompleted
}

async fn say(engine: &Arc<Engine>, number: usize) -> bool {
    let subject = Subject::parse(&format!("customer-{number}")).unwrap();
    let customer = Principal::new(Tenant::default(), Kind::Customer, subject);
    let name = ConversationId::parse("one").unwrap();
    let submission = Submission {
        message: "Hello".to_owned(),
        message_id: None,
        overlap: Overlap::Queue,
        background: false,
        ..Submission::default()
    };
    let conversation = engine.conversation(&name, &customer);
    let accepted = conversation.submit(submission).await.unwrap();
    is_answered(&accepted.log).await
}

/// The tokens that the tenant's budget has given out today, and its open slices.
async fn given_out(engine: &Arc<Engine>, day: &Day) -> (u64, usize) {
    let key = Key::new(format!("L#day#{day}#tenant/default"), "BUDGET");
    let stored = engine.store().get(&key).await.unwrap().unwrap();
    let pot: serde_json::Value = serde_json::from_str(&stored.record.body).unwrap();
    let open = pot["open"].as_array().map_or(0, Vec::len);
    (pot["taken"]["tokens"].as_u64().unwrap(), open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_turns_of_one_tenant_never_pass_its_budget_and_cancel_no_transaction() {
    let table = Dynamo::start();
    let (tally, clock) = (Arc::<Tally>::default(), Arc::<Clock>::default());
    // Far from midnight, whatever the time is.
    let since = clock.now() % 86_400_000;
    clock.ahead.store(86_400_000 + 3_600_000 - since, SeqCst);
    let day = Day::of(clock.now());
    let one = process(&table, &tally, &clock).await;
    let other = process(&table, &tally, &clock).await;
    let turns = (0..CONVERSATIONS).map(|number| {
        let engine = if number % 2 == 0 { &one } else { &other };
        async move { say(engine, number).await }
    });
    let answered = join_all(turns).await;
    let answered = answered.into_iter().filter(|answered| *answered).count();
    let (given, open) = given_out(&one, &day).await;
    let [cancelled, plain, lost] =
        [&tally.cancelled, &tally.plain, &tally.lost].map(|count| count.load(SeqCst));
    println!(
        "{CONVERSATIONS} turns: {answered} answered, {given} of {LIMIT} tokens given out in {open} open slices, {plain} plain \
         writes for budgets, {lost} of them lost a race, {cancelled} transactions cancelled"
    );
    assert_eq!(cancelled, 0);
    assert!(given <= LIMIT);
    assert!((1..CONVERSATIONS).contains(&answered), "{answered}");

    // Idle slices are given back: what is taken is what was used.
    for engine in [&one, &other] {
        clock.ahead.fetch_add(61_000, SeqCst);
        engine.sweep().await.unwrap();
    }
    let used = USED * u64::try_from(answered).unwrap();
    assert_eq!(given_out(&one, &day).await, (used, 0));
}
