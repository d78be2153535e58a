//! A model that answers for longer than any invocation lives: the turn goes from the chat function to the worker by the queue,
//! and from worker to worker; the customer follows, and misses nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_handoff::ports::{Lane, Queue};
use baton_kit::lambda::url::Url;
use baton_kit::lambda::{Api, LONG};
use baton_rehearsal::scripted::{ScriptedModel, says, stream};
use serde_json::json;

use crate::cloud::Cloud;
use crate::hearing::{Format, Heard, Way};

/// A turn is given up 15 s before the deadline: after two seconds.
const SHORT: Duration = Duration::from_secs(17);

/// Steps, each of which takes longer than the rest of an owner's life.
const STEPS: usize = 3;

/// Each step is said by half until its owner gives up, and whole to the next one.
async fn slow_model() -> ScriptedModel {
    let asked_before = Mutex::new(HashMap::<(String, usize), usize>::new());
    ScriptedModel::responding(move |asked| {
        let messages = asked.messages();
        let step = messages
            .iter()
            .rev()
            .take_while(|message| message["role"] != "user")
            .filter(|message| message["role"] == "tool")
            .count();
        let mut before = asked_before.lock().unwrap();
        let customer = messages
            .iter()
            .rev()
            .find(|message| message["role"] == "user")
            .map(|message| message["content"].to_string())
            .unwrap();
        let tries = before.entry((customer, step)).or_default();
        *tries += 1;
        let begin = stream().says(&format!("{step} begins, "));
        match (step, *tries) {
            (STEPS.., _) => says("The end."),
            (_, 1) => begin.then_hangs(),
            _ => begin
                .says(&format!("{step} ends. "))
                .calls("look_up_item", r#"{"search_query":"anvil"}"#),
        }
    })
    .await
}

fn whole() -> String {
    (0..STEPS)
        .map(|step| format!("{step} begins, {step} ends. "))
        .chain(["The end.".to_owned()])
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn an_answer_outlives_every_invocation_and_the_customer_gets_all_of_it() {
    let model = slow_model().await;
    let cloud = Cloud::start().await;
    let (chat, worker) = (Api::start().await, Arc::new(Api::start().await));
    let _chat = cloud.process("chat", &chat, &model.url());
    let _worker = cloud.process("worker", &worker, &model.url());
    let url = Url::start(&chat, SHORT).await;
    let way = Way::to(&url.address());
    for (number, format) in Format::ALL.into_iter().enumerate() {
        let conversation = format!("c{number}");
        let mappings = cloud.map(&worker, SHORT);
        let asked = model.requests().len();
        let mut heard = Heard::to_say(format, &conversation, &conversation);
        heard.listen(&way, |_| false).await;
        assert_eq!((heard.text(), &heard.end), ("0 begins, ".to_owned(), &None));
        // Nobody listens: it is the worker who asks again, and who gives up in its turn.
        model.arrived(asked + 3).await;
        let heard = heard.hear_out(&way).await;
        assert_eq!(heard.end.as_deref(), Some("committed"));
        assert_eq!(heard.text(), whole());
        assert!(heard.connections > 1, "{heard:?}");
        assert!(mappings[0].worked() > 0);
        // Who comes when all is over gets the same.
        let after = Heard::of_turn(format, &conversation, 1);
        let after = after.hear_out(&Way::to(&url.address())).await;
        assert_eq!(after.pieces, heard.pieces);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn a_turn_whose_message_was_lost_is_found_by_the_sweep() {
    let model = slow_model().await;
    let cloud = Cloud::start().await;
    let (chat, worker) = (Api::start().await, Arc::new(Api::start().await));
    let _chat = cloud.process("chat", &chat, &model.url());
    let _worker = cloud.process("worker", &worker, &model.url());
    let url = Url::start(&chat, SHORT).await;
    let mut heard = Heard::to_say(Format::Sse, "c", "hello");
    heard.listen(&Way::to(&url.address()), |_| false).await;
    let receive = async || {
        let wait = Duration::from_secs(20);
        let received = cloud.queue.receive(Lane::Turns, 1, wait, wait).await;
        received.unwrap().pop().expect("a message")
    };
    let lost = receive().await;
    assert_eq!(lost.body, "c");
    cloud.queue.ack(Lane::Turns, &lost.receipt).await.unwrap();
    // Nobody knows of the turn now but the table.
    let schedule = json!({ "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} });
    let swept = worker.invoke(&schedule, LONG).rest().await;
    assert_eq!(swept, br#"{"batchItemFailures":[]}"#);
    let mappings = cloud.map(&worker, SHORT);
    model.arrived(2).await;
    let heard = heard.hear_out(&Way::to(&url.address())).await;
    assert_eq!(heard.text(), whole());
    assert!(mappings[0].worked() > 0);
}
