//! JSON-RPC as MCP has it: our requests, and what a server sends. Knows both eras of the protocol; never a transport.
//!
//! Not by `rmcp`, see infra/docs/decisions/0012-mcp-client.md: its worker outlives a call, sends messages once more after a session has
//! expired, and reports too late whether anything was sent. An action's call must be sent once, by a connection to checked addresses.

use serde_json::{Map, Value, json};

/// The revision without sessions.
pub(super) const MODERN: &str = "2026-07-28";

/// The revisions that begin with `initialize`, the newest first.
pub(super) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Errors that say that a request was not carried out: not JSON, no request, no such method or tool, invalid parameters; and of the
/// revision without sessions: headers that differ from the body, a missing capability, an unsupported version.
const CERTAIN: [i64; 7] = [
    -32700,
    -32600,
    -32601,
    -32602,
    HEADER_MISMATCH,
    -32021,
    UNSUPPORTED,
];

/// The headers of a request differ from its body.
pub(super) const HEADER_MISMATCH: i64 = -32020;

/// The server does not speak the revision of the request.
pub(super) const UNSUPPORTED: i64 = -32022;

/// How a server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Each request says all that there is to know.
    Modern,
    /// After a handshake, in this revision.
    Legacy(&'static str),
}

/// A request to a server.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) params: Map<String, Value>,
    /// Members of `_meta` of our own.
    pub(super) meta: Map<String, Value>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Result(Map<String, Value>),
    Error(RpcError),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Value,
}

/// A message of a server.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// An answer. Without an id it is about a request that the server could not read.
    Answer(Option<u64>, Reply),
    /// A request to us.
    Request { id: Value, method: String },
    /// A notification, or no message at all.
    Other,
}

impl RpcError {
    /// Whether it says that the request was not carried out.
    pub(super) fn is_certain(&self) -> bool {
        CERTAIN.contains(&self.code)
    }

    /// Whether only a server of the revision without sessions says so.
    pub(super) fn is_modern(&self) -> bool {
        matches!(self.code, HEADER_MISMATCH | -32021 | UNSUPPORTED)
    }
}

impl Ask {
    pub(super) fn new(method: &'static str, params: &Value) -> Self {
        let params = params.as_object().cloned().unwrap_or_default();
        Self {
            method,
            params,
            meta: Map::new(),
        }
    }

