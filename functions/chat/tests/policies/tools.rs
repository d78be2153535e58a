//! A company deploys its own team, whose tools call a service in a private network with a secret.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use baton_rehearsal::scripted::{ScriptedModel, calls, says};
use http::HeaderMap;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Table;
use crate::function::{Function, say};
use crate::template::Template;

/// What the service was shown by who called it.
type Shown = Arc<Mutex<Vec<String>>>;

async fn free_tables(State(shown): State<Shown>, headers: HeaderMap) -> &'static str {
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    shown.lock().unwrap().push(authorization);
    r#"{"free": ["T1"]}"#
}

async fn open_restaurant() -> (Shown, u16) {
    let shown = Shown::default();
    let router = Router::new()
        .route("/free", get(free_tables))
        .with_state(shown.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (shown, port)
}

/// What the layer holds. Gone when dropped.
struct Layer(PathBuf);

impl Layer {
    fn with_team(port: u16) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("layer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let team = format!(
            r#"name = "Café Lumière"
entry = "Host"

[[agent]]
name = "Host"
instructions = "Book tables."
tools = ["find_tables"]

[[tool]]
name = "find_tables"
kind = "lookup"
description = "Finds free tables."

[tool.http]
method = "GET"
url = "http://127.0.0.1:{port}/free"
headers = {{ Authorization = {{ env = "TABLES_TOKEN", prefix = "Bearer " }} }}
"#
        );
        std::fs::write(folder.join("team.toml"), team).unwrap();
        Self(folder)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the functions and the template as JSON: ./infra/test template makes both"]
async fn a_team_of_a_layer_calls_its_service_with_its_secret() {
    let (shown, port) = open_restaurant().await;
    let layer = Layer::with_team(port);
    let script = [calls("find_tables", json!({})), says("T1 is free.")];
    let model = ScriptedModel::start(script).await;
    let (template, table) = (Template::read().with_options(), Table::start().await);
    let (sent, _messages) = mpsc::unbounded_channel();
    let start = async |program, function| {
        let settings = |host: &str| {
            let mut settings = template.environment(function, host);
            settings.insert("BATON_MODEL_URL".to_owned(), model.url());
            Template::in_folder(&mut settings, &layer.0);
            settings
        };
        Function::start(program, &table.url, sent.clone(), settings).await
    };
    let mut chat = start("chat", "ChatFunction").await;
    say(&mut chat, "c", "Is there a table?").await;
    assert_eq!(*shown.lock().unwrap(), ["Bearer a t0ken of the tests"]);
    // Without the variable it would not have started.
    let mut worker = start("worker", "WorkerFunction").await;
    worker.ask(json!({"source": "baton.sweep"})).await;
    let secret = |name: &str| ("secretsmanager:GetSecretValue".to_owned(), name.to_owned());
    for (function, role) in [(&chat, "ChatRole"), (&worker, "WorkerRole")] {
        let (calls, allowed) = (function.cloud.calls(), template.allowed(role));
        assert!(calls.is_subset(&allowed), "{calls:?}");
        assert!(calls.contains(&secret("ToolSecret")), "{calls:?}");
    }
    // And who gives nothing is allowed nothing more.
    assert!(
        !Template::read()
            .allowed("ChatRole")
            .contains(&secret("ToolSecret"))
    );
}
