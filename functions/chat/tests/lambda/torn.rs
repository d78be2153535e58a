//! The connection to the Runtime API breaks: while an invocation comes in, which is an error that ends the process, and Lambda
//! starts another one; or while an answer goes out, as when a client hung up, and the process goes on.

use baton_kit::lambda::Api;
use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};

use futures_util::future::select;

use crate::function::{Function, lines};
use crate::proxy::{Fate, Proxy};

const WHOLE: &str = "One two three.";

/// Where an invocation is cut: within the head of the API's answer, and within the event.
const CUTS: [usize; 2] = [40, 600];

/// A function that reaches its API through a network that breaks.
async fn start(model: &ScriptedModel) -> (Function, Proxy) {
    let api = Api::start().await;
    let proxy = Proxy::to(&api.address().to_string()).await;
    (Function::of(api, model), proxy)
}

fn through(proxy: &Proxy) -> (&'static str, String) {
    ("AWS_LAMBDA_RUNTIME_API", proxy.address().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_that_came_torn_is_nobodys_and_the_same_message_is_answered_by_the_next_process()
 {
    for after in CUTS {
        let model = ScriptedModel::start([says(WHOLE)]).await;
        let (mut function, proxy) = start(&model).await;
        proxy.break_next(after, Fate::Closed);
        let message = Request::say("c", "hello");
        let torn = function.ask(&message);
        function.rise(&[through(&proxy)]);
        let ended = function.ended().await;
        assert!(!ended.success(), "Lambda counts it as an error: {ended}");
        drop(torn);
        assert_eq!(model.requests().len(), 0, "nobody was told of the message");

        function.rise(&[through(&proxy)]);
        let (_, body) = function.ask(&message).whole().await;
        let done = lines(&body).pop().unwrap();
        assert_eq!(done["content"]["status"], "committed");
        assert_eq!(done["content"]["turn"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_several_invocations_run_at_once_a_torn_one_ends_none_of_the_others() {
    for after in CUTS {
        let (gate, model) = gated([says("Fine.")]).await;
        let (mut function, proxy) = start(&model).await;
        proxy.break_next(after, Fate::Closed);
        function.rise(&[
            through(&proxy),
            ("AWS_LAMBDA_MAX_CONCURRENCY", "2".to_owned()),
        ]);
        // Who asked first is served first: each of the two gets one, and one of them gets it torn.
        function.api.polled(2).await;
        let [one, other] =
            [(); 2].map(|()| Box::pin(function.ask(&Request::get("/health")).whole()));
        let ((prelude, _), torn) = select(one, other).await.factor_first();
        assert_eq!(prelude["statusCode"], 200);
        let mut answer = function.ask(&Request::say("c", "hello"));
        answer.prelude().await.unwrap();
        answer.until("One ").await;
        gate.open();
        let rest = String::from_utf8(answer.rest().await).unwrap();
        assert_eq!(
            lines(&rest).pop().unwrap()["content"]["status"],
            "committed"
        );
        drop(torn);
        let (_, body) = function.ask(&Request::say("d", "hello")).whole().await;
        assert_eq!(
            lines(&body).pop().unwrap()["content"]["status"],
            "committed"
        );
    }
}

/// A model that says one word, the others when the gate is opened, and then these answers.
async fn gated(
    further: impl IntoIterator<Item = baton_rehearsal::scripted::Answer>,
) -> (Gate, ScriptedModel) {
    let gate = Gate::new();
    let first = stream().says("One ").gate(&gate).says("two three.");
    let model = ScriptedModel::start([first].into_iter().chain(further)).await;
    (gate, model)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_torn_is_told_by_the_same_process_to_whoever_asks_again() {
    for accept in ["application/x-ndjson", "text/event-stream"] {
        let (gate, model) = gated([says("Fine.")]).await;
        let (mut function, proxy) = start(&model).await;
        function.rise(&[through(&proxy)]);
        let mut answer = function.ask(&Request::say("c", "hello").accept(accept));
        answer.prelude().await.unwrap();
        answer.until("One ").await;
        proxy.cut();
        gate.open();
        let rest =
            Request::get("/conversations/c/turns/1/events").header("last-event-id", "1.1.1.4");
        let (prelude, body) = function.ask(&rest).whole().await;
        assert_eq!(prelude["statusCode"], 200);
        let last = lines(&body).pop().unwrap();
        assert_eq!(last["content"]["status"], "committed", "{body}");
        assert_eq!(function.recorded("c", 1).await, WHOLE);
        let (_, body) = function.ask(&Request::say("d", "hello")).whole().await;
        let last = lines(&body).pop().unwrap();
        assert_eq!(last["content"]["status"], "committed", "{body}");
        assert_eq!(model.requests().len(), 2, "nobody asked the model twice");
        // It ends when it is told to, and not by an error.
        let ended = function.terminate().await;
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_several_answers_are_torn_at_once_as_many_invocations_run_afterwards() {
    let gates = [(); 4].map(|()| Gate::new());
    let answers = gates
        .iter()
        .map(|gate| stream().says("One ").gate(gate).says("two three."));
    let model = ScriptedModel::start(answers).await;
    let (mut function, proxy) = start(&model).await;
    function.rise(&[
        through(&proxy),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "2".to_owned()),
    ]);
    function.api.polled(2).await;
    for round in ["torn", "whole"] {
        let [mut one, mut other] = [1, 2].map(|number| {
            let conversation = format!("{round}-{number}");
            function.ask(&Request::say(&conversation, "hello"))
        });
        for answer in [&mut one, &mut other] {
            answer.prelude().await.unwrap();
            answer.until("One ").await;
        }
        if round == "torn" {
            proxy.cut();
            continue;
        }
        gates.iter().for_each(Gate::open);
        for answer in [one, other] {
            let rest = String::from_utf8(answer.rest().await).unwrap();
            let last = lines(&rest).pop().unwrap();
            assert_eq!(last["content"]["status"], "committed", "{rest}");
        }
    }
    let ended = function.terminate().await;
    assert!(ended.success(), "{ended}");
}
