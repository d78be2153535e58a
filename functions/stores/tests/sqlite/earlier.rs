//! A file that an earlier program wrote is read and gone on with. See `tests/fixtures`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{
    Env, FinishReason, Index, Key, Lane, Millis, Model, ModelChunk, ModelError, ModelRequest,
    ModelStream, Queue, Store, Stored,
};
use baton_handoff::record::{
    ActionRecord, ActionState, DEFAULT_TENANT, MessageRecord, Meta, StepRecord, TurnRecord,
    TurnState, conversations_with_agents, decode, keys,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Overlap, Ports, Principal, Submission, Tenant, View};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;
use baton_tools::office::BackOffice;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::folder::{self, Folder};

/// An hour after the file was made: leases are over, and texts of the day are still there.
const NOW: Millis = 1_795_902_355_000;

/// A real clock that was set to another moment, which is so far ahead of the real one.
struct SetTo(i64);

impl SetTo {
    fn moment(moment: Millis) -> Self {
        Self(moment.cast_signed() - SystemEnv.now().cast_signed())
    }
}

impl Env for SetTo {
    fn now(&self) -> Millis {
        SystemEnv.now().saturating_add_signed(self.0)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        SystemEnv.sleep_until(moment.saturating_add_signed(-self.0))
    }

    fn random(&self) -> u128 {
        SystemEnv.random()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        SystemEnv.spawn(task);
    }
}

/// Says one sentence.
struct Polite;

impl Model for Polite {
    fn stream(
        self: Arc<Self>,
        _: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let chunks = [
            ModelChunk::Text("At your service.".to_owned()),
            ModelChunk::Finished(FinishReason::Stop),
        ];
        let stream: ModelStream = stream::iter(chunks).map(Ok).boxed();
        std::future::ready(Ok(stream)).boxed()
    }
}

/// A copy of the file, open.
struct Opened {
    engine: Arc<Engine>,
    office: BackOffice,
    store: SqliteStore,
    file: PathBuf,
}

fn open_copy(folder: &Folder) -> Opened {
    let file = folder.next_file();
    folder::copy_of_version_1(&file);
    let env: Arc<dyn Env> = Arc::new(SetTo::moment(NOW));
    let store = SqliteStore::open(&file, env.clone()).unwrap();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        store: shared.clone(),
        queue: Arc::new(store.queue()),
        model: Arc::new(Polite),
        tools: Arc::new(BackOffice::new(shared.clone(), env.clone())),
        env: env.clone(),
    };
    Opened {
        engine: Engine::new(Arc::new(Team::acme()), ports),
        office: BackOffice::new(shared, env),
        store,
        file,
    }
}