    /// The handshake of the revisions with sessions.
    pub(super) fn initialize() -> Self {
        let [newest, ..] = LEGACY;
        let params = json!({
            "protocolVersion": newest,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        Self::new("initialize", &params)
    }

    /// The text of the request. No message has a line break in it.
    pub(super) fn message(&self, id: u64, era: Option<Era>) -> String {
        let mut meta = self.meta.clone();
        if era == Some(Era::Modern) {
            let name = |name: &str| format!("io.modelcontextprotocol/{name}");
            meta.insert(name("protocolVersion"), MODERN.into());
            meta.insert(name("clientInfo"), client_info());
            meta.insert(name("clientCapabilities"), json!({}));
        }
        let mut params = self.params.clone();
        if !meta.is_empty() {
            params.insert("_meta".to_owned(), Value::Object(meta));
        }
        json!({"jsonrpc": "2.0", "id": id, "method": self.method, "params": params}).to_string()
    }
}

fn client_info() -> Value {
    json!({"name": "baton", "version": env!("CARGO_PKG_VERSION")})
}

/// A message that wants no answer.
pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// Our answer to a request of the server: there is nothing that it may ask of us but whether we are there.
pub(super) fn declined(id: &Value, method: &str) -> String {
    if method == "ping" {
        return json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string();
    }
    let error = json!({"code": -32601, "message": "this client answers no requests"});
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}

impl Message {
    pub(super) fn read(text: &[u8]) -> Self {
        match serde_json::from_slice(text) {
            Ok(value) => Self::of(value),
            Err(_) => Self::Other,
        }
    }

    fn of(value: Value) -> Self {
        let Value::Object(mut message) = value else {
            return Self::Other;
        };
        let id = message.remove("id").unwrap_or_default();
        if let Some(method) = message.get("method").and_then(Value::as_str) {
            if id.is_null() {
                return Self::Other;
            }
            let method = method.to_owned();
            return Self::Request { id, method };
        }
        let number = id.as_u64();
        if number.is_none() && !id.is_null() {
            // An answer to somebody else.
            return Self::Other;
        }
        if let Some(Value::Object(error)) = message.remove("error") {
            let text = error.get("message").and_then(Value::as_str);
            let error = RpcError {
                code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
                message: text.unwrap_or_default().to_owned(),
                data: error.get("data").cloned().unwrap_or_default(),
            };
            return Self::Answer(number, Reply::Error(error));
        }
        match (number, message.remove("result")) {
            (Some(_), Some(Value::Object(result))) => Self::Answer(number, Reply::Result(result)),
            _ => Self::Other,
        }
    }
}

/// The era to speak with a server that supports these revisions; `None`: there is none in common.
pub(super) fn common(supported: &Value) -> Option<Era> {
    let supports = |version: &&str| {
        let mut all = supported.as_array().into_iter().flatten();
        all.any(|it| it.as_str() == Some(version))
    };
    if supports(&MODERN) {
        return Some(Era::Modern);
    }
    LEGACY.into_iter().find(|it| supports(it)).map(Era::Legacy)
}

/// The revision that a server chose in the handshake.
pub(super) fn chosen(result: &Map<String, Value>) -> Result<Era, String> {
    let version = result.get("protocolVersion").and_then(Value::as_str);
    let version = version.unwrap_or_default();
    let known = LEGACY.into_iter().find(|known| *known == version);
    known.map(Era::Legacy).ok_or_else(|| {
        let version: String = version.chars().take(40).collect();
        format!("it speaks revision {version:?} of the protocol, which Baton does not")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Message {
        Message::read(text.as_bytes())
    }

    #[test]
    fn answers_requests_and_the_rest_are_told_apart() {
        let Message::Answer(Some(7), Reply::Result(result)) =
            read(r#"{"jsonrpc": "2.0", "id": 7, "result": {"a": 1}}"#)
        else {
            panic!("no answer")
        };
        assert_eq!(result["a"], 1);
        let Message::Answer(None, Reply::Error(error)) =
            read(r#"{"jsonrpc": "2.0", "id": null, "error": {"code": -32022, "message": "no"}}"#)
        else {
            panic!("no answer")
        };
        assert!(error.is_certain() && error.is_modern());
        let request = read(r#"{"jsonrpc": "2.0", "id": "a", "method": "sampling/createMessage"}"#);
        assert!(matches!(request, Message::Request { .. }));
        for other in [
            r#"{"jsonrpc": "2.0", "method": "notifications/progress"}"#,
            r#"{"jsonrpc": "2.0", "id": "7", "result": {}}"#,
            r#"{"jsonrpc": "2.0", "id": 7.5, "result": {}}"#,
            r#"{"jsonrpc": "2.0", "id": 7, "result": 1}"#,
            "[]",
            "7",
            "",
            "{",
        ] {
            assert_eq!(read(other), Message::Other, "{other}");
        }
    }

    #[test]
    fn an_internal_error_says_nothing_about_effects() {
        let of = |code| RpcError {
            code,
            message: String::new(),
            data: Value::Null,
        };
        assert!(of(-32602).is_certain());
        assert!(!of(-32603).is_certain());
        assert!(!of(-32000).is_certain());
        assert!(!of(0).is_certain());
    }

    #[test]
    fn the_newest_revision_in_common_is_spoken() {
        let of = |versions: Value| common(&versions);
        assert_eq!(of(json!(["2025-11-25", "2026-07-28"])), Some(Era::Modern));
        assert_eq!(
            of(json!(["2025-03-26", "2025-06-18"])),
            Some(Era::Legacy("2025-06-18"))
        );
        assert_eq!(of(json!(["2031-01-01"])), None);
        assert_eq!(of(Value::Null), None);
    }

    #[test]
    fn a_modern_request_says_who_asks_and_a_legacy_one_does_not() {
        let mut ask = Ask::new("tools/call", &json!({"name": "find", "arguments": {}}));
        ask.meta.insert("traceparent".to_owned(), "00-1".into());
        let params = |era| {
            let text = ask.message(3, era);
            assert!(!text.contains('\n'));
            let value: Value = serde_json::from_str(&text).unwrap();
            value["params"]["_meta"].clone()
        };
        let modern = params(Some(Era::Modern));
        assert_eq!(modern["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(modern["traceparent"], "00-1");
        assert_eq!(
            params(Some(Era::Legacy("2025-11-25"))),
            json!({"traceparent": "00-1"})
        );
    }
}
