//! Tasks of A2A, as its clients get them. The official clients play the same in `infra/e2e/faces`.

use baton_rehearsal::scripted::{ScriptedModel, says, status};
use serde_json::{Value, json};

use super::asking::by_token;
use super::matrix::open;
use super::matrix::shared::Mode;
use super::matrix::shared::callers::Caller;
use super::support::{Answer, Client, Server, Setup, clerk, soon, until};

const CATAPULT: &str = "item_318205561";

const APPROVAL: &str = "approval = { above_usd = 500 }";

const CUSTOMER: &str = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?" }"#;

fn request(
    client: &Client,
    caller: Option<&Caller>,
    method: &str,
    params: &Value,
) -> reqwest::RequestBuilder {
    let call = json!({ "jsonrpc": "2.0", "id": "call-7", "method": method, "params": params });
    let request = client.bare("POST", "/a2a").header("a2a-version", "1.0");
    let headers = caller.into_iter().flat_map(|caller| &caller.headers);
    let request = headers.fold(request, |request, (name, value)| {
        request.header(*name, value)
    });
    request.json(&call)
}

pub(super) async fn called(
    client: &Client,
    caller: Option<&Caller>,
    method: &str,
    params: &Value,
) -> Answer {
    client.fetch(request(client, caller, method, params)).await
}

async fn call(client: &Client, method: &str, params: &Value) -> Answer {
    let answer = called(client, None, method, params).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The result of a call.
pub(super) async fn result(client: &Client, method: &str, params: &Value) -> Value {
    let answer = call(client, method, params).await.json();
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!("call-7"))
    );
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// Code, reason and sentence of a call's error.
pub(super) async fn error(client: &Client, method: &str, params: &Value) -> (i64, Value, String) {
    error_in(&call(client, method, params).await.json())
}

pub(super) fn error_in(answer: &Value) -> (i64, Value, String) {
    let error = &answer["error"];
    let reason = error["data"][0]["reason"].clone();
    let sentence = error["message"].as_str().unwrap().to_owned();
    (error["code"].as_i64().unwrap(), reason, sentence)
}

/// The results of a stream: one task, then updates, and nothing behind the one that ends it.
async fn stream(client: &Client, method: &str, params: &Value) -> Vec<Value> {
    results(&call(client, method, params).await)
}

fn results(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    results_of(&answer.body)
}

fn results_of(body: &str) -> Vec<Value> {
    let blocks = body.split_terminator("\n\n");
    let data = blocks.filter_map(|block| block.strip_prefix("data: "));
    let responses = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    let results: Vec<Value> = responses
        .inspect(|response| assert_eq!(response["id"], "call-7"))
        .map(|response| response["result"].clone())
        .collect();
    let (first, updates) = results.split_first().unwrap();
    let id = &first["task"]["id"];
    assert!(id.is_string(), "{first}");
    for update in updates {
        let update = update.as_object().unwrap().values().next().unwrap();
        assert_eq!(&update["taskId"], id);
    }
    let last = state(results.last().unwrap());
    assert_ne!(last, "TASK_STATE_WORKING", "{results:#?}");
    results
}

fn state(update: &Value) -> &str {
    let status = [
        "/statusUpdate/status/state",
        "/task/status/state",
        "/status/state",
    ];
    let found = status.iter().find_map(|path| update.pointer(path));
    found.and_then(Value::as_str).unwrap_or("an artifact")
}

/// The text that a client has of an artifact when it obeys `append`.
fn text(results: &[Value]) -> String {
    let mut text = String::new();
    for update in results.iter().filter_map(|one| one.get("artifactUpdate")) {
        if update["append"] == false {
            text.clear();
        }
        text.push_str(update["artifact"]["parts"][0]["text"].as_str().unwrap());
    }
    text
}

fn message(id: &str, text: &str) -> Value {
    json!({ "messageId": id, "contextId": "c", "role": "ROLE_USER", "parts": [{ "text": text }] })
}

pub(super) fn say(id: &str, text: &str) -> Value {
    json!({ "message": message(id, text) })
}

