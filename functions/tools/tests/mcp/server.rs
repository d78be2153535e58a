//! An MCP server on this machine, of either era, by hand: it checks what it is sent, and a test decides what it answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::service::{Came, Does, answer, json as json_answer, read, say};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// 2026-07-28 only.
    Modern,
    /// 2025-11-25 with sessions.
    Legacy,
    /// 2025-11-25 without.
    Stateless,
}

/// What it does with a call: its request.
type OnCall = Box<dyn Fn(&Value) -> Does + Send>;

struct State {
    speaks: Speaks,
    tools: Vec<Value>,
    /// Tools on one page.
    page: usize,
    ttl_ms: Option<u64>,
    on_call: OnCall,
    /// The number of the session that counts; earlier ones are gone.
    session: usize,
    came: Vec<Came>,
}

/// A running server; ends with the test.
pub(crate) struct McpServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    running: AbortHandle,
}

/// The tool `find-order` as these servers define it.
pub(crate) fn find_order() -> Value {
    json!({
        "name": "find-order",
        "description": "Finds an order.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "number": {"type": "string"},
                "region": {"type": "string", "x-mcp-header": "Region"},
            },
            "required": ["number"],
        },
        // A lie, where a test makes an action of it.
        "annotations": {"readOnlyHint": true, "idempotentHint": true},
    })
}

/// A result with a text.
pub(crate) fn text(text: &str) -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]})
}

/// The answer to a request, as JSON.
pub(crate) fn result(request: &Value, result: &Value) -> Does {
    let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    Does::Says(json_answer(&body.to_string()))
}

/// An error for a request.
pub(crate) fn error(status: &str, request: &Value, code: i64) -> Does {
    let error = json!({"code": code, "message": format!("error {code}")});
    let body = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
    let headers = "content-type: application/json\r\n";
    Does::Says(answer(status, headers, &body.to_string()))
}

/// A stream of these messages.
pub(crate) fn stream(messages: &[Value]) -> String {
    let events = messages
        .iter()
        .map(|it| format!("event: message\ndata: {it}\n\n"));
    let body: String = events.collect();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: hello\n\n{body}"
    )
}

impl McpServer {
    /// One that has `find-order`, which answers "Order 7."
    pub(crate) async fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            speaks,
            tools: vec![find_order()],
            page: 100,
            ttl_ms: None,
            on_call: Box::new(|request| result(request, &text("Order 7."))),
            session: 1,
            came: Vec::new(),
        }));
        let shared = state.clone();
        let running = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                tokio::spawn(async move {
                    if let Some(came) = read(&mut socket).await {
                        let does = state.lock().unwrap().answer(&came);
                        say(&mut socket, does, &[]).await;
                    }
                });
            }
        });
        Self {
            address,
            state,
            running: running.abort_handle(),
        }
    }

    /// From now on it does this with calls.
    pub(crate) fn on_call(&self, does: impl Fn(&Value) -> Does + Send + 'static) {
        self.state.lock().unwrap().on_call = Box::new(does);
    }

    pub(crate) fn set_tools(&self, tools: Vec<Value>, page: usize, ttl_ms: Option<u64>) {
        let mut state = self.state.lock().unwrap();
        (state.tools, state.page, state.ttl_ms) = (tools, page, ttl_ms);
    }

    pub(crate) fn speak(&self, speaks: Speaks) {
        self.state.lock().unwrap().speaks = speaks;
    }

    /// Forgets all sessions.
    pub(crate) fn end_sessions(&self) {
        self.state.lock().unwrap().session += 1;
    }

    /// The methods that it was asked for, in their order.
    pub(crate) fn methods(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let methods = state.came.iter().map(|came| {
            let body: Value = serde_json::from_str(&came.body).unwrap_or_default();
            let method = body["method"].as_str();
            method
                .unwrap_or_else(|| came.line.split(' ').next().unwrap())
                .to_owned()
        });
        methods.collect()
    }

    /// The requests with this method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Came> {
        let methods = self.methods();
        let state = self.state.lock().unwrap();
        let named = state.came.iter().zip(methods);
        let named = named.filter(|(_, found)| found == method);
        named.map(|(came, _)| came.clone()).collect()
    }

    /// How many calls it was sent.
    pub(crate) fn calls(&self) -> usize {
        self.asked("tools/call").len()
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl State {
    fn answer(&mut self, came: &Came) -> Does {
        self.came.push(came.clone());
        let request: Value = serde_json::from_str(&came.body).unwrap_or_default();
        let method = request["method"].as_str().unwrap_or_default();
        if self.speaks == Speaks::Modern {
            self.answer_modern(came, &request, method)
        } else {
            self.answer_legacy(came, &request, method)
        }
    }

    fn answer_modern(&self, came: &Came, request: &Value, method: &str) -> Does {
        let meta = &request["params"]["_meta"];
        let is_modern = came.header("mcp-protocol-version") == ["2026-07-28"]
            && came.header("mcp-method") == [method]
            && came.header("mcp-session-id").is_empty()
            && meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
            && meta["io.modelcontextprotocol/clientInfo"]["name"] == "baton"
            && meta["io.modelcontextprotocol/clientCapabilities"] == json!({});
        let is_named = method != "tools/call"
            || came.header("mcp-name") == [request["params"]["name"].as_str().unwrap()];
        if !is_modern || !is_named {
            return error("400 Bad Request", request, -32020);
        }
        match method {
            "server/discover" => result(
                request,
                &json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}),
            ),
            "tools/list" => self.list(request),
            "tools/call" => (self.on_call)(request),
            _ => error("404 Not Found", request, -32601),
        }
    }

    fn answer_legacy(&self, came: &Came, request: &Value, method: &str) -> Does {
        let session = format!("session-{}", self.session);
        if method == "initialize" {
            assert_eq!(request["params"]["protocolVersion"], "2025-11-25");
            let chosen = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {}});
            let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": chosen});
            let session = match self.speaks {
                Speaks::Stateless => String::new(),
                Speaks::Modern | Speaks::Legacy => format!("mcp-session-id: {session}\r\n"),
            };
            let headers = format!("content-type: application/json\r\n{session}");
            return Does::Says(answer("200 OK", &headers, &body.to_string()));
        }
        if came.header("mcp-protocol-version") != ["2025-11-25"] {
            return error("400 Bad Request", request, -32000);
        }
        let sent = came.header("mcp-session-id");
        if self.speaks == Speaks::Legacy && sent != [session.as_str()] {
            return error("404 Not Found", request, -32001);
        }
        if came.line.starts_with("GET") {
            return (self.on_call)(&Value::Null);
        }
        match method {
            "tools/list" => self.list(request),
            "tools/call" => (self.on_call)(request),
            // A notification, or our word to a request of its own.
            _ => Does::Says(answer("202 Accepted", "", "")),
        }
    }

    fn list(&self, request: &Value) -> Does {
        let from: usize = match request["params"]["cursor"].as_str() {
            Some(cursor) => cursor.parse().unwrap(),
            None => 0,
        };
        let to = (from + self.page).min(self.tools.len());
        let mut page = json!({"resultType": "complete", "tools": &self.tools[from..to]});
        if to < self.tools.len() {
            page["nextCursor"] = to.to_string().into();
        }
        if let Some(ttl) = self.ttl_ms {
            page["ttlMs"] = ttl.into();
        }
        result(request, &page)
    }
}
