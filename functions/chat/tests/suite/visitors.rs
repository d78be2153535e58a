//! Anonymous visitors: how a browser becomes one, and stays one.

use baton_chat::settings::Strangers;
use baton_rehearsal::scripted::ScriptedModel;
use serde_json::json;

use super::support::{Server, Setup, clerk};

async fn with_visitors(model: &ScriptedModel) -> Server {
    let mut setup = Setup::new(model);
    setup.strangers = Strangers::Visitors;
    setup.open().await
}

#[tokio::test]
async fn a_stranger_with_a_session_may_name_its_first_conversation_and_repeat_its_first_message() {
    let model = ScriptedModel::responding(clerk).await;
    let server = with_visitors(&model).await;
    let client = server.client();
    let first = json!({"conversation_id": "mine", "message": "hello", "message_id": "m1"});
    assert_eq!(client.post("/chat/completions", &first).await.status, 401);

    let session = client.post("/session", &json!({})).await;
    let given = session.header("set-cookie");
    let (cookie, _) = given.split_once(';').unwrap();
    let token = session.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(cookie, format!("baton={token}"));
    assert!(given.contains("; HttpOnly; SameSite=Lax"), "{given}");

    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = client.bare("POST", "/chat/completions").json(&first);
        let answer = client.fetch(request.header("cookie", cookie)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        ids.push(answer.header("x-conversation-id").to_owned());
    }
    assert_eq!(ids.first(), ids.last());
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn a_cookie_that_is_no_token_at_all_is_ended_with_its_refusal() {
    let model = ScriptedModel::responding(clerk).await;
    let server = with_visitors(&model).await;
    let client = server.client();
    for bad in ["rubbish", "a.b.c", ""] {
        let request = client.bare("GET", "/session");
        let answer = client
            .fetch(request.header("cookie", format!("baton={bad}")))
            .await;
        assert_eq!(answer.status, 401, "{bad}");
        let ended = answer.header("set-cookie");
        assert!(
            ended.starts_with("baton=; ") && ended.contains("Max-Age=0"),
            "{ended}"
        );
    }
}
