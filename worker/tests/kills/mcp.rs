//! `kill -9` of pools while they call a tool of an MCP server that knows no keys: no action has more than one effect, and one of which
//! nobody can know is *unknown*.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_handoff::record::{ActionRecord, ActionState};
use baton_kit::dice::Dice;
use baton_kit::script::clerk;
use baton_rehearsal::scripted::ScriptedModel;
use baton_tools::mcp::Definition;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Front, Place, SETTLED, over, setting};

/// Kills, unless `BATON_KILLS` says how many.
const KILLS: u64 = 12;

/// Customers who begin after each kill.
const CUSTOMERS: u64 = 2;

/// How long an effect takes, at most: longer than what comes between a call and a kill.
const MICROSECONDS: u64 = 20_000;

fn tool() -> Value {
    json!({
        "name": "order",
        "description": "Orders a product.",
        "inputSchema": {"type": "object", "properties": {"product": {"type": "string"}, "price": {"type": "integer"}}},
        "annotations": {"idempotentHint": true, "readOnlyHint": true},
    })
}

fn team(server: SocketAddr) -> String {
    let tool = tool();
    let text = |name: &str| tool[name].as_str().unwrap().to_owned();
    let definition = Definition {
        name: text("name"),
        description: text("description"),
        schema: tool["inputSchema"].clone(),
    };
    format!(
        r#"
name = "Shop"
entry = "Clerk"

[[agent]]
name = "Clerk"
instructions = "Do what the customer says."
tools = ["execute_order"]

[[mcp]]
name = "shop"
url = "http://{server}/mcp"
allow_private = true

[[tool]]
name = "execute_order"
kind = "action"
description = "Orders a product."
timeout_seconds = 1
parameters = {{ product = {{ type = "string" }}, price = {{ type = "integer" }} }}

[tool.mcp]
server = "shop"
tool = "order"
pinned = "{}"
"#,
        definition.pin()
    )
}

/// An MCP server that counts what it does, and does it again whenever it is asked.
struct Counting {
    address: SocketAddr,
    effects: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Calls that have come.
    called: watch::Receiver<u64>,
    running: AbortHandle,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Counting {
    async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let effects: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let (tell, called) = watch::channel(0);
        let (counted, tell) = (effects.clone(), Arc::new(tell));
        let dice = Arc::new(Mutex::new(Dice(seed)));
        let running = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let pause = dice.lock().unwrap().below(MICROSECONDS);
                let pause = Duration::from_micros(pause);
                tokio::spawn(answer(socket, counted.clone(), tell.clone(), pause));
            }
        });
        Self {
            address,
            effects,
            called,
            running: running.abort_handle(),
        }
    }
}

/// The callers may be killed at any moment, so nothing here is sure to come or to arrive.
async fn answer(
    mut socket: TcpStream,
    effects: Arc<Mutex<BTreeMap<String, usize>>>,
    tell: Arc<watch::Sender<u64>>,
    pause: Duration,
) {
    let Some(request) = read(&mut socket).await else {
        return;
    };
    let result = match request["method"].as_str() {
        Some("server/discover") => json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}),
        Some("tools/list") => json!({"tools": [tool()]}),
        _ => {
            let product = request["params"]["arguments"]["product"].as_str().unwrap();
            tell.send_modify(|called| *called += 1);
            // The work of the tool, during which its caller may be killed.
            tokio::time::sleep(pause).await;
            let mut effects = effects.lock().unwrap();
            *effects.entry(product.to_owned()).or_default() += 1;
            json!({"content": [{"type": "text", "text": "Ordered."}]})
        }
    };
    let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _gone = socket.write_all(format!("{head}{body}").as_bytes()).await;
    let _gone = socket.shutdown().await;
}

async fn read(socket: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(request) = serde_json::from_str(body)
        {
            return Some(request);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_pools_in_a_call_of_an_mcp_server_does_nothing_twice() {
    let kills = setting("BATON_KILLS").map_or(KILLS, |kills| kills.div_ceil(50));
    let seed = setting("BATON_KILLS_SEED").unwrap_or(1);
    let mut dice = Dice(seed);
    let server = Counting::start(seed).await;
    let model = ScriptedModel::responding(clerk).await;
    let place = Place::new("mcp-pools", &model, &team(server.address));
    let parts = Arc::new(place.front().await);
    let engine = parts.engine();
    let front = Front { parts, engine };
    let mut pool = place.pool();
    let mut names = Vec::new();
    for kill in 0..kills {
        let reached = *server.called.borrow() + 1;
        for customer in 0..CUSTOMERS {
            let name = format!("m{kill}-{customer}");
            let order = format!("order {name} 30");
            front.say(&name, "order", &order, true).await;
            names.push(name);
        }
        let mut called = server.called.clone();
        let called = called.wait_for(|called| *called >= reached);
        tokio::time::timeout(SETTLED, called)
            .await
            .unwrap()
            .unwrap();
        // Not a wait for anything: the moment of the kill.
        tokio::time::sleep(Duration::from_micros(dice.below(MICROSECONDS))).await;
        pool.kill().await.unwrap();
        pool = place.pool();
    }
    // Nobody is killed in this one.
    front.say("last", "order", "order last 30", true).await;
    names.push("last".to_owned());
    let mut ends = Vec::new();
    for name in &names {
        let journal = tokio::time::timeout(SETTLED, over(&front, name)).await;
        let journal = journal.unwrap_or_else(|_| panic!("{name} does not end"));
        let [action] = journal.actions.as_slice() else {
            panic!("one action was asked for in {name}")
        };
        ends.push((name, action.clone()));
    }
    let effects = server.effects.lock().unwrap().clone();
    for (name, action) in &ends {
        let had = effects.get(*name).copied().unwrap_or_default();
        assert_allowed(action, had);
    }
    let count = |state| {
        let ended = ends.iter().filter(|(_, action)| action.state == state);
        ended.count()
    };
    let (done, unknown) = (count(ActionState::Done), count(ActionState::Unknown));
    println!("{kills} kills, {done} done, {unknown} unknown; 0 twice");
    assert!(done > 0, "the last order was disturbed");
    assert!(unknown > 0, "no kill hit a call");
    front.parts.close().await;
}

/// What was done has one effect. Of what is unknown there may be one, and never two.
fn assert_allowed(action: &ActionRecord, effects: usize) {
    let is_allowed = match action.state {
        ActionState::Done => effects == 1,
        ActionState::Unknown => effects <= 1,
        ActionState::Rejected => effects == 0,
        ActionState::Proposed | ActionState::Queued | ActionState::Running => false,
    };
    assert!(is_allowed, "{effects} effects of {action:?}");
}
