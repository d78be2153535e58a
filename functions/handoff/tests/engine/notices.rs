//! What endpoints of other systems are told: once at least, in order, until they listen no more.

use std::time::Duration;

use baton_handoff::Decision;
use baton_handoff::ports::{Delivered, Outcome, Price};
use baton_handoff::record::ActionState;
use serde_json::{Value, json};

use crate::model::{calls, says};
use crate::play::{CONVERSATION, Play, a_minute_passes, colleague, message_as};

const REFUND: (&str, &str) = ("execute_refund", r#"{"item_id":"i-1"}"#);

const CRM: &str = r#"
[[webhook]]
name = "crm"
url = "https://crm.example/baton"
secret = { env = "CRM_SECRET" }
"#;

fn failed() -> Delivered {
    Delivered::Failed("it answered 503".to_owned(), None)
}

impl Play {
    /// What the endpoint was sent, as JSON.
    fn notices(&self) -> Vec<Value> {
        let posted = self.shop.posted();
        let bodies = posted
            .iter()
            .map(|(_, body)| serde_json::from_str(body).unwrap());
        bodies.collect()
    }

    /// The turns of what it was sent.
    fn turns(&self) -> Vec<u64> {
        let notices = self.notices();
        let turns = notices
            .iter()
            .map(|notice| notice.pointer("/data/turn").unwrap().as_u64().unwrap());
        turns.collect()
    }

    async fn hours_pass(&self, hours: u64) {
        for _ in 0..hours * 4 {
            tokio::time::sleep(Duration::from_mins(15)).await;
            self.engine.sweep().await.unwrap();
        }
        a_minute_passes().await;
    }

    fn undelivered(&self) -> usize {
        let partition = format!("H#crm#{CONVERSATION}");
        self.records.bodies(&partition).len()
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_told_of_the_end_of_a_turn_without_its_words() {
    let play = Play::with_more(CRM);
    play.hire();
    play.model.will([says(&["The answer."])]);
    let accepted = play.submit(message_as("m-1", "A secret?")).await.unwrap();
    crate::play::listen(&accepted).await;
    a_minute_passes().await;
    let notices = play.notices();
    let [notice] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert_eq!(notice["type"], "turn.completed");
    let at = notice["timestamp"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
    assert_eq!(
        notice["data"],
        json!({
            "tenant": "default",
            "conversation": CONVERSATION,
            "turn": 1,
            "state": "committed",
            "agent": "TriageAgent",
            "origin": "customer",
            "message_id": "m-1",
        })
    );
    assert_eq!(play.undelivered(), 0);
}

#[tokio::test(start_paused = true)]
async fn texts_are_told_where_the_file_says_so() {
    let play = Play::with_more(&format!("{CRM}texts = true"));
    play.hire();
    play.model.will([says(&["The answer."])]);
    play.say("A question?").await;
    a_minute_passes().await;
    let data = &play.notices()[0]["data"];
    assert_eq!(
        (&data["message"], &data["answer"]),
        (&json!("A question?"), &json!("The answer."))
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_missed_comes_in_order_when_it_is_back() {
    let play = Play::with_more(CRM);
    play.hire();
    play.shop.endpoints_answer(Some(failed()));
    for _ in 0..3 {
        play.model.will([says(&["Yes."])]);
        play.say("Well?").await;
    }
    play.hours_pass(1).await;
    assert!(play.turns().len() > 3, "it is tried again");
    assert!(
        play.turns().iter().all(|turn| *turn == 1),
        "the first one first"
    );
    let ids = |play: &Play| play.shop.posted().into_iter().map(|(id, _)| id);
    let first = ids(&play).next().unwrap();
    assert!(
        ids(&play).all(|id| id == first),
        "the same id at each attempt"
    );
    play.shop.endpoints_answer(None);
    let before = play.turns().len();
    play.hours_pass(2).await;
    assert_eq!(play.turns()[before..], [1, 2, 3]);
    assert_eq!(play.undelivered(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_while_it_tells_is_followed_by_another() {
    let play = Play::with_more(CRM);
    play.model.will([says(&["Yes."])]);
    play.say("Well?").await;
    // The message is lost, and nobody works.
    play.post.lose_all();
    play.crash();
    let other = play.another();
    other.hire();
    a_minute_passes().await;
    assert_eq!(other.engine.sweep().await.unwrap().notices, 1);
    a_minute_passes().await;
    assert_eq!(other.turns(), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_wants_nothing_more_is_paused_until_it_is_resumed() {
    let play = Play::with_more(CRM);
    play.hire();
    play.shop.endpoints_will([Delivered::Gone]);
    play.model.will([says(&["Yes."]), says(&["Yes."])]);
    play.say("Well?").await;
    a_minute_passes().await;
    play.say("And this?").await;
    play.hours_pass(3).await;
    assert_eq!(play.turns(), [1], "nothing more is tried");
    let endpoints = play.engine.endpoints().await.unwrap();
    let paused = endpoints[0].state.as_ref().unwrap();
    assert!(paused.paused_at.is_some(), "{paused:?}");
    assert!(play.engine.resume_endpoint("crm").await.unwrap());
    play.hours_pass(1).await;
    assert_eq!(play.turns(), [1, 1, 2]);
    assert_eq!(play.engine.endpoints().await.unwrap()[0].state, None);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_a_day_is_paused_and_what_is_old_is_given_up() {
    let play = Play::with_more(CRM);
    play.hire();
    play.shop.endpoints_answer(Some(failed()));
    play.model.will([says(&["Yes."])]);
    play.say("Well?").await;
    play.hours_pass(26).await;
    let tried = play.turns().len();
    let endpoints = play.engine.endpoints().await.unwrap();
    assert!(endpoints[0].state.as_ref().unwrap().paused_at.is_some());
    play.hours_pass(4).await;
    assert_eq!(play.turns().len(), tried);
    assert_eq!(play.undelivered(), 1);
    play.hours_pass(44).await;
    assert_eq!(play.undelivered(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_operator_is_told_and_what_was_decided() {
    let play = Play::with_more(CRM);
    play.hire();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model.will([
        calls(&[REFUND]),
        says(&["Somebody looks."]),
        says(&["Done."]),
    ]);
    play.shop.set_price(Price::Known(90_000));
    play.shop.set_outcome(Outcome::Done("Refunded.".to_owned()));
    play.say("my rocket broke").await;
    let action = play.action(ActionState::Proposed).await;
    let carl = colleague("Carl");
    let reasons = baton_handoff::Reasons::default();
    let decided = play.decide_as(&carl, &action, Decision::Approve, reasons);
    decided.await.unwrap();
    a_minute_passes().await;
    let notices = play.notices();
    let told: Vec<_> = notices
        .iter()
        .map(|notice| {
            let data = &notice["data"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&notice["type"]), text(&data["state"]))
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        told,
        [
            ("turn.completed", "committed"),
            ("approval.needed", "proposed"),
            ("turn.completed", "committed"),
            ("action.decided", "queued"),
            ("turn.completed", "committed"),
        ]
    );
    let needed = &notices[1]["data"];
    assert_eq!(needed["action"], action.id.to_string());
    assert_eq!(needed["amount_cents"], 90_000);
    let decided = &notices[3]["data"];
    assert_eq!(decided["decision"], "approve");
    assert_eq!(decided["decided_by"], "Carl");
    assert_eq!(decided.get("arguments"), None);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_approves_in_time_is_told() {
    let play = Play::with_more(CRM);
    play.hire();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model
        .will([calls(&[REFUND]), says(&["Somebody looks."]), says(&["No."])]);
    play.shop.set_price(Price::Known(90_000));
    play.say("my rocket broke").await;
    play.action(ActionState::Proposed).await;
    play.hours_pass(73).await;
    let notices = play.notices();
    let decided = notices
        .iter()
        .find(|notice| notice["type"] == "action.decided");
    let data = &decided.unwrap()["data"];
    assert_eq!(data["state"], "rejected");
    assert_eq!(data.get("decided_by"), None);
}

#[tokio::test(start_paused = true)]
async fn an_erasure_takes_what_was_not_delivered() {
    let play = Play::with_more(&format!("{CRM}texts = true"));
    play.hire();
    play.shop.endpoints_answer(Some(failed()));
    play.model.will([says(&["Yes."])]);
    play.say("Well?").await;
    a_minute_passes().await;
    assert_eq!(play.undelivered(), 1);
    play.conversation().erase().await.unwrap();
    a_minute_passes().await;
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.undelivered(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_stopped_before_it_begins_is_told_too() {
    let play = Play::with_more(CRM);
    play.hire();
    let (reply, gate) = crate::model::says_and_waits("One.");
    play.model.will([reply]);
    let first = play.submit(message_as("m-1", "One?")).await.unwrap();
    let second = play.submit(message_as("m-2", "Two?")).await.unwrap();
    play.conversation().stop(second.turn).await.unwrap();
    gate.open();
    crate::play::listen(&first).await;
    a_minute_passes().await;
    let notices = play.notices();
    let stopped = notices
        .iter()
        .find(|notice| notice["data"]["message_id"] == "m-2");
    assert_eq!(stopped.unwrap()["data"]["state"], "stopped");
    assert_eq!(play.turns().len(), 2);
}
