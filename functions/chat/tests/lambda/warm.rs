//! Events that are no requests: those of warmers are answered, and others are errors.

use baton_kit::lambda::LONG;
use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{ScriptedModel, says};
use serde_json::{Value, json};

use crate::function::{Function, lines};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_warmer_is_answered_and_no_customer_is_troubled() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let mut function = Function::start(&model).await;
    for event in [
        json!({ "warmer": true }),
        json!({ "warmer": true, "concurrency": 3 }),
        json!({ "source": "serverless-plugin-warmup" }),
        json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-central-1",
            "resources": ["arn:aws:events:eu-central-1:123456789012:rule/warm"],
            "detail": {},
        }),
        json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": "{}",
        }),
    ] {
        let (prelude, body) = function.api.invoke(&event, LONG).whole().await;
        assert_eq!(prelude["statusCode"], 200, "{event}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], "ready", "{event}");
    }
    assert_eq!(model.requests().len(), 0);
    let (_, body) = function.ask(&Request::say("c", "hello")).whole().await;
    let last = lines(&body).pop().unwrap();
    assert_eq!(last["content"]["status"], "committed");
    assert!(function.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_writes_is_never_taken_for_a_warmer() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let function = Function::start(&model).await;
    let mut event = Request::get("/nowhere").by_url();
    event["warmer"] = true.into();
    event["detail-type"] = "Scheduled Event".into();
    let (prelude, _) = function.api.invoke(&event, LONG).whole().await;
    assert_eq!(prelude["statusCode"], 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_something_else_is_an_error() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let function = Function::start(&model).await;
    let event = json!({ "Records": [{ "eventSource": "aws:sqs", "body": "c" }] });
    let error = function.api.invoke(&event, LONG).error().await;
    assert!(error["errorMessage"].is_string(), "{error}");
}
