//! Every route × every caller, as a function.

#[path = "../matrix/mod.rs"]
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_handoff::ports::Env;
use baton_kit::lambda::Api;
use baton_kit::lambda::event::Request;
use baton_kit::script::clerk;
use baton_rehearsal::scripted::ScriptedModel;
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;
use serde_json::Value;

use self::shared::{Ask, Asks, Mode, Reply, check, people, tokens};
use crate::function::Function;

const OPERATOR: &str = "an operator of the tests";
const SESSIONS: &str = "a secret of the tests with 32 bytes or more";

/// Bad credentials are answered late: in one invocation after the other they would take minutes.
const AT_ONCE: usize = 128;

impl Asks for Function {
    async fn ask(&self, ask: &Ask) -> Reply {
        let mut request = Request::new(&ask.method, &ask.path);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &ask.body {
            let body = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let mut answer = Self::ask(self, &request);
        let prelude = answer.prelude().await.unwrap();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let given = prelude["headers"].as_object().into_iter().flatten();
        for (name, values) in given {
            let values = values
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![values.clone()]);
            headers.insert(name.clone(), texts(&values));
        }
        let cookies = prelude["cookies"].as_array().cloned().unwrap_or_default();
        if !cookies.is_empty() {
            headers.insert("set-cookie".to_owned(), texts(&cookies));
        }
        let is_endless = headers
            .get("content-type")
            .is_some_and(|kind| kind == &["text/event-stream"]);
        let body = if is_endless {
            String::new()
        } else {
            String::from_utf8_lossy(&answer.rest().await).into_owned()
        };
        Reply {
            status: u16::try_from(prelude["statusCode"].as_u64().unwrap()).unwrap(),
            headers,
            body,
        }
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    let values = values.iter().filter_map(Value::as_str);
    values.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_the_function_is_for_its_owner() {
    let model = ScriptedModel::responding(clerk).await;
    let mut function = Function::of(Api::start().await, &model);
    let people = {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        let store = Arc::new(SqliteStore::open(function.data(), env.clone()).unwrap());
        let queue = Arc::new(store.queue());
        people::make(store, queue, env, OPERATOR).await
    };
    let mode = Mode::Visitors;
    let mut settings = tokens::settings().to_vec();
    settings.extend([
        ("BATON_AUTH", mode.setting().to_owned()),
        ("BATON_SESSION_SECRET", SESSIONS.to_owned()),
        ("BATON_OPERATOR_TOKEN", OPERATOR.to_owned()),
        // Each caller says something on every route that takes a message.
        (
            "BATON_BOUNDS",
            [
                "messages.owner=1000,turns.owner=1000,streams.owner=1000",
                "messages.address=10000,turns.address=1000,streams.address=1000",
            ]
            .join(","),
        ),
        ("AWS_LAMBDA_MAX_CONCURRENCY", AT_ONCE.to_string()),
    ]);
    function.rise(&settings);
    check(&function, mode, &people, SESSIONS).await;
}
