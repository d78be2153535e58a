//! A table that a program of before wrote, and one that it writes beside this one: what opens, what is listed, and what a migration
//! of the lists does. Against an engine of DynamoDB, with the records of a file that the program of before made.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use baton_aws::{DynamoStore, local_config};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Env, Index, Key, Listing, Record, Store as _, Stored};
use baton_handoff::record::{
    ActionState, DEFAULT_TENANT, actions_in, conversations_with_agents, keys,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Kind, Overlap, Ports, Principal, Subject, Submission, Tenant, View};
use baton_kit::cloud::Dynamo;
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{ScriptedModel, says};
use baton_setup::{Counts, ListMigration};
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryQueue;
use baton_tools::office::BackOffice;

/// No wait between pages.
const RATE: NonZeroU32 = NonZeroU32::MAX;

/// Records in lists, in the file of before.
const LISTED: u64 = 37;

/// The lists of that file by today's names, with the number of their records.
const CONVERSATIONS: usize = 17;
const ACTIONS: [(ActionState, usize); 6] = [
    (ActionState::Proposed, 1),
    (ActionState::Queued, 2),
    (ActionState::Running, 2),
    (ActionState::Done, 4),
    (ActionState::Rejected, 2),
    (ActionState::Unknown, 1),
];

async fn new_table() -> DynamoStore {
    let config = local_config(&Dynamo::start().url()).unwrap();
    let store = DynamoStore::new(&config, "baton", Arc::new(SystemEnv));
    store.create_table().await.unwrap();
    store
}

