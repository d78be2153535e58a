//! Push notifications of A2A: a client's endpoint is told how its task ended. The official clients play the same in
//! `infra/e2e/faces`.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::post;
use baton_rehearsal::scripted::{ScriptedModel, says, status};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::a2a::{called, error_in};
use super::asking::{by_token, visitor};
use super::matrix::open_with;
use super::matrix::shared::callers::Caller;
use super::matrix::shared::{Mode, tokens};
use super::support::{Client, Server, Setup, clerk, until};

/// What an endpoint was sent.
type Came = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// An endpoint of a client, that takes everything.
async fn receiver() -> (String, Came) {
    async fn take(State(came): State<Came>, request: Request) -> StatusCode {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap();
        came.lock().unwrap().push((parts.headers, body));
        StatusCode::NO_CONTENT
    }
    let came = Came::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take));
    let router = router.with_state(came.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, came)
}

async fn open(mode: Mode, model: &ScriptedModel) -> Server {
    let mut setup = Setup::new(model);
    setup.push_hosts = vec!["127.0.0.1".parse().unwrap()];
    open_with(mode, setup, &tokens::settings()).await.0
}

fn config(url: &str) -> Value {
    let authentication = json!({ "scheme": "Bearer", "credentials": "cred-5d1e" });
    json!({ "id": "mine", "url": url, "token": "tok-8a0b", "authentication": authentication })
}

fn say(text: &str, config: &Value) -> Value {
    let message = json!({ "messageId": "m1", "role": "ROLE_USER", "parts": [{ "text": text }] });
    json!({ "message": message, "configuration": { "taskPushNotificationConfig": config } })
}

async fn ask(client: &Client, caller: &Caller, method: &str, params: &Value) -> Value {
    called(client, Some(caller), method, params).await.json()
}

async fn first(came: &Came) -> (HeaderMap, Value) {
    until("a notification", async || {
        came.lock().unwrap().first().cloned()
    })
    .await
}

#[tokio::test]
async fn the_end_of_a_task_comes_with_the_clients_token_and_no_words() {
    let model = ScriptedModel::responding(clerk).await;
    let server = open(Mode::Tokens, &model).await;
    let client = server.client();
    let owner = by_token("owner");
    let (url, came) = receiver().await;
    let task = ask(&client, &owner, "SendMessage", &say("hello", &config(&url))).await;
    let task = task["result"]["task"].clone();
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED", "{task}");
    let (headers, body) = first(&came).await;
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(header("x-a2a-notification-token"), "tok-8a0b");
    assert_eq!(header("authorization"), "Bearer cred-5d1e");
    assert_eq!(header("content-type"), "application/json");
    let update = body["statusUpdate"].as_object().unwrap();
    assert_eq!(
        (&update["taskId"], &update["contextId"]),
        (&task["id"], &task["contextId"])
    );
    let status = update["status"].as_object().unwrap();
    assert_eq!(status["state"], "TASK_STATE_COMPLETED");
    let keys: Vec<_> = status.keys().map(String::as_str).collect();
    assert_eq!(keys, ["state", "timestamp"], "no words");
}

#[tokio::test]
async fn a_failed_task_is_told_as_one() {
    let model = ScriptedModel::responding(|_| status(401)).await;
    let server = open(Mode::Tokens, &model).await;
    let (url, came) = receiver().await;
    let said = say("hello", &config(&url));
    ask(&server.client(), &by_token("owner"), "SendMessage", &said).await;
    let (_, body) = first(&came).await;
    let state = &body["statusUpdate"]["status"]["state"];
    assert_eq!(state, "TASK_STATE_FAILED");
}