/// Every key of the file, whatever program reads it.
fn all_keys(file: &Path) -> Vec<Key> {
    let db = rusqlite::Connection::open(file).unwrap();
    let mut select = db.prepare("SELECT partition, sort FROM records").unwrap();
    select
        .query_map([], |row| {
            Ok(Key::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Reads a record as what its key says that it is.
fn read(stored: &Stored) -> &'static str {
    let Key { partition, sort } = &stored.key;
    if !partition.starts_with("C#") {
        return "the back office's";
    }
    if sort == "META" {
        let _: Meta = decode(stored).unwrap();
        return "META";
    }
    if sort.starts_with("M#") {
        let _: MessageRecord = decode(stored).unwrap();
        return "message";
    }
    if sort.starts_with("E#") {
        let _: serde_json::Value = decode(stored).unwrap();
        return "text";
    }
    match keys::parse_turn_part(sort).unwrap().1 {
        keys::TurnPart::Turn => {
            let _: TurnRecord = decode(stored).unwrap();
            "turn"
        }
        keys::TurnPart::Step(_) => {
            let _: StepRecord = decode(stored).unwrap();
            "step"
        }
        keys::TurnPart::Action(_) => {
            let action: ActionRecord = decode(stored).unwrap();
            assert_eq!(keys::action(&action.id), stored.key, "an id has changed");
            "action"
        }
    }
}

/// The conversations of the file that still have something to show.
const CONVERSATIONS: usize = 17;

async fn conversations(opened: &Opened) -> Vec<ConversationId> {
    let list = Index::Work(conversations_with_agents(DEFAULT_TENANT));
    let page = opened.store.index(&list, None, 100).await.unwrap();
    let ids = page.records.iter().map(|stored| {
        let id = stored.key.partition.strip_prefix("C#").unwrap();
        ConversationId::parse(id).unwrap()
    });
    ids.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_of_an_earlier_program_is_read() {
    let folder = Folder::new();
    let opened = open_copy(&folder);
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for key in all_keys(&opened.file) {
        let stored = opened.store.get(&key).await.unwrap();
        let kind = read(&stored.unwrap_or_else(|| panic!("{key:?} is not seen")));
        *found.entry(kind).or_default() += 1;
    }
    let expected = [
        ("META", 19),
        ("action", 12),
        ("message", 36),
        ("step", 56),
        ("text", 1),
        ("the back office's", 47),
        ("turn", 41),
    ];
    assert_eq!(found, BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_histories_of_an_earlier_program_are_read() {
    let folder = Folder::new();
    let opened = open_copy(&folder);
    let listed = conversations(&opened).await;
    assert_eq!(listed.len(), CONVERSATIONS);
    for conversation in &listed {
        let history = opened
            .engine
            .conversation(conversation, &Principal::Open)
            .history(None, 100, View::Customer)
            .await
            .unwrap();
        assert!(!history.unwrap().items.is_empty(), "{conversation}");
    }
    let summary = opened
        .engine
        .action_summary(&Tenant::default())
        .await
        .unwrap();
    let expected = [
        ("done", 4),
        ("proposed", 1),
        ("queued", 2),
        ("rejected", 2),
        ("running", 2),
        ("unknown", 1),
    ];
    assert_eq!(summary.counts, BTreeMap::from(expected));
    for state in ActionState::ALL {
        let page = opened
            .engine
            .actions(&Tenant::default(), state, None, 100)
            .await
            .unwrap();
        assert_eq!(page.actions.len(), summary.counts[state.as_str()]);
    }
    let tenant = Tenant::default();
    let orders = opened.office.orders(&tenant, None, 100).await.unwrap();
    let refunds = opened.office.refunds(&tenant, None, 100).await.unwrap();
    assert_eq!((orders.entries.len(), refunds.entries.len()), (7, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_program_left_is_done_and_the_next_message_is_answered() {
    let folder = Folder::new();
    let opened = open_copy(&folder);
    let engine = &opened.engine;
    let left = engine.sweep().await.unwrap();
    // One conversation has lost its owner, one was never begun, and six wait for an action; the proposed action is not due.
    assert_eq!((left.conversations, left.actions), (8, 4), "{left:?}");
    let queue = opened.store.queue();
    for lane in [Lane::Actions, Lane::Turns] {
        work_off(engine, &queue, lane).await;
    }
    let unfinished = engine
        .actions(&Tenant::default(), ActionState::Running, None, 10)
        .await
        .unwrap();
    assert!(unfinished.actions.is_empty(), "{:?}", unfinished.actions);
    let mut listed = conversations(&opened).await;
    assert_eq!(listed.len(), CONVERSATIONS);
    listed.push(ConversationId::parse("erased").unwrap());
    listed.push(ConversationId::parse("erased-open").unwrap());
    for conversation in listed {
        let submission = Submission {
            message: "And now?".to_owned(),
            message_id: None,
            overlap: Overlap::Queue,
            background: false,
            ..Submission::default()
        };
        let accepted = engine
            .conversation(&conversation, &Principal::Open)
            .submit(submission)
            .await
            .unwrap();
        accepted.log.ended().await;
        let key = keys::turn(&conversation, accepted.turn);
        let turn: TurnRecord = decode(&opened.store.get(&key).await.unwrap().unwrap()).unwrap();
        assert_eq!(turn.state, TurnState::Committed, "{conversation}: {turn:?}");
    }
    let due = opened
        .store
        .index(&Index::Due(NOW), None, 100)
        .await
        .unwrap();
    let due: Vec<_> = due.records.iter().map(|stored| &stored.key).collect();
    assert!(due.is_empty(), "left over: {due:?}");
}

/// Does what the messages of a lane ask for, once each.
async fn work_off(engine: &Arc<Engine>, queue: &dyn Queue, lane: Lane) {
    loop {
        let hidden = Duration::from_hours(1);
        let taken = queue
            .receive(lane, 100, hidden, Duration::ZERO)
            .await
            .unwrap();
        if taken.is_empty() {
            return;
        }
        for delivery in taken {
            match lane {
                Lane::Actions => {
                    let _executed = engine
                        .action(&ActionId::parse(&delivery.body).unwrap())
                        .execute()
                        .await;
                }
                Lane::Turns => {
                    let conversation = ConversationId::parse(&delivery.body).unwrap();
                    engine.look_after(&conversation).await;
                }
            }
            queue.ack(lane, &delivery.receipt).await.unwrap();
        }
    }
}
