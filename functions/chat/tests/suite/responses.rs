//! OpenAI's Responses and Conversations, as its clients send and read them.

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::{Value, json};

use super::support::{Answer, Asked, Client, Server, Setup, clerk, until};

/// A model that echoes, hands buyers to sales, and holds the answer to `first` at the gate.
async fn echoing() -> (ScriptedModel, Gate) {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "first" => stream().says("echo ").gate(&at).says("first"),
        "buy"
            if asked
                .offered()
                .iter()
                .any(|tool| tool == "transfer_to_sales_agent") =>
        {
            calls("transfer_to_sales_agent", json!({}))
        }
        "break" => says("Half an answer").finishes("length"),
        other => says(&format!("echo {other}")),
    })
    .await;
    (model, gate)
}

async fn respond(client: &Client, body: Value) -> Value {
    let answer = client.post("/v1/responses", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The message of an error in OpenAI's shape.
fn refusal(answer: &Answer) -> (u16, String) {
    let message = answer.json()["error"]["message"]
        .as_str()
        .map(str::to_owned);
    (answer.status.as_u16(), message.unwrap_or_default())
}

fn text(response: &Value) -> String {
    let output = response["output"].as_array().unwrap().iter();
    let texts = output.filter_map(|item| item["content"][0]["text"].as_str());
    texts.collect()
}

fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

/// The events of a stream.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .map(|name| name.strip_prefix("response.").unwrap_or(name))
        .collect();
    types.dedup();
    types
}

#[tokio::test]
async fn a_hand_off_and_an_answer_are_items_in_the_order_of_the_protocol() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let body = json!({ "input": "buy", "stream": true, "conversation": "c" });
    let answer = client.post("/v1/responses", &body).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events = events(&answer.body);
    assert_eq!(
        types(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "mcp_call.in_progress",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.done",
            "mcp_call.completed",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["output"][0]["name"], "transfer_to_sales_agent");
    assert_eq!(text(response), "echo buy");
    let again = client.get(&format!("/v1/responses/{}", id(response))).await;
    assert_eq!(again.json(), *response);
}

#[tokio::test]
async fn responses_go_on_with_the_last_one_and_have_no_branches() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let first = respond(&client, json!({ "input": "hello" })).await;
    assert_eq!(
        (&first["status"], text(&first).as_str()),
        (&json!("completed"), "echo hello")
    );
    let say = |previous: &Value, input: &str| json!({ "input": [{ "role": "user", "content": input }], "previous_response_id": previous["id"] });
    let second = respond(&client, say(&first, "مرحبا 👋")).await;
    assert_eq!(text(&second), "echo مرحبا 👋");
    assert_eq!(second["conversation"], first["conversation"]);
    // An automatic repeat is the same response, and another message is refused.
    assert_eq!(
        id(&respond(&client, say(&first, "مرحبا 👋")).await),
        id(&second)
    );
    let refused = client.post("/v1/responses", &say(&first, "other")).await;
    let (status, message) = refusal(&refused);
    assert!(
        status == 400 && message.contains("no branches"),
        "{refused:?}"
    );
    // The same words again are a message of their own.
    let third = respond(&client, say(&second, "مرحبا 👋")).await;
    assert_ne!(id(&third), id(&second));
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_is_known_in_a_conversation_and_by_a_key() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let send = async |body: &Value, header: (&str, &str)| {
        let request = client
            .request("POST", "/v1/responses")
            .header(header.0, header.1);
        client.fetch(request.json(body)).await.json()
    };
    let body = json!({ "input": "hello", "conversation": "c" });
    let first = send(&body, ("x-stainless-retry-count", "0")).await;
    let again = send(&body, ("x-stainless-retry-count", "1")).await;
    assert_eq!(id(&first), id(&again));
    let twice = send(&body, ("x-stainless-retry-count", "0")).await;
    assert_ne!(id(&first), id(&twice), "said twice");
    let body = json!({ "input": "hello" });
    let [first, again] = [
        send(&body, ("idempotency-key", "k-1")).await,
        send(&body, ("idempotency-key", "k-1")).await,
    ];
    assert_eq!(id(&first), id(&again));
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn a_repeat_that_began_another_conversation_does_nothing_twice() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let request = client
        .request("POST", "/v1/responses")
        .header("x-stainless-retry-count", "1");
    let body = json!({ "input": "refund item_1" });
    let answer = client.fetch(request.json(&body)).await;
    assert_eq!(answer.json()["status"], "completed", "{answer:?}");
    let refunds = client.get("/refunds").await.json();
    assert_eq!(refunds["refunds"], json!([]));
}

