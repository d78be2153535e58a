//! The operator's page where there is much: pages of actions, and the books.

use std::sync::Arc;

use baton_handoff::Owner;
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{Change, Env, Store};
use baton_handoff::record::{ActionRecord, ActionState, keys};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;
use serde_json::json;

use crate::access::axe_finds_nothing;
use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::{Server, data_file};

/// So many refunds in a state, as a server would have written them; one was accepted each minute, the last one just now.
async fn write_refunds(folder: &Folder, state: ActionState, many: u32) {
    const MINUTE: u64 = 60_000;
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let now = env.now();
    let store = SqliteStore::open(data_file(folder), env).unwrap();
    let conversation = ConversationId::parse(state.as_str()).unwrap();
    let records = (0..many).map(|number| {
        let id = ActionId::new(
            conversation.clone(),
            1,
            "execute_refund",
            &number.to_string(),
            0,
        );
        let action = ActionRecord {
            id: id.clone(),
            owner: Owner::none(),
            speaker: baton_handoff::Speaker::default(),
            tool: "execute_refund".to_owned(),
            arguments: json!({"item_id": format!("{}-{number}", state.as_str())}).to_string(),
            amount_cents: Some(74_900),
            over: None,
            confirmation: None,
            agent: "IssuesAndRepairsAgent".to_owned(),
            state,
            accepted_at: now - u64::from(many - number) * MINUTE,
            ended_at: None,
            due_at: now + 1_000 * MINUTE,
            attempts: 0,
            first_try_at: None,
            tried_before: false,
            awaited_until: None,
            place: 0,
            after: None,
            fence: 0,
            holder: String::new(),
            result: None,
            reason: None,
            reason_for_customer: None,
            approvals: Vec::new(),
            decided: None,
            receipt: 0,
        };
        Change::Create(keys::action(&id), action.record())
    });
    store.commit(records.collect()).await.unwrap();
    store.close().await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn of_more_than_a_page_the_one_that_waits_longest_comes_first() {
    let folder = Folder::new("many");
    write_refunds(&folder, ActionState::Proposed, 90).await;
    write_refunds(&folder, ActionState::Done, 70).await;
    let server = Server::over(folder, "rehearsal").await;
    let browser = Browser::start().await;
    let desk = browser.open(&server.desk()).await;
    desk.shows(".oldest", "Waiting longest: 2 hours ago").await;
    let first = "document.querySelector('.action-row .about').textContent.includes('proposed-0')";
    desk.until("the oldest comes first", first).await;
    desk.shows_in("[data-state=proposed] .count", "90").await;
    desk.shows_in("[data-state=done] .count", "50+").await;
    desk.shows_in("[data-state=all] .count", "140+").await;
    desk.has(100, ".action-row").await;
    desk.screenshot("desk-many").await;
    axe_finds_nothing(&desk, "a desk with much to do").await;

    desk.press("Needs approval 90").await;
    desk.has(50, ".action-row").await;
    desk.press("Show newer ones").await;
    desk.has(90, ".action-row").await;
    desk.until("the oldest comes first", first).await;
    desk.press("Done 50+").await;
    desk.has(50, ".action-row").await;
    desk.shows_in(".action-row .about", "done-20").await;
    desk.press("Show older ones").await;
    desk.has(70, ".action-row").await;
    desk.shows_in(".action-row .about", "done-0").await;
    desk.has(0, ".queue li > .quiet-button").await;
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_old_action_that_was_just_decided_stays_in_view() {
    let folder = Folder::new("decided");
    write_refunds(&folder, ActionState::Proposed, 90).await;
    write_refunds(&folder, ActionState::Rejected, 60).await;
    let server = Server::over(folder, "rehearsal").await;
    let browser = Browser::start().await;
    let desk = browser.open(&server.desk()).await;
    desk.shows_in("[data-state=proposed] .count", "90").await;
    desk.click(".queue li:first-child .action-row").await;
    desk.shows_in(".detail dl", "proposed-0").await;
    desk.click("#reason").await;
    desk.types("Too late").await;
    desk.press("Reject").await;
    desk.shows(".detail .state", "Rejected").await;
    desk.shows_in(".detail dl", "Too late").await;
    desk.shows_in("[data-state=proposed] .count", "89").await;
    // 50 newer ones are rejected too: on no page that the desk reads.
    let listed = server.get("actions").await.to_string();
    assert!(!listed.contains("proposed-0\""), "{listed}");
    desk.press("Needs approval 89").await;
    desk.has(50, ".action-row").await;
    desk.shows(".detail .state", "Rejected").await;
    desk.shows_in(".detail dl", "proposed-0").await;
    desk.shows(".beside .note", "Its conversation was deleted.")
        .await;
    desk.screenshot("desk-decided").await;
    desk.has_no_errors();
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn on_a_small_phone_the_books_are_cards() {
    let (server, browser) = (Server::rehearsal().await, Browser::start().await);
    let desk = browser.blank().await;
    desk.is_sized(320, 640, true).await;
    desk.goto(&server.desk()).await;
    desk.press("Orders").await;
    desk.shows_in(".book tbody", "Catapult").await;
    desk.screenshot("desk-orders-phone").await;
    assert!(
        desk.eval::<bool>("document.documentElement.scrollWidth <= innerWidth")
            .await,
        "nothing is wider than the screen"
    );
    axe_finds_nothing(&desk, "the orders on a phone").await;
    desk.has_no_errors();
}
