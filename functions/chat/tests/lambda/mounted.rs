//! Behind a REST API, below its stage: the page and the interface work under `/prod/`. Below a stage of an HTTP API they do not.

use baton_kit::lambda::LONG;
use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{ScriptedModel, says};
use serde_json::Value;

use crate::function::{Function, lines};

async fn ask(function: &Function, request: Request) -> (Value, String) {
    let answer = function.api.invoke(&request.by_rest_api(), LONG);
    answer.whole().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_works_below_a_stage() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let function = Function::start(&model).await;
    let (prelude, _) = ask(&function, Request::get("/prod")).await;
    assert_eq!(
        (&prelude["statusCode"], &prelude["headers"]["location"]),
        (&308.into(), &"/prod/".into())
    );
    let (prelude, page) = ask(&function, Request::get("/prod/")).await;
    assert_eq!(prelude["statusCode"], 200);
    // Relative to `/prod/`, whatever the stage is called.
    let named: Vec<_> = page
        .split('"')
        .filter(|part| part.starts_with("static/"))
        .collect();
    assert!(named.len() > 3, "{page}");
    for path in named {
        let (prelude, _) = ask(&function, Request::get(&format!("/prod/{path}"))).await;
        assert_eq!(prelude["statusCode"], 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interface_works_below_a_stage() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let function = Function::start(&model).await;
    let message = Request::say("c", "hello").at("/prod/chat/completions");
    let (prelude, body) = ask(&function, message).await;
    assert_eq!(prelude["statusCode"], 200);
    let last = lines(&body).pop().unwrap();
    assert_eq!(last["content"]["status"], "committed");

    let later = Request::say("c", "later").at("/prod/chat/completions");
    let (prelude, _) = ask(&function, later.header("prefer", "respond-async")).await;
    assert_eq!(prelude["statusCode"], 202);
    let location = prelude["headers"]["location"].as_str().unwrap();
    // As seen from `/prod/chat/completions`, whatever the stage is called.
    assert_eq!(location, "../conversations/c/turns/2/events");
    let follow = Request::get("/prod/conversations/c/turns/2/events?after=2.0.0.0");
    let (prelude, body) = ask(&function, follow).await;
    assert_eq!(prelude["statusCode"], 200);
    assert!(body.contains("Hello!"), "{body}");
    assert_eq!(function.recorded("c", 2).await, "Hello!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_api_with_a_named_stage_is_told_what_to_set() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let function = Function::start(&model).await;
    for path in ["/prod", "/prod/", "/prod/health", "/prod/chat/completions"] {
        let mut event = Request::get(path).by_url();
        event["requestContext"]["stage"] = "prod".into();
        let (prelude, body) = function.api.invoke(&event, LONG).whole().await;
        assert_eq!(prelude["statusCode"], 404, "{path}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("$default"), "{path}: {detail}");
    }
    // Nobody else's path is refused for what it begins with.
    let (prelude, _) = function.ask(&Request::get("/health")).whole().await;
    assert_eq!(prelude["statusCode"], 200);
}