#[tokio::test]
async fn a_hand_off_and_an_order_come_as_updates_of_one_task() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let results = stream(
        &server.client(),
        "SendStreamingMessage",
        &say("m1", "order anvil 40"),
    )
    .await;
    assert_eq!(
        results[0]["task"],
        json!({ "id": "c.1", "contextId": "c", "status": { "state": "TASK_STATE_SUBMITTED" } })
    );
    let told: Vec<_> = results
        .iter()
        .filter_map(|one| one.pointer("/statusUpdate/metadata"))
        .collect();
    assert_eq!(told[0]["tool"]["name"], "transfer_to_sales_agent");
    let handed_off = told.iter().find_map(|told| told.get("handoff")).unwrap();
    assert_eq!(
        handed_off,
        &json!({ "from": "TriageAgent", "to": "SalesAgent" })
    );
    let action = told.iter().find_map(|told| told.get("action")).unwrap();
    assert_eq!(action["name"], "execute_order");
    assert!(!text(&results).is_empty());
    let updates = results.iter().filter_map(|one| one.get("artifactUpdate"));
    let last: Vec<_> = updates.map(|one| one["lastChunk"] == true).collect();
    assert_eq!(last.iter().filter(|is_last| **is_last).count(), 1);
    assert_eq!(last.last(), Some(&true));
    assert_eq!(state(results.last().unwrap()), "TASK_STATE_COMPLETED");
}

