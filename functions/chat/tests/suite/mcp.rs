//! MCP over HTTP, as its own rules write it: both eras, who may ask, and what a message does. The official clients and the conformance
//! suite are in `infra/e2e/faces`.

use baton_rehearsal::scripted::{Gate, ScriptedModel, status, stream};
use serde_json::{Value, json};

use super::asking::by_token;
use super::matrix::open;
use super::matrix::shared::Mode;
use super::matrix::shared::callers::Caller;
use super::support::{Answer, Client, Server, Setup, clerk, soon, until};

/// A request of this era.
fn request(client: &Client, era: &str, method: &str, params: &Value) -> reqwest::RequestBuilder {
    let mut body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let mut request = client
        .bare("POST", "/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", era);
    if era == NEW {
        body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(era);
        body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] =
            json!({ "name": "a test", "version": "1" });
        let capabilities = &mut body["params"]["_meta"][CAPABILITIES];
        if capabilities.is_null() {
            *capabilities = json!({});
        }
        request = request.header("mcp-method", method);
        let name = ["name", "uri"]
            .iter()
            .find_map(|name| body["params"][name].as_str());
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
    }
    request.json(&body)
}

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";

/// The messages of an answer, the last of which is the response.
fn messages(answer: &Answer) -> Vec<Value> {
    let data = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<_> = data.filter(|data| !data.is_empty()).collect();
    if data.is_empty() {
        return vec![answer.json()];
    }
    data.iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn as_caller(mut request: reqwest::RequestBuilder, caller: &Caller) -> reqwest::RequestBuilder {
    for (name, value) in &caller.headers {
        request = request.header(*name, value);
    }
    request
}

fn says(message: &str, more: &Value) -> Value {
    let mut arguments = json!({ "message": message });
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    json!({ "name": "chat", "arguments": arguments })
}

async fn chat(client: &Client, message: &str, more: &Value) -> Value {
    let asked = request(client, NEW, "tools/call", &says(message, more));
    messages(&client.fetch(asked).await).pop().unwrap()["result"].clone()
}

/// How many orders there are beside the examples.
async fn ordered(client: &Client) -> usize {
    let orders = client.get("/orders").await.json();
    let orders = orders["orders"].as_array().unwrap().iter();
    orders.filter(|order| order["product"] == "anvil").count()
}

#[tokio::test]
async fn both_eras_find_the_tool_and_speak_with_the_team() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for era in [OLD, NEW] {
        let listed = client
            .fetch(request(&client, era, "tools/list", &json!({})))
            .await;
        let listed = messages(&listed).pop().unwrap();
        assert_eq!(listed["result"]["tools"][0]["name"], "chat", "{listed}");
        let said = says("hello", &json!({ "conversation_id": era }));
        let said = client
            .fetch(request(&client, era, "tools/call", &said))
            .await;
        let said = messages(&said).pop().unwrap();
        let result = &said["result"];
        assert_eq!(result["content"][0]["text"], "You said: hello", "{said}");
        assert_eq!(result["structuredContent"]["conversation_id"], era);
        assert_eq!(client.said(era).await.len(), 2);
    }
    // In the newer one head and body must agree.
    let lies = request(&client, NEW, "tools/list", &json!({})).header("mcp-name", "chat");
    let lies = lies.header("mcp-method", "tools/call");
    let refused = client.fetch(lies).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]["code"]),
        (400, &json!(-32020))
    );
}

#[tokio::test]
async fn hand_offs_and_tools_are_told_as_progress_and_a_repeated_order_is_placed_once() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let names = json!({ "conversation_id": "c", "message_id": "m1" });
    let mut said = says("order anvil 30", &names);
    said["_meta"] = json!({ "progressToken": "p" });
    for _ in 0..2 {
        let answer = client
            .fetch(request(&client, NEW, "tools/call", &said))
            .await;
        let mut heard = messages(&answer);
        let result = heard.pop().unwrap()["result"].clone();
        assert_eq!(
            result["structuredContent"]["status"], "completed",
            "{result}"
        );
        let steps: Vec<_> = heard
            .iter()
            .map(|told| told["params"]["message"].as_str().unwrap())
            .collect();
        assert!(steps.contains(&"SalesAgent takes over."), "{steps:?}");
        assert!(steps.contains(&"execute_order is called."), "{steps:?}");
    }
    assert_eq!(ordered(&client).await, 1);
}

