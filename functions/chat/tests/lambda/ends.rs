//! How answers end: a client that hangs up or leaves, a deadline, a model that fails, an environment that is taken down.

use std::time::Duration;

use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{Gate, ScriptedModel, status, stream};

use crate::function::{Function, events, lines};

/// The streams of an invocation end 6 s before its deadline.
const A_SECOND: Duration = Duration::from_secs(7);

const WHOLE: &str = "One two three.";

/// A model that says one word, and the others when the gate is opened.
async fn gated() -> (ScriptedModel, Gate) {
    let gate = Gate::new();
    let answer = stream().says("One ").gate(&gate).says("two three.");
    (ScriptedModel::start([answer]).await, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_or_leaves_does_not_end_the_turn() {
    for breaks_off in [true, false] {
        let (model, gate) = gated().await;
        let function = Function::start(&model).await;
        let mut answer = function.ask(&Request::say("c", "hello"));
        answer.prelude().await.unwrap();
        answer.until("One ").await;
        if breaks_off {
            drop(answer);
        } else {
            // AWS reads on when the client has left.
            tokio::spawn(answer.rest());
        }
        gate.open();
        assert_eq!(function.recorded("c", 1).await, WHOLE);
        assert_eq!(model.requests().len(), 1, "nobody asked the model twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_deadline_a_stream_says_that_the_turn_goes_on_and_where_it_goes_on_nothing_is_missing()
 {
    for accept in ["application/x-ndjson", "text/event-stream"] {
        let (model, gate) = gated().await;
        let function = Function::start(&model).await;
        let message = Request::say("c", "hello").accept(accept);
        let answer = function.api.invoke(&message.by_url(), A_SECOND);
        let (prelude, body) = answer.whole().await;
        assert_eq!(prelude["statusCode"], 200);
        if accept == "text/event-stream" {
            let events = events(&body);
            assert_eq!(events.last().unwrap().0, "turn_continues", "{events:?}");
            assert_eq!(events.last().unwrap().1["status"], "running");
        } else {
            let last = lines(&body).pop().unwrap();
            assert_eq!(last["content"]["type"], "done");
            assert_eq!(last["content"]["status"], "running");
            assert_eq!(
                last["id"], "1.1.1.4",
                "what follows is behind what was said"
            );
        }
        gate.open();
        let rest =
            Request::get("/conversations/c/turns/1/events").header("last-event-id", "1.1.1.4");
        let (_, body) = function.ask(&rest).whole().await;
        let said = lines(&body)
            .iter()
            .filter(|line| line["content"]["type"] == "string")
            .map(|line| line["content"]["message"].as_str().unwrap().to_owned())
            .collect::<String>();
        assert_eq!(said, "two three.");
        assert_eq!(function.recorded("c", 1).await, WHOLE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_deadline_a_plain_client_has_nothing_of_a_response_and_gets_it_whole_where_it_goes_on()
 {
    for accept in ["application/x-ndjson", "text/plain"] {
        let (model, gate) = gated().await;
        let function = Function::start(&model).await;
        let plain = |request: Request| request.accept(accept).header("x-baton-client", "plain");
        let message = plain(Request::say("c", "hello"));
        let answer = function.api.invoke(&message.by_url(), A_SECOND);
        let (prelude, body) = answer.whole().await;
        assert_eq!(prelude["statusCode"], 200);
        // The model has said a word, which the client could not take back.
        gate.reached().await;
        let begin = lines(&body);
        assert_eq!(begin.len(), 1, "{body}");
        assert_eq!(begin[0]["content"]["status"], "running");
        gate.open();
        let after = begin[0]["id"].as_str().unwrap();
        let rest = Request::get("/conversations/c/turns/1/events").header("last-event-id", after);
        let (_, body) = function.ask(&plain(rest)).whole().await;
        let said = lines(&body)
            .iter()
            .filter(|line| line["content"]["type"] == "string")
            .map(|line| line["content"]["message"].as_str().unwrap().to_owned())
            .collect::<String>();
        assert_eq!(said, WHOLE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_is_an_error_and_an_end() {
    let broken = || stream().says("One ").cut_after(1);
    let model = ScriptedModel::start([status(400), broken(), status(400), broken()]).await;
    let function = Function::start(&model).await;
    for said in ["", "One "] {
        let (prelude, body) = function.ask(&Request::say("lines", "hello")).whole().await;
        assert_eq!(prelude["statusCode"], 200);
        let lines = lines(&body);
        let text: String = lines
            .iter()
            .filter(|line| line["content"]["type"] == "string")
            .map(|line| line["content"]["message"].as_str().unwrap())
            .collect();
        assert_eq!(text, said);
        let [.., error, done] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(error["content"]["type"], "error");
        assert!(error["content"]["retryable"].is_boolean(), "{error}");
        assert_eq!(done["content"]["status"], "failed");
    }
    for _ in 0..2 {
        let message = Request::say("events", "hello").accept("text/event-stream");
        let (_, body) = function.ask(&message).whole().await;
        let events = events(&body);
        let ends = events.iter().filter(|(name, _)| name == "turn_failed");
        assert_eq!(ends.count(), 1, "{events:?}");
        assert_eq!(events.last().unwrap().0, "turn_failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_is_taken_down_tells_its_listeners_to_follow() {
    let (model, _gate) = gated().await;
    let mut function = Function::start(&model).await;
    let mut answer = function.ask(&Request::say("c", "hello"));
    answer.prelude().await.unwrap();
    let begin = answer.until("One ").await;
    let (ended, rest) = tokio::join!(function.terminate(), answer.rest());
    let body = begin + std::str::from_utf8(&rest).unwrap();
    assert_eq!(lines(&body).pop().unwrap()["content"]["status"], "running");
    assert!(ended.success(), "{ended}");
}