#[tokio::test]
async fn a_configuration_is_read_without_its_secrets_and_deleted_for_good() {
    let model = ScriptedModel::responding(|_| says("Well, ").then_hangs()).await;
    let server = open(Mode::Tokens, &model).await;
    let client = server.client();
    let (owner, stranger) = (by_token("owner"), by_token("stranger"));
    let (url, came) = receiver().await;
    let mut said = say("hello", &config(&url));
    said["configuration"] = json!({ "returnImmediately": true });
    let task = ask(&client, &owner, "SendMessage", &said).await;
    let task = task["result"]["task"]["id"].clone();
    let mut wanted = config(&url);
    wanted["taskId"] = task.clone();
    let named = json!({ "taskId": task, "id": "mine" });
    let shown = json!({
        "taskId": task, "id": "mine", "url": url, "authentication": { "scheme": "Bearer" },
    });
    let made = ask(&client, &owner, "CreateTaskPushNotificationConfig", &wanted).await;
    assert_eq!(made["result"], shown);
    let read = ask(&client, &owner, "GetTaskPushNotificationConfig", &named).await;
    assert_eq!(read["result"], shown);
    let of_task = json!({ "taskId": task });
    let list = async |caller: &Caller| {
        ask(&client, caller, "ListTaskPushNotificationConfigs", &of_task).await
    };
    let listed = list(&owner).await;
    assert_eq!(
        listed["result"],
        json!({ "configs": [shown], "nextPageToken": "" })
    );

    for (method, params) in [
        ("CreateTaskPushNotificationConfig", &wanted),
        ("GetTaskPushNotificationConfig", &named),
        ("ListTaskPushNotificationConfigs", &of_task),
        ("DeleteTaskPushNotificationConfig", &named),
    ] {
        let refused = ask(&client, &stranger, method, params).await;
        assert_eq!(error_in(&refused).0, -32001, "{method}");
    }
    wanted["id"] = json!("another");
    let second = ask(&client, &owner, "CreateTaskPushNotificationConfig", &wanted).await;
    let (code, _, sentence) = error_in(&second);
    assert_eq!(code, -32602);
    assert!(sentence.contains("\"mine\""), "{sentence}");

    for _ in 0..2 {
        let deleted = ask(&client, &owner, "DeleteTaskPushNotificationConfig", &named).await;
        assert_eq!(deleted["result"], json!({}));
    }
    let gone = ask(&client, &owner, "GetTaskPushNotificationConfig", &named).await;
    assert_eq!(error_in(&gone).0, -32001);
    assert_eq!(list(&owner).await["result"]["configs"], json!([]));
    let cancelled = ask(&client, &owner, "CancelTask", &json!({ "id": task })).await;
    let state = &cancelled["result"]["status"]["state"];
    assert_eq!(state, "TASK_STATE_CANCELED");
    assert!(came.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_who_has_signed_in_may_have_this_server_call_and_listed_hosts_only() {
    let model = ScriptedModel::responding(clerk).await;
    let server = open(Mode::Visitors, &model).await;
    let client = server.client();
    let card = client.get("/.well-known/agent-card.json").await.json();
    assert_eq!(card["capabilities"]["pushNotifications"], true);
    let (url, came) = receiver().await;
    let (visitor, _) = visitor(&client).await;
    let begun = model.requests().len();
    for caller in [&Caller::nobody(), &visitor] {
        let refused = ask(&client, caller, "SendMessage", &say("hi", &config(&url))).await;
        let (code, reason, _) = error_in(&refused);
        assert_eq!(
            (code, reason),
            (-32003, json!("PUSH_NOTIFICATION_NOT_SUPPORTED"))
        );
    }
    let owner = by_token("owner");
    for bad in [
        "https://elsewhere.example/hook",
        "http://127.0.0.1.elsewhere.example/hook",
        "https://user:secret@127.0.0.1/hook",
        "ftp://127.0.0.1/hook",
        "/hook",
    ] {
        let refused = ask(&client, &owner, "SendMessage", &say("hi", &config(bad))).await;
        assert_eq!(error_in(&refused).0, -32602, "{bad}");
    }
    let mut split = config(&url);
    split["token"] = json!("a\r\nb");
    let refused = ask(&client, &owner, "SendMessage", &say("hi", &split)).await;
    assert_eq!(error_in(&refused).0, -32602);
    assert_eq!(model.requests().len(), begun, "nothing was said");
    assert!(came.lock().unwrap().is_empty());
}