#[tokio::test]
async fn a_repeated_message_is_the_same_task_in_whatever_form_it_is_asked_for() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let said = "مرحبا 🧨\u{2028}";
    let task = result(&client, "SendMessage", &say("m1", said)).await["task"].clone();
    assert_eq!(state(&task), "TASK_STATE_COMPLETED");
    let answer = format!("You said: {said}");
    assert_eq!(task["artifacts"][0]["parts"][0]["text"], answer);
    assert_eq!(task["history"][0]["messageId"], "m1");
    assert_eq!(task["history"][0]["parts"][0]["text"], said);
    let again = stream(&client, "SendStreamingMessage", &say("m1", said)).await;
    assert_eq!(text(&again), answer);
    assert_eq!(again[0]["task"]["id"], task["id"]);
    let read = result(&client, "GetTask", &json!({ "id": "c.1" })).await;
    assert_eq!(read, task);
    let short = json!({ "id": "c.1", "historyLength": 0 });
    let short = result(&client, "GetTask", &short).await;
    assert!(short.get("history").is_none(), "{short}");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn a_failed_turn_is_a_failed_task_that_says_why() {
    let model = ScriptedModel::responding(|_| status(401)).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let results = stream(&client, "SendStreamingMessage", &say("m1", "hello")).await;
    let last = &results.last().unwrap()["statusUpdate"]["status"];
    assert_eq!(last["state"], "TASK_STATE_FAILED");
    let whole = result(&client, "SendMessage", &say("m1", "hello")).await;
    let status = &whole["task"]["status"];
    assert_eq!(
        (&status["state"], &status["message"]),
        (&last["state"], &last["message"])
    );
    assert!(
        !last["message"]["parts"][0]["text"]
            .as_str()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_running_task_is_subscribed_to_and_cancelled() {
    let model = ScriptedModel::responding(|_| says("Well, ").then_hangs()).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut said = say("m1", "hello");
    said["configuration"] = json!({ "returnImmediately": true });
    let task = result(&client, "SendMessage", &said).await["task"].clone();
    assert_eq!(state(&task), "TASK_STATE_SUBMITTED");
    let named = json!({ "id": task["id"] });
    until("the agent speaks", async || {
        let task = result(&client, "GetTask", &named).await;
        assert_eq!(state(&task), "TASK_STATE_WORKING");
        task.get("artifacts").map(|_| ())
    })
    .await;
    let following = request(&client, None, "SubscribeToTask", &named).send();
    let following = soon("the begin of the stream", following).await.unwrap();
    let cancelled = result(&client, "CancelTask", &named).await;
    assert_eq!(state(&cancelled), "TASK_STATE_CANCELED");
    let body = soon("the end of the stream", following.text()).await;
    let results = results_of(&body.unwrap());
    assert_eq!(text(&results), "Well, ");
    assert_eq!(state(results.last().unwrap()), "TASK_STATE_CANCELED");
    let (code, reason, _) = error(&client, "CancelTask", &named).await;
    assert_eq!((code, reason), (-32002, json!("TASK_NOT_CANCELABLE")));
    let (code, ..) = error(&client, "SubscribeToTask", &named).await;
    assert_eq!(code, -32004);
}

#[tokio::test]
async fn the_customers_yes_is_an_input_that_the_task_goes_on_with() {
    let model = ScriptedModel::responding(clerk).await;
    let setup = Setup::new(&model).with_team(&[(APPROVAL, CUSTOMER)]);
    let server = setup.open().await;
    let client = server.client();
    let said = say("m1", &format!("refund {CATAPULT}"));
    let results = stream(&client, "SendStreamingMessage", &said).await;
    let waits = &results.last().unwrap()["statusUpdate"]["status"];
    assert_eq!(waits["state"], "TASK_STATE_INPUT_REQUIRED");
    let parts = &waits["message"]["parts"];
    assert_eq!(
        parts[0]["text"],
        format!("Refund of $749.00 for {CATAPULT}?")
    );
    let card = &parts[1]["data"]["confirm"];
    assert_eq!(card["fields"]["item_id"], CATAPULT);
    let read = result(&client, "GetTask", &json!({ "id": "c.1" })).await;
    assert_eq!(&read["status"]["message"], &waits["message"]);
    assert_eq!(state(&read), "TASK_STATE_INPUT_REQUIRED");

    let answer = |yes: bool| {
        let hash = &card["arguments_hash"];
        let data =
            json!({ "confirm": { "action": card["action"], "arguments_hash": hash, "yes": yes } });
        json!({ "message": {
            "messageId": "m2", "taskId": "c.1", "contextId": "c", "role": "ROLE_USER", "parts": [{ "data": data }],
        } })
    };
    let told = stream(&client, "SendStreamingMessage", &answer(true)).await;
    assert_eq!(told[0]["task"]["id"], "c.1");
    assert_eq!(state(told.last().unwrap()), "TASK_STATE_COMPLETED");
    let whole = result(&client, "SendMessage", &answer(true)).await["task"].clone();
    assert_eq!(state(&whole), "TASK_STATE_COMPLETED");
    assert_eq!(whole["artifacts"][1]["artifactId"], "result");
    assert_eq!(whole["artifacts"][1]["parts"][0]["text"], text(&told));
    let refunds = client.get("/refunds").await.json();
    assert_eq!(refunds["refunds"].as_array().unwrap().len(), 1);

    let (code, _, sentence) = error(&client, "SendMessage", &answer(false)).await;
    assert_eq!(code, -32602);
    assert!(sentence.contains("confirmed this already"), "{sentence}");
    let mut late = say("m3", "yes");
    late["message"]["taskId"] = json!("c.1");
    let (code, ..) = error(&client, "SendMessage", &late).await;
    assert_eq!(code, -32004, "the task waits for nothing any more");
}

#[tokio::test]
async fn tasks_are_listed_newest_first_and_page_by_page() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for number in 1..=5 {
        let said = say(&format!("m{number}"), &format!("hello {number}"));
        result(&client, "SendMessage", &said).await;
    }
    let mut ids = Vec::new();
    let mut token = String::new();
    loop {
        let wanted = json!({ "contextId": "c", "pageSize": 2, "pageToken": token });
        let page = result(&client, "ListTasks", &wanted).await;
        assert_eq!(
            (&page["totalSize"], &page["pageSize"]),
            (&json!(5), &json!(2))
        );
        for task in page["tasks"].as_array().unwrap() {
            assert!(task.get("artifacts").is_none(), "{task}");
            ids.push(task["id"].as_str().unwrap().to_owned());
        }
        token = page["nextPageToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["c.5", "c.4", "c.3", "c.2", "c.1"]);
    let open = json!({ "contextId": "c", "status": "TASK_STATE_UNSPECIFIED" });
    let open = result(&client, "ListTasks", &open).await;
    assert_eq!(open["tasks"].as_array().unwrap().len(), 5);
    let failed = json!({ "contextId": "c", "status": "TASK_STATE_FAILED" });
    let failed = result(&client, "ListTasks", &failed).await;
    assert_eq!(failed["tasks"], json!([]));
    let (code, ..) = error(&client, "ListTasks", &json!({ "pageSize": 101 })).await;
    assert_eq!(code, -32602);
}

#[tokio::test]
async fn a_strangers_task_is_a_missing_one_and_ones_own_are_listed() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Tokens, &model).await;
    let client = server.client();
    let (owner, stranger) = (by_token("owner"), by_token("stranger"));
    let mut tasks = Vec::new();
    for number in 1..=3 {
        let text = format!("hello {number}");
        let said = json!({ "message": {
            "messageId": format!("m{number}"), "role": "ROLE_USER", "parts": [{ "text": text }],
        } });
        let answer = called(&client, Some(&owner), "SendMessage", &said).await;
        let task = answer.json()["result"]["task"]["id"].clone();
        tasks.push(task.as_str().unwrap().to_owned());
    }
    for method in ["GetTask", "CancelTask", "SubscribeToTask"] {
        let refused = async |id: &str| {
            let named = json!({ "id": id });
            called(&client, Some(&stranger), method, &named).await.body
        };
        let missing = refused("c_missing.1").await;
        assert!(missing.contains("-32001"), "{missing}");
        for id in &tasks {
            assert_eq!(refused(id).await, missing);
        }
    }
    let list = async |caller: &Caller| {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let wanted = json!({ "pageSize": 1, "pageToken": token });
            let page = called(&client, Some(caller), "ListTasks", &wanted)
                .await
                .json();
            let page = &page["result"];
            let ids = page["tasks"].as_array().unwrap().iter();
            found.extend(ids.map(|task| task["id"].as_str().unwrap().to_owned()));
            token = page["nextPageToken"].as_str().unwrap().to_owned();
            if token.is_empty() {
                return found;
            }
        }
    };
    tasks.reverse();
    assert_eq!(list(&owner).await, tasks);
    assert!(list(&stranger).await.is_empty());
    let nobody = called(&client, None, "ListTasks", &json!({})).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.json()["error"]["code"], -32600);
}

