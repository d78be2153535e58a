//! What the functions may do on AWS is what they do: the calls of the real programs beside the policies of the template, both
//! ways. And the settings that the template gives them are settings that they start with.
//!
//! And what a turn costs there ([`costs`]). Their AWS is a stand-in that records: DynamoDB is an engine in this process, SQS and Secrets Manager say what they would.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod cloud;
mod costs;
mod function;
mod template;
mod tools;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use baton_aws::{DynamoStore, local_config};
use baton_kit::cloud::Dynamo;
use baton_stores::env::SystemEnv;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use cloud::{Message, PATIENCE};
use function::{Function, batch, message, request, say};
use template::Template;

/// What an operator sends along.
const OPERATOR: (&str, &str) = ("authorization", "Bearer an operator of the tests");

/// A table in an engine of its own.
struct Table {
    url: String,
}

impl Table {
    async fn start() -> Self {
        let url = Dynamo::start().url();
        let store = DynamoStore::new(&local_config(&url).unwrap(), "baton", Arc::new(SystemEnv));
        store.create_table().await.unwrap();
        Self { url }
    }

    fn client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&local_config(&self.url).unwrap())
    }

    async fn items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let found = self.client().scan().table_name("baton").send().await;
        found.unwrap().items.unwrap_or_default()
    }

    /// Makes the sweeper find everything that it can ever find, and workers see that it is due.
    async fn make_everything_due(&self) {
        for mut item in self.items().await {
            if !item.contains_key("due_at") {
                continue;
            }
            item.insert("due_at".to_owned(), AttributeValue::N("1".to_owned()));
            let mut body: Value = serde_json::from_str(item["body"].as_s().unwrap()).unwrap();
            body["look_at"] = json!(1);
            item.insert("body".to_owned(), AttributeValue::S(body.to_string()));
            // Of the version that was read: what was written meanwhile is made due by the next round.
            let version = item["version"].clone();
            let put = self.client().put_item().table_name("baton");
            let put = put
                .set_item(Some(item))
                .condition_expression("version = :version")
                .expression_attribute_values(":version", version);
            let _written_meanwhile = put.send().await;
        }
    }

    /// The sort keys of what is there of a conversation.
    async fn records_of(&self, conversation: &str) -> Vec<String> {
        let partition = AttributeValue::S(format!("C#{conversation}"));
        let items = self.items().await;
        let of = items.iter().filter(|item| item["pk"] == partition);
        of.map(|item| item["sk"].as_s().unwrap().clone()).collect()
    }
}

async fn any(messages: &mut mpsc::UnboundedReceiver<Message>) -> Message {
    tokio::time::timeout(PATIENCE, messages.recv())
        .await
        .expect("a message is sent")
        .unwrap()
}

/// The next message of a queue; those of the other one are for nobody here.
async fn next(messages: &mut mpsc::UnboundedReceiver<Message>, queue: &str) -> Message {
    loop {
        let message = any(messages).await;
        if message.0 == queue {
            return message;
        }
    }
}

/// Three messages that end in a refund, the last one answered later.
async fn complain(chat: &mut Function, conversation: &str) -> Value {
    say(
        chat,
        conversation,
        "My rocket-powered unicycle exploded, I want my money back",
    )
    .await;
    say(chat, conversation, "It just did").await;
    message(conversation, "No. Give me a refund!")
}

