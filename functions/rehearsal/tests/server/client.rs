//! A server of its own for each test, and a small client: whole requests, parsed streams, and a team that plays turns.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_rehearsal::{Settings, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// More steps than any turn of the script needs.
const STEPS_MAX: usize = 8;

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let settings = Settings {
            word_delay: Duration::ZERO,
            ..Settings::default()
        };
        tokio::spawn(serve(listener, settings, std::future::pending()));
        // reqwest brings no TLS provider of its own here.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { base, http }
    }

    pub(crate) async fn post(&self, body: &Value) -> reqwest::Response {
        self.http
            .post(format!("{}/v1/chat/completions", self.base))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn whole(&self, body: &Value) -> Value {
        let response = self.post(body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The chunks of a stream that ended with `[DONE]`.
    pub(crate) async fn chunks(&self, body: &Value) -> Vec<Value> {
        let response = self.post(body).await;
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        let text = response.text().await.unwrap();
        let mut events: Vec<&str> = text
            .split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").unwrap())
            .collect();
        assert_eq!(events.pop(), Some("[DONE]"));
        events
            .into_iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    }

    /// The assistant message that a stream amounts to.
    pub(crate) async fn streamed(&self, body: &Value) -> Value {
        let mut text = String::new();
        let mut calls: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
        for chunk in self.chunks(body).await {
            let delta = &chunk["choices"][0]["delta"];
            text.push_str(delta["content"].as_str().unwrap_or_default());
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let entry = calls.entry(call["index"].as_u64().unwrap()).or_default();
                entry.0.push_str(call["id"].as_str().unwrap_or_default());
                entry
                    .1
                    .push_str(call["function"]["name"].as_str().unwrap_or_default());
                entry
                    .2
                    .push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
        }
        let mut message = json!({ "role": "assistant", "content": text });
        if !calls.is_empty() {
            message["tool_calls"] = calls
                .into_values()
                .map(|(id, name, arguments)| {
                    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
                })
                .collect();
        }
        message
    }
}

pub(crate) fn tool(name: &str, properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "function", "function": {
        "name": name,
        "description": format!("The tool {name}."),
        "parameters": { "type": "object", "properties": properties, "required": required },
    }})
}

fn agent(name: &str) -> (&'static str, Vec<Value>) {
    let transfer = |name: &str| tool(name, &json!({}), &[]);
    match name {
        "triage" => (
            "You are a customer service bot for ACME Inc. Introduce yourself and be very brief.",
            vec![
                transfer("transfer_to_sales_agent"),
                transfer("transfer_to_issues_and_repairs"),
            ],
        ),
        "sales" => (
            "You are a sales agent for ACME Inc.",
            vec![
                tool(
                    "execute_order",
                    &json!({ "product": { "type": "string" }, "price": { "type": "integer" } }),
                    &["product", "price"],
                ),
                transfer("transfer_back_to_triage"),
            ],
        ),
        "issues" => (
            "You are a customer support agent for ACME Inc.",
            vec![
                tool(
                    "look_up_item",
                    &json!({ "search_query": { "type": "string" } }),
                    &["search_query"],
                ),
                tool(
                    "execute_refund",
                    &json!({ "item_id": { "type": "string" }, "reason": { "type": "string" } }),
                    &["item_id"],
                ),
                transfer("transfer_back_to_triage"),
            ],
        ),
        other => panic!("no agent {other}"),
    }
}

/// A conversation with the ACME team: a turn loop that is as small as can be.
pub(crate) struct Conversation<'a> {
    server: &'a Server,
    pub(crate) agent: &'static str,
    pub(crate) history: Vec<Value>,
    /// What the tools answer, by name.
    pub(crate) results: BTreeMap<&'static str, Value>,
}

/// What a turn came to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) text: String,
    /// Names of tools in the order of their calls, with their arguments.
    pub(crate) calls: Vec<(String, Value)>,
}

impl Turn {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.calls.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        let results = BTreeMap::from([
            ("execute_order", json!({ "order_number": "A-1007" })),
            (
                "look_up_item",
                json!([
                    { "item_id": "item_31", "name": "Giant Magnet" },
                    { "item_id": "item_42", "name": "Rocket-Powered Unicycle" },
                ]),
            ),
            (
                "execute_refund",
                json!({ "status": "done", "refund_id": "R-9", "refunded_usd": 1200 }),
            ),
        ]);
        Self {
            server,
            agent: "triage",
            history: Vec::new(),
            results,
        }
    }

    pub(crate) async fn say(&mut self, text: &str) -> Turn {
        self.history
            .push(json!({ "role": "user", "content": text }));
        self.run().await
    }

    /// Steps until a response has no calls.
    pub(crate) async fn run(&mut self) -> Turn {
        let mut turn = Turn::default();
        for _ in 0..STEPS_MAX {
            let (instructions, tools) = agent(self.agent);
            let mut messages = vec![json!({ "role": "system", "content": instructions })];
            messages.extend(self.history.iter().cloned());
            let request =
                json!({ "model": "gpt-4o", "messages": messages, "tools": tools, "stream": true });
            let message = self.server.streamed(&request).await;
            let calls = message["tool_calls"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            message["content"]
                .as_str()
                .unwrap()
                .clone_into(&mut turn.text);
            self.history.push(message);
            if calls.is_empty() {
                return turn;
            }
            for call in calls {
                self.answer(&call, &mut turn);
            }
        }
        panic!("the turn does not end: {turn:?}");
    }

    fn answer(&mut self, call: &Value, turn: &mut Turn) {
        let name = call["function"]["name"].as_str().unwrap().to_owned();
        let offered = agent(self.agent).1;
        assert!(
            offered
                .iter()
                .any(|tool| tool["function"]["name"] == name.as_str()),
            "{name} was not offered"
        );
        let arguments: Value =
            serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        let target = match name.as_str() {
            "transfer_to_sales_agent" => Some("sales"),
            "transfer_to_issues_and_repairs" => Some("issues"),
            "transfer_back_to_triage" => Some("triage"),
            _ => None,
        };
        let result = match target {
            Some(target) => {
                self.agent = target;
                json!({ "assistant": target }).to_string()
            }
            None => self.results[name.as_str()].to_string(),
        };
        self.history
            .push(json!({ "role": "tool", "tool_call_id": call["id"], "content": result }));
        turn.calls.push((name, arguments));
    }
}