#[tokio::test]
async fn what_is_no_call_is_refused_in_its_words() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let file = json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": [{ "raw": "AA==" }] } });
    let cases = [
        ("Nonsense", json!({}), -32601),
        ("GetTask", json!({}), -32602),
        ("GetTask", json!({ "id": "c.1" }), -32001),
        ("GetTask", json!({ "id": "nothing" }), -32001),
        ("SendMessage", json!({ "message": {} }), -32602),
        ("SendMessage", file, -32005),
        ("ListTasks", json!({ "pageToken": "?" }), -32602),
        ("CreateTaskPushNotificationConfig", json!({}), -32003),
        ("GetExtendedAgentCard", json!({}), -32007),
    ];
    for (method, params, expected) in cases {
        let (code, ..) = error(&client, method, &params).await;
        assert_eq!(code, expected, "{method} {params}");
    }
    let blank = called(&client, None, "SendMessage", &say("m", " ")).await;
    assert_eq!(
        (blank.status.as_u16(), &blank.json()["id"]),
        (400, &json!("call-7"))
    );
    let older =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": { "id": "c.1" } });
    let older = client.post("/a2a", &older).await.json();
    let (code, reason, sentence) = error_in(&older);
    assert_eq!((code, reason), (-32009, json!("VERSION_NOT_SUPPORTED")));
    assert!(sentence.contains("A2A-Version: 1.0"), "{sentence}");
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn the_card_names_the_address_that_was_asked() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let answer = server.client().get("/.well-known/agent-card.json").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let card = answer.json();
    let interface = &card["supportedInterfaces"][0];
    assert_eq!(
        (&interface["protocolBinding"], &interface["protocolVersion"]),
        (&json!("JSONRPC"), &json!("1.0"))
    );
    let url = interface["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://127.0.0.1:") && url.ends_with("/a2a"),
        "{url}"
    );
    assert!(
        card.get("securitySchemes").is_none(),
        "no credential is needed here"
    );
}
