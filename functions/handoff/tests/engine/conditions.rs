//! What tools know of the customer, and what code asks before a call may run.

use std::time::Duration;

use baton_handoff::event::EventKind;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, Price};
use baton_handoff::record::{ActionState, ToolOutcome};
use baton_handoff::{Claims, Conversation, Decision, Kind, Principal, Subject, Tenant};
use serde_json::{Map, json};

use crate::model::{calls, says};
use crate::play::{Heard, Play, listen, message};

const LOOK_UP: (&str, &str) = ("look_up_item", r#"{"search_query":"anvil"}"#);
const REFUND: (&str, &str) = ("execute_refund", r#"{"item_id":"i-1"}"#);
const OTHER: (&str, &str) = ("execute_refund", r#"{"item_id":"i-2"}"#);

const KIND: &str = "identity = [\"item_id\"]";
const VERIFIED: &str = "identity = [\"item_id\"]\nverified = true";
const AFTER: &str = r#"identity = ["item_id"]
after = { tool = "look_up_item", same = [{ argument = "item_id", result = "/id" }] }"#;

/// ACME's, with this in place of the refund's identity, and the repairs alone.
fn play(refund: &str) -> Play {
    let play = Play::with_team(&[
        (KIND, refund),
        (
            "entry = \"TriageAgent\"",
            "entry = \"IssuesAndRepairsAgent\"",
        ),
    ]);
    play.shop.say(r#"{"id":"i-1"}"#);
    play.hire();
    play
}

fn principal(kind: Kind, subject: &str) -> Principal {
    Principal::new(Tenant::default(), kind, Subject::parse(subject).unwrap())
}

fn gold() -> Claims {
    Claims::new(Map::from_iter([("plan".to_owned(), json!("gold"))])).unwrap()
}

async fn say(conversation: &Conversation) -> Heard {
    let accepted = conversation
        .submit(message("my anvil broke"))
        .await
        .unwrap();
    listen(&accepted).await
}

/// The outcomes of the calls, in their order.
fn outcomes(heard: &Heard) -> Vec<ToolOutcome> {
    let finished = heard.events.iter().filter_map(|event| {
        if let EventKind::ToolFinished(finished) = &event.kind {
            Some(finished.outcome)
        } else {
            None
        }
    });
    finished.collect()
}

fn plan(context: &CallContext) -> Option<&str> {
    context.speaker.claims.get("plan")?.as_str()
}

#[tokio::test(start_paused = true)]
async fn a_tool_for_verified_customers_is_called_for_no_other() {
    for (who, effects) in [
        (Principal::Open, 0),
        (principal(Kind::Visitor, "v1"), 0),
        (principal(Kind::Service, "ann"), 0),
        (principal(Kind::Customer, "ann"), 1),
    ] {
        let play = play(VERIFIED);
        play.model.will([calls(&[REFUND]), says(&["So it is."])]);
        say(&play.engine.begin(&who)).await;
        assert_eq!(play.shop.effects(), effects, "{who:?}");
        let refused = "execute_refund was not called: it is only for customers who have signed in, and this one has not. \
                       Ask the customer to sign in.";
        let told = play.model.last_asked().iter().any(|text| text == refused);
        assert_eq!(told, effects == 0, "{who:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_has_signed_in_is_the_customer_from_then_on() {
    let play = play(VERIFIED);
    let (visitor, ann) = (
        principal(Kind::Visitor, "v1"),
        principal(Kind::Customer, "ann"),
    );
    play.model.will([
        calls(&[REFUND]),
        says(&["Sign in, please."]),
        calls(&[LOOK_UP, REFUND]),
        says(&["Refunded."]),
    ]);
    let begun = play.engine.begin(&visitor);
    let id: ConversationId = begun.id().clone();
    say(&begun).await;
    assert_eq!(play.shop.effects(), 0);
    play.engine.sign_in(&visitor, &ann).await.unwrap();
    say(&play.engine.conversation(&id, &ann).with_claims(gold())).await;
    for told in [
        play.shop.told("look_up_item"),
        play.shop.told("execute_refund"),
    ] {
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].owner, visitor.owner());
        assert_eq!(
            (told[0].customer(), plan(&told[0])),
            (Some("ann"), Some("gold"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_a_day_later_and_the_late_turn_have_the_claims_of_the_message() {
    let play = play(KIND);
    let ann = principal(Kind::Customer, "ann");
    play.shop.set_price(Price::Known(90_000));
    play.model.will([
        calls(&[REFUND]),
        says(&["A colleague will look at it."]),
        // The late turn.
        calls(&[LOOK_UP]),
        says(&["It is refunded."]),
    ]);
    let conversation = play.engine.begin(&ann).with_claims(gold());
    say(&conversation).await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    let action = play.action(ActionState::Proposed).await;
    play.decide(&action, Decision::Approve).await.unwrap();
    while play.shop.told("look_up_item").is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let refund = &play.shop.told("execute_refund")[0];
    assert_eq!(
        (refund.customer(), plan(refund)),
        (Some("ann"), Some("gold"))
    );
    assert_eq!(
        refund.approved_by.as_ref().map(Subject::as_str),
        Some("carl")
    );
    let look_up = &play.shop.told("look_up_item")[0];
    assert_eq!(
        (look_up.customer(), plan(look_up)),
        (Some("ann"), Some("gold"))
    );
    assert_eq!((refund.turn, look_up.turn), (1, 2));
    assert_ne!(refund.span, look_up.span);
}

#[tokio::test(start_paused = true)]
async fn a_regenerated_answer_has_the_claims_of_the_message() {
    let play = play(KIND);
    let ann = principal(Kind::Customer, "ann");
    play.model
        .will([says(&["Hm."]), calls(&[LOOK_UP]), says(&["Found."])]);
    let conversation = play.engine.begin(&ann).with_claims(gold());
    say(&conversation).await;
    // The caller has none now.
    let again = play.engine.conversation(conversation.id(), &ann);
    listen(&again.regenerate(1).await.unwrap()).await;
    assert_eq!(plan(&play.shop.told("look_up_item")[0]), Some("gold"));
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_called_after_the_success_of_the_other_with_an_equal_value() {
    let play = play(AFTER);
    play.model.will([
        // Side by side is not after.
        calls(&[LOOK_UP, REFUND]),
        calls(&[OTHER]),
        calls(&[REFUND]),
        says(&["Refunded."]),
    ]);
    let heard = play.say("my anvil broke").await;
    let [good, bad] = [ToolOutcome::Ok, ToolOutcome::Error];
    assert_eq!(outcomes(&heard), [good, bad, bad, good]);
    assert_eq!(play.shop.effects(), 1);
    let refused = "execute_refund was not called: look_up_item must have succeeded before in this conversation, with a result \
                   that has this item_id at /id.";
    assert!(play.model.last_asked().iter().any(|text| text == refused));
}

#[tokio::test(start_paused = true)]
async fn a_success_holds_in_later_turns_and_other_processes_for_the_same_customer_only() {
    let play = play(AFTER);
    let (visitor, ann) = (
        principal(Kind::Visitor, "v1"),
        principal(Kind::Customer, "ann"),
    );
    let begun = play.engine.begin(&visitor);
    play.model.will([calls(&[LOOK_UP]), says(&["Found."])]);
    say(&begun).await;
    play.crash();
    let other = play.another();
    other.hire();
    other.model.will([calls(&[REFUND]), says(&["Refunded."])]);
    let id = begun.id().clone();
    say(&other.engine.conversation(&id, &visitor)).await;
    assert_eq!(other.shop.effects(), 1);
    // Signing in forgets it.
    other.engine.sign_in(&visitor, &ann).await.unwrap();
    other
        .model
        .will([calls(&[REFUND]), says(&["First I have to look it up."])]);
    say(&other.engine.conversation(&id, &ann)).await;
    assert_eq!(other.shop.effects(), 1);
    other.model.will([
        calls(&[LOOK_UP]),
        calls(&[REFUND]),
        says(&["Refunded again."]),
    ]);
    say(&other.engine.conversation(&id, &ann)).await;
    assert_eq!(other.shop.effects(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_failed_is_no_success() {
    let play = play(AFTER);
    let failed = baton_handoff::ports::ToolError::Refused(r#"{"id":"i-1"}"#.to_owned());
    play.shop.set_found(Err(failed));
    play.model
        .will([calls(&[LOOK_UP]), calls(&[REFUND]), says(&["No."])]);
    play.say("my anvil broke").await;
    assert_eq!(play.shop.effects(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_erased_conversation_remembers_no_success() {
    let play = play(AFTER);
    play.model.will([calls(&[LOOK_UP]), says(&["Found."])]);
    play.say("my anvil broke").await;
    play.conversation().erase().await.unwrap();
    play.model.will([calls(&[REFUND]), says(&["No."])]);
    play.say("my anvil broke").await;
    assert_eq!(play.shop.effects(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_lies_between_no_two_other_actions() {
    let order = ("execute_order", r#"{"product":"anvil","price":5}"#);
    let play = Play::with_team(&[
        (KIND, AFTER),
        (
            "entry = \"TriageAgent\"",
            "entry = \"IssuesAndRepairsAgent\"",
        ),
        (
            "tools = [\"look_up_item\", \"execute_refund\"]",
            "tools = [\"look_up_item\", \"execute_refund\", \"execute_order\"]",
        ),
    ]);
    play.hire();
    play.model.will([
        calls(&[order]),
        calls(&[REFUND]),
        calls(&[order]),
        says(&["Ordered."]),
    ]);
    play.say("an anvil, please").await;
    assert_eq!(play.shop.effects(), 1);
}