#[tokio::test]
async fn a_message_in_no_conversation_places_no_order() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let result = chat(&client, "order anvil 30", &json!({})).await;
    let id = result["structuredContent"]["conversation_id"]
        .as_str()
        .unwrap();
    assert!(id.starts_with("c_"), "{result}");
    assert_eq!(ordered(&client).await, 0);
    // It goes on under its name.
    let result = chat(&client, "order anvil 30", &json!({ "conversation_id": id })).await;
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(ordered(&client).await, 1);
}

#[tokio::test]
async fn mistakes_and_failures_are_results_that_a_model_can_read() {
    let model = ScriptedModel::start([status(401)]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let blank = chat(&client, " ", &json!({})).await;
    assert_eq!(
        (&blank["isError"], &blank["content"][0]["text"]),
        (&json!(true), &json!("message is empty"))
    );
    let unnamed = client
        .fetch(request(
            &client,
            NEW,
            "tools/call",
            &json!({ "name": "chat", "arguments": {} }),
        ))
        .await;
    let unnamed = messages(&unnamed).pop().unwrap();
    assert_eq!(unnamed["result"]["isError"], true, "{unnamed}");
    let failed = chat(&client, "hello", &json!({ "conversation_id": "c" })).await;
    assert_eq!(
        (&failed["isError"], &failed["structuredContent"]["status"]),
        (&json!(true), &json!("failed"))
    );
    let other = json!({ "name": "other", "arguments": {} });
    let other = client
        .fetch(request(&client, NEW, "tools/call", &other))
        .await;
    assert_eq!(messages(&other).pop().unwrap()["error"]["code"], -32602);
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_nothing() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("Half").gate(&gate).says(" and half.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let names = json!({ "conversation_id": "c", "message_id": "m1" });
    let asked = request(&client, NEW, "tools/call", &says("hello", &names));
    let gone = tokio::spawn(asked.send());
    until("the model is asked", async || {
        (model.requests().len() == 1).then_some(())
    })
    .await;
    gone.abort();
    gate.open();
    let result = chat(&client, "hello", &names).await;
    assert_eq!(
        result["structuredContent"]["text"], "Half and half.",
        "{result}"
    );
    assert_eq!(
        (model.requests().len(), client.said("c").await.len()),
        (1, 2)
    );
}

#[tokio::test]
async fn a_stranger_finds_no_conversation_and_reads_no_resource() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Tokens, &model).await;
    let client = server.client();
    let refused = client
        .fetch(request(&client, NEW, "tools/list", &json!({})))
        .await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["jsonrpc"], "2.0");
    let challenge = refused.header("www-authenticate");
    let place = challenge.split('"').nth(1).unwrap();
    let place = place.split_once("://").unwrap().1;
    let metadata = client.get(&place[place.find('/').unwrap()..]).await.json();
    assert!(
        metadata["resource"].as_str().unwrap().ends_with("/mcp"),
        "{metadata}"
    );
    assert_eq!(
        metadata["authorization_servers"].as_array().unwrap().len(),
        1
    );

    let (owner, stranger) = (by_token("coyote"), by_token("roadrunner"));
    let said = request(&client, NEW, "tools/call", &says("a secret", &json!({})));
    let said = client.fetch(as_caller(said, &owner)).await;
    let said = messages(&said).pop().unwrap();
    let id = said["result"]["structuredContent"]["conversation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = async |caller: &Caller, uri: &str| {
        let asked = request(&client, NEW, "resources/read", &json!({ "uri": uri }));
        let answer = soon("a resource", client.fetch(as_caller(asked, caller))).await;
        messages(&answer).pop().unwrap()
    };
    let uri = format!("baton://conversations/{id}");
    let own = read(&owner, &uri).await;
    assert!(
        own["result"]["contents"][0]["text"]
            .as_str()
            .unwrap()
            .contains("a secret"),
        "{own}"
    );
    let mut foreign = read(&stranger, &uri).await;
    let missing = "baton://conversations/c_missing";
    assert_eq!(foreign["error"]["data"]["uri"], uri);
    foreign["error"]["data"]["uri"] = json!(missing);
    assert_eq!(foreign, read(&owner, missing).await);
    let listed = async |caller: &Caller| {
        let asked = request(&client, NEW, "resources/list", &json!({}));
        let answer = client.fetch(as_caller(asked, caller)).await;
        messages(&answer).pop().unwrap()["result"]["resources"].clone()
    };
    assert_eq!(listed(&owner).await[0]["uri"], uri);
    assert_eq!(listed(&stranger).await, json!([]));
}