async fn a_refund_while_the_customer_waits(
    chat: &mut Function,
    worker: &mut Function,
    messages: &mut mpsc::UnboundedReceiver<Message>,
) {
    let asked = complain(chat, "first").await;
    let answered = chat.ask(request("POST", "/chat/completions", &[], Some(&asked)));
    let refund = async {
        let (queue, body) = next(messages, "ActionsQueue").await;
        // A message that cannot be worked on now is put off.
        worker.cloud.refuse_next_read();
        let answer = worker.ask(batch(&queue, &body)).await;
        assert!(answer.contains(r#""itemIdentifier":"m""#), "{answer}");
        let answer = worker.ask(batch(&queue, &body)).await;
        assert!(answer.contains(r#""batchItemFailures":[]"#), "{answer}");
    };
    let (answered, ()) = tokio::join!(answered, refund);
    assert!(answered.contains("committed"), "{answered}");
}

/// The customer is gone before the turn runs, and asks to be forgotten before the refund does. And a message in the background
/// that no worker gets.
async fn a_refund_in_the_background(
    chat: &mut Function,
    worker: &mut Function,
    messages: &mut mpsc::UnboundedReceiver<Message>,
) {
    let asked = complain(chat, "second").await;
    let later = [("prefer", "respond-async")];
    let accepted = chat.ask(request("POST", "/chat/completions", &later, Some(&asked)));
    assert!(accepted.await.contains(r#""statusCode":202"#));
    let (queue, body) = next(messages, "TurnsQueue").await;
    assert_eq!(body, "second");
    worker.ask(batch(&queue, &body)).await;
    next(messages, "ActionsQueue").await;
    let erased = chat
        .ask(request("DELETE", "/conversations/second", &[], None))
        .await;
    assert!(erased.contains(r#""statusCode":20"#), "{erased}");
    // Behind its answer it removes what it can. A worker that sweeps before that would do it in its place.
    chat.cloud.has_called("dynamodb:DeleteItem", "Table").await;
    let greeting = message("third", "Hello!");
    chat.ask(request(
        "POST",
        "/chat/completions",
        &later,
        Some(&greeting),
    ))
    .await;
    next(messages, "TurnsQueue").await;
}

async fn an_operator_looks_at_everything(chat: &mut Function) {
    for path in [
        "/conversations",
        "/conversations/first",
        "/conversations/first/export",
        "/actions?state=done",
        "/orders",
        "/refunds",
    ] {
        let answer = chat.ask(request("GET", path, &[OPERATOR], None)).await;
        assert!(answer.contains(r#""statusCode":200"#), "{path}: {answer}");
    }
}

/// What is no id can never be worked on. It is shown again until the queue's own rule makes it a dead letter.
async fn messages_that_are_no_ids(worker: &mut Function) {
    for queue in ["TurnsQueue", "ActionsQueue"] {
        let answer = worker.ask(batch(queue, "no id/of anything")).await;
        assert!(answer.contains(r#""itemIdentifier":"m""#), "{answer}");
        let visibility = "sqs:ChangeMessageVisibility";
        worker.cloud.has_called(visibility, queue).await;
    }
}

/// The refund, the greeting, and last the records of the conversation that was erased while its refund was open.
async fn the_sweeper_finds_what_was_lost(
    table: &Table,
    worker: &mut Function,
    messages: &mut mpsc::UnboundedReceiver<Message>,
) {
    let swept_clean = async {
        loop {
            table.make_everything_due().await;
            let swept = worker.ask(json!({"source": "baton.sweep"})).await;
            assert!(swept.contains("batchItemFailures"), "{swept}");
            // Whatever it sends is sent before it answers.
            while let Ok((queue, body)) = messages.try_recv() {
                worker.ask(batch(&queue, &body)).await;
            }
            if table.records_of("second").await == ["META"] {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, swept_clean)
        .await
        .expect("the erased conversation's records are removed");
    // The worker carried the refund out after the erasure: its amount stays, and no word of it.
    let refunds: Vec<String> = table
        .items()
        .await
        .iter()
        .filter(|item| item["pk"].as_s().unwrap() == "B#REFUNDED#second")
        .map(|item| item["body"].as_s().unwrap().clone())
        .collect();
    let [refund] = refunds.as_slice() else {
        panic!("{refunds:?}");
    };
    let refund: Value = serde_json::from_str(refund).unwrap();
    assert_eq!(
        (&refund["reason"], &refund["refunded_cents"]),
        (&json!("(erased)"), &json!(39_900))
    );
    assert_ne!(refund["conversation"], "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the functions and the template as JSON: ./infra/test template makes both"]
async fn the_functions_may_do_what_they_do_and_nothing_else() {
    let template = Template::read();
    let table = Table::start().await;
    let (sent, mut messages) = mpsc::unbounded_channel();
    let settings = |host: &str| template.environment("ChatFunction", host);
    let mut chat = Function::start("chat", &table.url, sent.clone(), settings).await;
    let settings = |host: &str| template.environment("WorkerFunction", host);
    let mut worker = Function::start("worker", &table.url, sent, settings).await;

    a_refund_while_the_customer_waits(&mut chat, &mut worker, &mut messages).await;
    an_operator_looks_at_everything(&mut chat).await;
    a_refund_in_the_background(&mut chat, &mut worker, &mut messages).await;
    messages_that_are_no_ids(&mut worker).await;
    the_sweeper_finds_what_was_lost(&table, &mut worker, &mut messages).await;
    let greeting = table.records_of("third").await;
    assert!(
        greeting.iter().any(|sort| sort.contains("#S#")),
        "{greeting:?}"
    );

    assert_eq!(chat.cloud.calls(), template.allowed("ChatRole"));
    assert_eq!(worker.cloud.calls(), template.allowed("WorkerRole"));
}