#[tokio::test]
async fn a_call_of_the_client_is_answered_behind_its_response_and_once() {
    let model = ScriptedModel::responding(|asked| {
        let last = asked.messages().pop().unwrap();
        if last["role"] == "tool" {
            says(&format!("told {}", last["content"].as_str().unwrap()))
        } else {
            calls("open_door", json!({ "door": 1 }))
        }
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    let parameters = json!({ "type": "object", "properties": { "door": { "type": "integer" } } });
    let tools = json!([{ "type": "function", "name": "open_door", "description": "Opens a door.", "parameters": parameters }]);
    let first = respond(
        &client,
        json!({ "input": "open", "conversation": "c", "tools": tools }),
    )
    .await;
    let call = &first["output"][0];
    assert_eq!(
        (&call["type"], &call["name"], &call["arguments"]),
        (
            &json!("function_call"),
            &json!("open_door"),
            &json!(r#"{"door":1}"#)
        )
    );
    let result = |output: &str| {
        let output =
            json!({ "type": "function_call_output", "call_id": call["call_id"], "output": output });
        json!({ "input": [output], "previous_response_id": first["id"], "tools": tools })
    };
    let second = respond(&client, result("open now")).await;
    assert_eq!(text(&second), "told open now");
    assert_eq!(
        id(&respond(&client, result("open now")).await),
        id(&second),
        "a repeat"
    );
    let listed = client.get("/v1/conversations/c/items?order=asc").await;
    assert_eq!(listed.json()["data"][1], *call);
    let mut other = result("closed");
    other["previous_response_id"] = second["id"].clone();
    assert_eq!(refusal(&client.post("/v1/responses", &other).await).0, 400);
}

#[tokio::test]
async fn a_customer_confirms_an_action_by_an_approval_response() {
    let customer = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?", yes = ["yes"], no = ["no"] }"#;
    let model = ScriptedModel::responding(clerk).await;
    let setup = Setup::new(&model).with_team(&[("approval = { above_usd = 500 }", customer)]);
    let server = setup.open().await;
    let client = server.client();
    let asked = respond(
        &client,
        json!({ "input": "refund item_318205561", "conversation": "c" }),
    )
    .await;
    let mut items = asked["output"].as_array().unwrap().iter();
    let request = items
        .find(|item| item["type"] == "mcp_approval_request")
        .unwrap();
    assert!(text(&asked).contains("Please confirm."), "{asked}");
    let answer = json!({ "type": "mcp_approval_response", "approval_request_id": request["id"], "approve": true });
    let many = json!({ "input": vec![answer.clone(); 33], "previous_response_id": asked["id"] });
    let (status, refused) = refusal(&client.post("/v1/responses", &many).await);
    assert_eq!(status, 400);
    assert!(refused.contains("at most 32 cards"), "{refused}");
    let body = json!({ "input": [answer], "previous_response_id": asked["id"] });
    for _ in 0..2 {
        assert_eq!(id(&respond(&client, body.clone()).await), id(&asked));
    }
    until("the refund", async || {
        let refunds = client.get("/refunds").await.json();
        (refunds["refunds"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    let mut stranger = body;
    stranger["previous_response_id"] = json!("resp_1_d");
    assert_eq!(
        refusal(&client.post("/v1/responses", &stranger).await).0,
        404
    );
}

#[tokio::test]
async fn a_response_is_taken_up_again_behind_any_event_while_it_runs_and_afterwards() {
    let (model, gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let body = json!({ "input": "first", "background": true, "conversation": "c" });
    let begun = respond(&client, body).await;
    assert_eq!(
        (&begun["status"], &begun["background"]),
        (&json!("in_progress"), &json!(true))
    );
    let path = format!("/v1/responses/{}", id(&begun));
    let follow = |after: u64| format!("{path}?stream=true&starting_after={after}");
    let all = follow(0);
    let (live, ()) = tokio::join!(client.get(&all), async { gate.open() });
    let live = events(&live.body);
    assert_eq!(live[0]["type"], "response.in_progress");
    let whole = client.get(&format!("{path}?stream=true")).await;
    let whole = events(&whole.body);
    assert_eq!(whole.last(), live.last());
    for event in &live {
        let number = event["sequence_number"].as_u64().unwrap();
        let rest = events(&client.get(&follow(number)).await.body);
        let first = rest.first().map(|event| event["sequence_number"].as_u64());
        assert!(
            first.is_none_or(|first| first > Some(number)),
            "{event}: {rest:?}"
        );
        let is_last = event == live.last().unwrap();
        assert_eq!(rest.last().is_none(), is_last, "{event}");
        let is_delta = |event: &&Value| event["type"] == "response.output_text.delta";
        let said = |events: &[Value]| -> String {
            let deltas = events.iter().filter(is_delta);
            deltas
                .map(|event| event["delta"].as_str().unwrap())
                .collect()
        };
        let behind = live.iter().position(|other| other == event).unwrap() + 1;
        assert_eq!(said(&rest), said(&live[behind..]), "{event}");
    }
}

#[tokio::test]
async fn a_response_that_is_cancelled_keeps_what_was_said() {
    let (model, _gate) = echoing().await;
    let setup = Setup::new(&model);
    setup.clock.hold_long_waits();
    let server = setup.open().await;
    let client = server.client();
    let body = json!({ "input": "first", "stream": true, "conversation": "c" });
    let stream = client.request("POST", "/v1/responses").json(&body);
    let mut stream = stream.send().await.unwrap();
    let mut sent = String::new();
    while !sent.contains("echo ") {
        sent.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let response = events(&sent)[0]["response"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/responses/{response}/cancel");
    for _ in 0..2 {
        let cancelled = client.post(&path, &json!({})).await.json();
        assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
        assert_eq!(text(&cancelled), "echo ");
    }
    sent.push_str(&stream.text().await.unwrap());
    let last = events(&sent).pop().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["status"], "cancelled");
}

#[tokio::test]
async fn a_failure_is_a_response_that_says_so() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let response = respond(&client, json!({ "input": "break", "conversation": "c" })).await;
    assert_eq!(response["status"], "incomplete");
    assert_eq!(
        response["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(text(&response), "Half an answer");
}

#[tokio::test]
async fn a_conversation_is_made_filled_listed_and_deleted() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let metadata = json!({ "metadata": { "topic": "anvils" } });
    let made = client.post("/v1/conversations", &metadata).await.json();
    assert_eq!(
        (&made["object"], &made["metadata"]),
        (&json!("conversation"), &json!({}))
    );
    let path = format!("/v1/conversations/{}", made["id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), made);
    let items = format!("{path}/items");
    assert_eq!(client.get(&items).await.json()["data"], json!([]));
    let one = json!({ "items": [{ "type": "message", "role": "user", "content": "one" }] });
    let added = client.post(&items, &one).await.json();
    assert_eq!(added["data"][0]["id"], "msg_1_u");
    let answered = until("an answer", async || {
        let all = client.get(&format!("{items}?order=asc")).await.json();
        (all["data"].as_array().unwrap().len() == 2).then_some(all)
    });
    assert_eq!(answered.await["data"][1]["id"], "msg_1_0");
    let body = json!({ "input": "buy", "conversation": { "id": made["id"] } });
    let response = respond(&client, body).await;
    let all = client.get(&format!("{items}?order=asc")).await.json();
    let ids = |list: &Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap().iter();
        data.map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected = ["msg_1_u", "msg_1_0", "msg_2_u", "mcp_2_0", "msg_2_1"];
    assert_eq!(ids(&all), expected);
    assert_eq!(all["data"][4], response["output"][1]);
    // Page by page, from both ends.
    for (order, from) in [
        ("asc", expected),
        ("desc", {
            let mut reversed = expected;
            reversed.reverse();
            reversed
        }),
    ] {
        let mut read = Vec::new();
        let mut after = String::new();
        loop {
            let page = client
                .get(&format!("{items}?order={order}&limit=2{after}"))
                .await
                .json();
            read.extend(ids(&page));
            if page["has_more"] == false {
                break;
            }
            after = format!("&after={}", page["last_id"].as_str().unwrap());
        }
        assert_eq!(read, from, "{order}");
    }
    assert_eq!(
        client.get(&format!("{items}/msg_2_1")).await.json(),
        response["output"][1]
    );
    let deleted = client
        .fetch(client.request("DELETE", &format!("{items}/msg_2_1")))
        .await;
    assert_eq!(refusal(&deleted).0, 400);
    let answer = json!({ "items": [{ "role": "assistant", "content": "one" }] });
    assert_eq!(refusal(&client.post(&items, &answer).await).0, 400);
    let deleted = client.fetch(client.request("DELETE", &path)).await.json();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(
        refusal(
            &client
                .get(&format!("/v1/responses/{}", id(&response)))
                .await
        )
        .0,
        404
    );
}

#[tokio::test]
async fn what_a_client_would_take_for_granted_is_refused_in_a_sentence() {
    let (model, _gate) = echoing().await;
    let server = Server::open(&model).await;
    let client = server.client();
    for body in [
        json!({}),
        json!({ "input": [] }),
        json!({ "input": "x", "text": { "format": { "type": "json_schema" } } }),
        json!({ "input": "x", "prompt": { "id": "p" } }),
        json!({ "input": "x", "tools": [{ "type": "web_search" }] }),
        json!({ "input": "x", "tool_choice": "required" }),
        json!({ "input": "x", "conversation": "c", "previous_response_id": "resp_1_c" }),
        json!({ "input": [{ "role": "user", "content": [{ "type": "input_image", "image_url": "x" }] }] }),
        json!({ "input": "x", "metadata": { "topic": "x".repeat(513) } }),
    ] {
        let answer = client.post("/v1/responses", &body).await;
        let (status, message) = refusal(&answer);
        assert!(status == 400 && !message.is_empty(), "{body}: {answer:?}");
    }
    let unknown = json!({ "input": "x", "previous_response_id": "resp_1_nobody" });
    let answer = client.post("/v1/responses", &unknown).await;
    assert_eq!(refusal(&answer), (404, "no such response".to_owned()));
    assert_eq!(model.requests().len(), 0);
    for path in [
        "/v1/responses/compact",
        "/v1/responses/resp_1_c/input_items",
    ] {
        let answer = client.post(path, &json!({})).await;
        assert!([404, 405].contains(&answer.status.as_u16()), "{answer:?}");
    }
}