#[tokio::test]
async fn a_client_that_can_ask_its_person_is_asked_for_the_customers_yes() {
    let model = ScriptedModel::responding(clerk).await;
    let approval = "approval = { above_usd = 500 }";
    let customer = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?" }"#;
    let setup = Setup::new(&model).with_team(&[(approval, customer)]);
    let server = setup.open().await;
    let client = server.client();
    let ids = json!({ "conversation_id": "c", "message_id": "m" });
    let mut refund = says("refund item_318205561", &ids);
    let told = messages(
        &client
            .fetch(request(&client, NEW, "tools/call", &refund))
            .await,
    );
    let told = &told.last().unwrap()["result"]["content"][1]["text"];
    assert_eq!(
        told,
        "The customer must confirm: Refund of $749.00 for item_318205561?"
    );

    refund["_meta"][CAPABILITIES] = json!({ "elicitation": {} });
    let call = async |params: &Value| {
        let answer = client
            .fetch(request(&client, NEW, "tools/call", params))
            .await;
        messages(&answer).pop().unwrap()["result"].clone()
    };
    let asked = call(&refund).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let form = &asked["inputRequests"]["card-0"];
    assert_eq!(form["method"], "elicitation/create");
    assert_eq!(
        form["params"]["message"],
        "Refund of $749.00 for item_318205561?"
    );
    refund["requestState"] = asked["requestState"].clone();
    refund["inputResponses"] = json!({ "card-0": { "action": "cancel" } });
    let later = call(&refund).await;
    assert_eq!(later["structuredContent"]["turn"], 1, "{later}");
    refund["inputResponses"] =
        json!({ "card-0": { "action": "accept", "content": { "yes": true } } });
    let paid = call(&refund).await;
    let (turn, status) = (
        &paid["structuredContent"]["turn"],
        &paid["structuredContent"]["status"],
    );
    assert_eq!((turn, status), (&json!(2), &json!("completed")), "{paid}");
    assert_eq!(call(&refund).await, paid, "again, the same");
    let refunds = client.get("/refunds").await.json();
    assert_eq!(refunds["refunds"].as_array().unwrap().len(), 1);

    refund["inputResponses"]["card-0"]["content"]["yes"] = json!(false);
    assert_eq!(call(&refund).await["isError"], true);
    let asked: Vec<Value> = serde_json::from_str(refund["requestState"].as_str().unwrap()).unwrap();
    refund["requestState"] = json!(json!(vec![asked[0].clone(); 33]).to_string());
    let many = call(&refund).await;
    assert_eq!(many["isError"], true);
    assert!(many.to_string().contains("at most 32 cards"), "{many}");
    refund["requestState"] = json!("[]");
    assert_eq!(call(&refund).await["isError"], true);
}

#[tokio::test]
async fn what_the_library_refuses_has_the_protocols_shape() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let listing = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let refused = client.bare("POST", "/mcp").header("accept", "text/html");
    let refused = client.fetch(refused.json(&listing)).await;
    assert_eq!(refused.status, 406, "{refused:?}");
    assert_eq!(refused.json()["error"]["code"], -32000);
}
