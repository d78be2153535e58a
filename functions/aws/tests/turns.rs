//! What a turn costs: requests to the store, counted. The bill and the time to the first word go by them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use baton_aws::{DynamoStore, local_config};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    CallContext, Change, CommitError, Cursor, Env, Index, IndexPage, Key, Page, Range, Store,
    StoreError, Stored, ToolRequest, Tools,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Overlap, Owner, Ports, Principal, Seen, Submission};
use baton_kit::cloud::Dynamo;
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{ScriptedModel, says};
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryQueue;
use baton_tools::office::BackOffice;

/// A store in this engine's table, which is made when it is not there.
async fn store(table: &Dynamo) -> Arc<dyn Store> {
    let config = local_config(&table.url()).unwrap();
    let store = DynamoStore::new(&config, "baton", Arc::new(SystemEnv));
    store.create_table().await.unwrap();
    Arc::new(store)
}

/// Counts what goes through. Each call of the port is one request to DynamoDB, but for pages over 1 MB and the two indexes.
struct Counted {
    store: Arc<dyn Store>,
    writes: AtomicUsize,
    reading: AtomicUsize,
    /// Times that reading began while nothing was being read.
    rounds: AtomicUsize,
    /// Rounds of reads when the last write was confirmed.
    rounds_before_last_write: AtomicUsize,
}

impl Counted {
    fn new(store: Arc<dyn Store>) -> Self {
        let zero = AtomicUsize::default;
        Self {
            store,
            writes: zero(),
            reading: zero(),
            rounds: zero(),
            rounds_before_last_write: zero(),
        }
    }

    async fn read<T>(&self, read: impl Future<Output = T> + Send) -> T {
        if self.reading.fetch_add(1, SeqCst) == 0 {
            self.rounds.fetch_add(1, SeqCst);
        }
        // Lets everything begin that is read side by side, however fast the first answer is.
        tokio::task::yield_now().await;
        let answer = read.await;
        self.reading.fetch_sub(1, SeqCst);
        answer
    }

    fn reset(&self) {
        self.writes.store(0, SeqCst);
        self.rounds.store(0, SeqCst);
    }
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.read(self.store.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.read(self.store.get_many(keys)).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.read(self.store.range(range)).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let committed = self.store.commit(changes).await;
        self.writes.fetch_add(1, SeqCst);
        self.rounds_before_last_write
            .store(self.rounds.load(SeqCst), SeqCst);
        committed
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.read(self.store.index(index, after, limit)).await
    }
}

struct Bench {
    counted: Arc<Counted>,
    engine: Arc<Engine>,
    conversation: ConversationId,
}

impl Bench {
    /// A fresh engine on this store, as a function has it that was just started.
    fn new(store: Arc<dyn Store>, model: &ScriptedModel, conversation: &ConversationId) -> Self {
        let counted = Arc::new(Counted::new(store));
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        let endpoint = Endpoint::OpenAi {
            base_url: model.url(),
            model: "scripted".to_owned(),
            key: None,
        };
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store: counted.clone(),
            queue: Arc::new(MemoryQueue::new(env.clone())),
            model: ModelClient::new(&ModelSettings::new(endpoint), env.clone()).unwrap(),
            tools: Arc::new(BackOffice::new(counted.clone(), env.clone())),
            env,
        };
        Self {
            counted,
            engine: Engine::new(Arc::new(Team::acme()), ports),
            conversation: conversation.clone(),
        }
    }

    /// Writes and rounds of reads until the turn was committed.
    async fn turn(&self) -> (usize, usize) {
        self.counted.reset();
        let submission = Submission {
            message: "Hello".to_owned(),
            message_id: None,
            overlap: Overlap::Queue,
            background: false,
            ..Submission::default()
        };
        let log = self
            .engine
            .conversation(&self.conversation, &Principal::Open)
            .submit(submission)
            .await
            .unwrap()
            .log;
        let mut seen = Seen::default();
        while !log.has_ended() {
            ((), seen, _) = log.read(seen, |_| ()).await;
        }
        let left = async {
            while self.engine.busy() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), left)
            .await
            .expect("the driver leaves an idle conversation");
        (
            self.counted.writes.load(SeqCst),
            self.counted.rounds_before_last_write.load(SeqCst),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_turn_costs_two_writes_and_one_round_of_reads() {
    let answers = ["One.", "Two.", "Three."].map(says);
    let model = ScriptedModel::start(answers).await;
    let table = Dynamo::start();
    let conversation = ConversationId::parse("counted").unwrap();
    let first = Bench::new(store(&table).await, &model, &conversation);
    assert_eq!(
        first.turn().await,
        (2, 1),
        "the first turn of a conversation"
    );
    let (writes, rounds) = first.turn().await;
    assert_eq!(writes, 2, "a further turn on the same instance");
    assert!(rounds <= 1, "{rounds}");
    let another = Bench::new(store(&table).await, &model, &conversation);
    assert_eq!(another.turn().await, (2, 1), "a turn on another instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_in_the_back_office_is_two_rounds_of_reads() {
    let table = Dynamo::start();
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let store = store(&table).await;
    // Writes the catalogue.
    BackOffice::new(store.clone(), env.clone())
        .orders(&baton_handoff::Tenant::default(), None, 1)
        .await
        .unwrap();
    let team = Team::acme();
    for query in ["my unicycle exploded", "item_132612938", "submarine"] {
        let counted = Arc::new(Counted::new(store.clone()));
        let office = BackOffice::new(counted.clone(), env.clone());
        let tool = team.tool("look_up_item").unwrap().clone();
        let arguments = format!(r#"{{"search_query":"{query}"}}"#);
        let request = ToolRequest {
            arguments: Arc::new(tool.check(&arguments).unwrap()),
            tool,
            context: CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1),
        };
        let found = office.lookup(&request).await.unwrap();
        let rounds = counted.rounds.load(SeqCst);
        assert!(rounds <= 2, "{query}: {rounds} rounds");
        assert_eq!(found.contains("132612938"), query != "submarine", "{found}");
        assert_eq!(counted.writes.load(SeqCst), 0);
    }
}