/// The records of the file of before, at their places in its lists.
fn records_of_before() -> Vec<(Key, Record)> {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../stores/tests/fixtures/b43035b/all.db");
    let db =
        rusqlite::Connection::open_with_flags(fixture, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap();
    let mut select = db
        .prepare(
            "SELECT partition, sort, format, body, due_at, list_group, list_rank FROM records WHERE expires_at IS NULL",
        )
        .unwrap();
    let rows = select.query_map([], |row| {
        let group: Option<String> = row.get(5)?;
        let rank: Option<u64> = row.get(6)?;
        let listed = group.zip(rank).map(|(group, rank)| Listing { group, rank });
        let record = Record {
            due_at: row.get(4)?,
            listed,
            ..Record::new(row.get(2)?, row.get::<_, String>(3)?)
        };
        let key = Key::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        Ok((key, record))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

async fn table_of_before() -> DynamoStore {
    let table = new_table().await;
    for (key, record) in records_of_before() {
        table
            .commit(vec![Change::Create(key, record)])
            .await
            .unwrap();
    }
    table
}

/// A whole migration.
async fn migrate(table: &DynamoStore) -> Counts {
    let mut migration = ListMigration::of(table.clone(), RATE, None).unwrap();
    while migration.page().await.unwrap() {}
    migration.counts()
}

/// A program of this release on the table, with as many answers.
async fn engine(table: &DynamoStore, answers: usize) -> (Arc<Engine>, ScriptedModel) {
    let model = ScriptedModel::start((0..answers).map(|_| says("Hello."))).await;
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let store = Arc::new(table.clone());
    let endpoint = Endpoint::OpenAi {
        base_url: model.url(),
        model: "scripted".to_owned(),
        key: None,
    };
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        store: store.clone(),
        queue: Arc::new(MemoryQueue::new(env.clone())),
        model: ModelClient::new(&ModelSettings::new(endpoint), env.clone()).unwrap(),
        tools: Arc::new(BackOffice::new(store, env.clone())),
        env,
    };
    (Engine::new(Arc::new(Team::acme()), ports), model)
}

fn principal(tenant: &str, kind: Kind, name: &str) -> Principal {
    let subject = Subject::parse(name).unwrap();
    Principal::new(Tenant::parse(tenant).unwrap(), kind, subject)
}

/// Ids of the conversations that operators of a tenant see.
async fn shown(engine: &Engine, tenant: &str) -> Vec<String> {
    let tenant = Tenant::parse(tenant).unwrap();
    let page = engine.conversations_in(&tenant, None, 100).await.unwrap();
    let lines = page.conversations.into_iter();
    lines.map(|line| line.id.to_string()).collect()
}

async fn in_index(table: &DynamoStore, index: Index) -> Vec<Stored> {
    table.index(&index, None, 100).await.unwrap().records
}

async fn say(engine: &Arc<Engine>, id: &ConversationId, principal: &Principal) {
    let submission = Submission {
        message: "Hello".to_owned(),
        message_id: None,
        overlap: Overlap::Queue,
        background: false,
        ..Submission::default()
    };
    let conversation = engine.conversation(id, principal);
    let accepted = conversation.submit(submission).await.unwrap();
    accepted.log.ended().await;
    engine.left(conversation.id()).await;
}

/// META as a program of before writes it: it knows one list, which has the owner in its name.
async fn write_as_before(table: &DynamoStore, key: &Key, list: &str) -> Stored {
    let stored = table.get(key).await.unwrap().unwrap();
    let record = Record {
        listed: Some(Listing {
            group: list.to_owned(),
            rank: 99,
        }),
        work: None,
        ..stored.record
    };
    let change = Change::Replace(key.clone(), stored.version, record);
    table.commit(vec![change]).await.unwrap();
    table.get(key).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_lists_every_record_of_before_and_changes_nothing_else() {
    let table = table_of_before().await;
    let (engine, _model) = engine(&table, 0).await;
    assert!(shown(&engine, DEFAULT_TENANT).await.is_empty());

    let records = records_of_before();
    let counts = Counts {
        looked_at: records.len() as u64,
        moved: LISTED,
        ..Counts::default()
    };
    assert_eq!(migrate(&table).await, counts);
    let again = Counts { moved: 0, ..counts };
    assert_eq!(migrate(&table).await, again);

    for (key, before) in &records {
        let now = table.get(key).await.unwrap().unwrap();
        let lists = (now.record.listed.clone(), now.record.work.clone());
        let without = |record: &Record| Record {
            listed: None,
            work: None,
            ..record.clone()
        };
        assert_eq!((1, without(before)), (now.version, without(&now.record)));
        assert_eq!(before.listed.is_some(), lists != (None, None), "{key:?}");
    }
    assert_eq!(shown(&engine, DEFAULT_TENANT).await.len(), CONVERSATIONS);
    let conversations = Index::Work(conversations_with_agents(DEFAULT_TENANT));
    for stored in in_index(&table, conversations).await {
        let body: serde_json::Value = serde_json::from_str(&stored.record.body).unwrap();
        assert_eq!(stored.record.work.unwrap().rank, body["created_at"]);
    }
    for (state, count) in ACTIONS {
        let tenant = Tenant::default();
        let page = engine.actions(&tenant, state, None, 100).await.unwrap();
        assert_eq!((state, page.actions.len()), (state, count));
        assert!(page.actions.iter().all(|action| action.state == state));
    }
    let office: BTreeMap<&str, usize> = BTreeMap::from([("orders", 7), ("refunds", 1)]);
    for (list, count) in office {
        let list = Index::Listed(format!("{DEFAULT_TENANT}/{list}"));
        assert_eq!(in_index(&table, list).await.len(), count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_goes_on_where_an_interrupted_one_was() {
    let table = table_of_before().await;
    let mut first = ListMigration::of(table.clone(), RATE, None).unwrap();
    assert_eq!(first.position(), None);
    assert!(first.page().await.unwrap(), "more than a page");
    let position = first.position().unwrap();
    let mut second = ListMigration::of(table.clone(), RATE, Some(&position)).unwrap();
    assert_eq!(second.counts().looked_at, first.counts().looked_at);
    while second.page().await.unwrap() {}
    assert_eq!(second.counts().looked_at, records_of_before().len() as u64);
    assert_eq!(first.counts().moved + second.counts().moved, LISTED);
    assert!(second.counts().moved > 0);
    for bad in ["", "1", "1.zz.zz", "beginning"] {
        assert!(
            ListMigration::of(table.clone(), RATE, Some(bad)).is_err(),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_of_before_opens_by_its_id_without_a_credential_and_for_operators() {
    let table = table_of_before().await;
    let (engine, _model) = engine(&table, 1).await;
    let id = ConversationId::parse("plain").unwrap();
    let operator = principal(DEFAULT_TENANT, Kind::Operator, "carl");
    let opens = async |principal: &Principal, view| {
        let conversation = engine.conversation(&id, principal);
        let history = conversation.history(None, 10, view).await.unwrap();
        history.map(|history| history.items.len())
    };
    let turns = opens(&Principal::Open, View::Customer).await;
    assert!(turns.is_some_and(|items| items > 0));
    assert_eq!(opens(&operator, View::Operator).await, turns);
    for stranger in [
        principal(DEFAULT_TENANT, Kind::Customer, "ann"),
        principal(DEFAULT_TENANT, Kind::Visitor, "local"),
        principal("acme", Kind::Operator, "carl"),
    ] {
        assert_eq!(opens(&stranger, View::Customer).await, None, "{stranger:?}");
    }
    // Its next turn puts it into the list, without a migration.
    say(&engine, &id, &Principal::Open).await;
    assert_eq!(shown(&engine, DEFAULT_TENANT).await, ["plain"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_of_before_writes_beside_this_one_is_listed_after_the_next_turn() {
    let table = new_table().await;
    let (engine, _model) = engine(&table, 2).await;
    let id = ConversationId::parse("shared").unwrap();
    say(&engine, &id, &Principal::Open).await;
    assert_eq!(shown(&engine, DEFAULT_TENANT).await, ["shared"]);
    write_as_before(&table, &keys::meta(&id), "conversations:local").await;
    assert!(shown(&engine, DEFAULT_TENANT).await.is_empty());
    say(&engine, &id, &Principal::Open).await;
    assert_eq!(shown(&engine, DEFAULT_TENANT).await, ["shared"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_of_before_writes_beside_this_one_is_listed_after_a_migration() {
    let table = table_of_before().await;
    migrate(&table).await;
    let (engine, _model) = engine(&table, 1).await;
    let ann = principal("acme", Kind::Customer, "ann");
    let name = ConversationId::parse("mine").unwrap();
    say(&engine, &name, &ann).await;
    let owned = engine.conversation(&name, &ann).id().clone();
    let of_owner = format!("conversations:{}", ann.owner());
    write_as_before(&table, &keys::meta(&owned), &of_owner).await;
    let plain = keys::meta(&ConversationId::parse("plain").unwrap());
    write_as_before(&table, &plain, "conversations:local").await;
    let proposed = Index::Work(actions_in(DEFAULT_TENANT, ActionState::Proposed));
    let action = in_index(&table, proposed.clone()).await.remove(0).key;
    write_as_before(&table, &action, "actions:proposed").await;
    assert!(shown(&engine, "acme").await.is_empty());
    assert!(in_index(&table, proposed.clone()).await.is_empty());

    assert_eq!(migrate(&table).await.moved, 3);
    assert_eq!(shown(&engine, "acme").await, [owned.to_string()]);
    let own = engine.conversations(&ann, None, 10).await.unwrap();
    assert_eq!(own.conversations.len(), 1);
    assert_eq!(shown(&engine, DEFAULT_TENANT).await.len(), CONVERSATIONS);
    assert_eq!(in_index(&table, proposed).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_read_a_record_writes_it_though_a_migration_has_moved_it() {
    let table = table_of_before().await;
    let key = keys::meta(&ConversationId::parse("plain").unwrap());
    let read = table.get(&key).await.unwrap().unwrap();
    migrate(&table).await;
    let change = Change::Replace(key, read.version, read.record);
    table.commit(vec![change]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_a_server_has_written_since_it_was_read_is_not_moved_by_what_was_read() {
    let table = table_of_before().await;
    let key = keys::meta(&ConversationId::parse("plain").unwrap());
    let read = table.get(&key).await.unwrap().unwrap();
    let written = write_as_before(&table, &key, "conversations:local").await;
    let work = Listing {
        group: conversations_with_agents(DEFAULT_TENANT),
        rank: 1,
    };
    let moved = table.move_to_lists(&read, None, Some(&work)).await.unwrap();
    assert!(!moved);
    assert_eq!(table.get(&key).await.unwrap().unwrap(), written);
    let moved = table
        .move_to_lists(&written, None, Some(&work))
        .await
        .unwrap();
    assert!(moved);
    let now = table.get(&key).await.unwrap().unwrap();
    assert_eq!((now.record.listed, now.record.work), (None, Some(work)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_is_counted_and_moves_by_the_name_of_its_list() {
    let table = new_table().await;
    let (engine, _model) = engine(&table, 0).await;
    let record = |format, list: &str| Record {
        listed: Some(Listing {
            group: list.to_owned(),
            rank: 7,
        }),
        ..Record::new(format, r#"{"owner":7}"#)
    };
    let meta = keys::meta(&ConversationId::parse("damaged").unwrap());
    let action = Key::new("C#damaged", "T#0000000001#A#1");
    let newer = keys::meta(&ConversationId::parse("newer").unwrap());
    let elsewhere = record(2, "acme/elsewhere");
    table
        .commit(vec![
            Change::Create(meta, record(1, "conversations:local")),
            Change::Create(action, record(1, "actions:queued")),
            Change::Create(newer.clone(), elsewhere.clone()),
        ])
        .await
        .unwrap();
    let counts = Counts {
        looked_at: 3,
        moved: 2,
        busy: 0,
        unreadable: 3,
    };
    assert_eq!(migrate(&table).await, counts);
    let tenant = Tenant::default();
    let page = engine.conversations_in(&tenant, None, 9).await.unwrap();
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].last_activity, Some(7));
    let page = engine.actions(&tenant, ActionState::Queued, None, 9).await;
    assert_eq!(page.unwrap().unreadable.len(), 1);
    assert_eq!(table.get(&newer).await.unwrap().unwrap().record, elsewhere);
}
