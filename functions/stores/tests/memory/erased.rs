//! What the lists of operators show of erased conversations.

use std::sync::Arc;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Env as _, Listing, Record, Store as _};
use baton_handoff::record::{DEFAULT_TENANT, conversations_with_agents, keys};
use baton_handoff::{Principal, Tenant};
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;

use super::engine::Bench;

#[tokio::test]
async fn a_conversation_that_a_program_of_before_has_erased_is_not_shown_to_operators() {
    let clock = Arc::new(TestClock::new());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let bench = Bench::on(store.clone(), clock);
    for name in ["kept", "erased"] {
        bench.submit(name, "hello", false).await.log.ended().await;
    }
    let erased = ConversationId::parse("erased").unwrap();
    let conversation = bench.engine.conversation(&erased, &Principal::Open);
    conversation.erase().await.unwrap();
    // A program of before knows one list only, and takes the record out of no other.
    let key = keys::meta(&erased);
    let stored = store.get(&key).await.unwrap().unwrap();
    let record = Record {
        work: Some(Listing {
            group: conversations_with_agents(DEFAULT_TENANT),
            rank: bench.clock.now(),
        }),
        ..stored.record
    };
    let change = Change::Replace(key, stored.version, record);
    store.commit(vec![change]).await.unwrap();

    let tenant = Tenant::default();
    let page = bench.engine.conversations_in(&tenant, None, 10);
    let page = page.await.unwrap();
    let shown: Vec<&str> = page
        .conversations
        .iter()
        .map(|line| line.id.as_str())
        .collect();
    assert_eq!(shown, ["kept"]);
    assert!(page.unreadable.is_empty(), "{page:?}");
}
