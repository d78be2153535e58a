//! What is kept, for how long, and what an erasure leaves.

use std::time::Duration;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::ToolError;
use baton_handoff::record::ActionState;
use baton_handoff::{
    EngineSettings, Kind, Principal, Retention, Subject, Tenant, View, same_owners,
};

use crate::model::{calls, says};
use crate::play::{CONVERSATION, Play, a_minute_passes, listen, message};

const DAY: Duration = Duration::from_hours(24);

fn in_tenant(tenant: &str, kind: Kind, subject: &str) -> Principal {
    let subject = Subject::parse(subject).unwrap();
    Principal::new(Tenant::parse(tenant).unwrap(), kind, subject)
}

async fn begin(play: &Play, principal: &Principal) -> ConversationId {
    let conversation = play.engine.begin(principal);
    let accepted = conversation.submit(message("hello")).await.unwrap();
    listen(&accepted).await;
    conversation.id().clone()
}

async fn exists(play: &Play, id: &ConversationId, principal: &Principal) -> bool {
    let conversation = play.engine.conversation(id, principal);
    let history = conversation.history(None, 10, View::Customer).await;
    history.unwrap().is_some()
}

/// A process that keeps conversations for ten days.
fn for_ten_days() -> Play {
    let kept = u64::try_from((DAY * 10).as_millis()).unwrap();
    Play::begin().beside(EngineSettings {
        retention: Retention {
            conversations: Some(kept),
            ..Retention::default()
        },
        ..EngineSettings::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_nobody_used_for_longer_is_erased_and_no_other_one() {
    let play = for_ten_days();
    let [ann, bob] = ["ann", "bob"].map(|name| in_tenant("default", Kind::Customer, name));
    let unused = begin(&play, &ann).await;
    let used = begin(&play, &bob).await;
    tokio::time::advance(DAY * 6).await;
    let conversation = play.engine.conversation(&used, &bob);
    listen(&conversation.submit(message("still there?")).await.unwrap()).await;
    play.engine.sweep().await.unwrap();
    assert!(exists(&play, &unused, &ann).await);
    tokio::time::advance(DAY * 5).await;
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert!(!exists(&play, &unused, &ann).await);
    assert!(exists(&play, &used, &bob).await);
    assert_eq!(play.records.keys_of(unused.as_str()), ["META"]);
}

#[tokio::test(start_paused = true)]
async fn conversations_of_every_tenant_are_kept_for_as_long() {
    let play = for_ten_days();
    let tenants = ["acme", "default", "umbrella"];
    let mut begun = Vec::new();
    for tenant in tenants {
        let ann = in_tenant(tenant, Kind::Customer, "ann");
        begun.push((begin(&play, &ann).await, ann));
    }
    tokio::time::advance(DAY * 11).await;
    // One tenant a sweep.
    for _ in tenants {
        play.engine.sweep().await.unwrap();
    }
    for (id, owner) in begun {
        assert!(!exists(&play, &id, &owner).await, "{owner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_erased_by_age_unless_that_is_set() {
    let play = Play::begin();
    let ann = in_tenant("default", Kind::Customer, "ann");
    let id = begin(&play, &ann).await;
    tokio::time::advance(DAY * 5_000).await;
    play.engine.sweep().await.unwrap();
    assert!(exists(&play, &id, &ann).await);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_an_action_go_only_when_its_tool_has_forgotten_it() {
    let play = Play::with_workers();
    play.transferred_by("transfer_to_sales_agent").await;
    let order = r#"{"product":"anvil","price":30}"#;
    play.model
        .will([calls(&[("execute_order", order)]), says(&["Ordered."])]);
    play.say("I take the anvil").await;
    let action = play.action(ActionState::Done).await;
    let away = ToolError::Unavailable("the books are away".to_owned());
    play.shop.set_forgets(Err(away));
    play.conversation().erase().await.unwrap();
    a_minute_passes().await;
    let left = play.records.keys_of(CONVERSATION);
    assert!(left.iter().any(|key| key.contains("#A#")), "{left:?}");
    assert_eq!(play.shop.forgotten(), Vec::<String>::new());

    play.shop.set_forgets(Ok(()));
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.records.keys_of(CONVERSATION), ["META"]);
    assert_eq!(play.shop.forgotten(), [action.idempotency_key()]);
}

#[tokio::test(start_paused = true)]
async fn no_record_names_a_customer_of_whom_all_was_erased() {
    let play = Play::begin();
    let ann = in_tenant("default", Kind::Customer, "ann@example.com");
    let before = in_tenant("default", Kind::Visitor, "ann-before");
    let earlier = begin(&play, &before).await;
    play.engine.sign_in(&before, &ann).await.unwrap();
    let own = begin(&play, &ann).await;
    // One that she erased herself.
    let gone = begin(&play, &ann).await;
    play.engine.conversation(&gone, &ann).erase().await.unwrap();
    a_minute_passes().await;
    let bob = in_tenant("default", Kind::Customer, "bob");
    let other = begin(&play, &bob).await;

    let owner = ann.owner();
    let owners = same_owners(&**play.engine.store(), &owner).await.unwrap();
    assert_eq!(owners.len(), 2);
    for owner in &owners {
        let done = play.engine.erase_conversations(owner).await.unwrap();
        assert_eq!(done.open, []);
    }
    play.engine.erase_name(&owner).await.unwrap();
    let left = play.records.texts();
    let named = left.iter().filter(|text| text.contains("ann"));
    assert_eq!(named.collect::<Vec<_>>(), Vec::<&String>::new());
    for id in [&earlier, &own, &gone] {
        assert_eq!(play.records.keys_of(id.as_str()), ["META"]);
        assert!(!exists(&play, id, &ann).await);
    }
    assert!(exists(&play, &other, &bob).await);
    // The name is free again, and opens nothing of before.
    let anew = begin(&play, &ann).await;
    let possessed = play.engine.possessed_by(&owner).await.unwrap();
    assert_eq!(
        (possessed.conversations, possessed.erased),
        (vec![anew], vec![])
    );
}
