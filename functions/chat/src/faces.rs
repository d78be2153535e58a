//! Other protocols: each an adapter that reads its requests and writes its answers, in a folder of its own.
//!
//! ```text
//! router ─▶ faces/NAME/ ─▶ body: large requests, of which little is kept
//!               │ ├──────▶ door: who asks, bounds, the conversation, the message   ◀── routes/completions
//!               │ ├──────▶ whole: a turn for answers that do not stream
//!               │ └──────▶ stream/: the listener of a turn, with the protocol's own `Encoder`
//!               └─ refusals: plain `ApiError`s, which `in_own_words` writes in the protocol's shape
//! ```
//!
//! A face knows its protocol, and nothing of rules about conversations: ownership, bounds, ids of messages and claims are the
//! door's, the same for all. A new one is a folder, its routes in the one list of `router.rs`, and a line in [`Face`].

pub(crate) mod a2a;
pub(crate) mod ag_ui;
pub(crate) mod ai_sdk;
pub(crate) mod body;
pub(crate) mod door;
pub(crate) mod mcp;
pub(crate) mod openai_chat;
pub(crate) mod responses;
pub(crate) mod whole;

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use baton_handoff::event::ConfirmationAsked;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::app::MAX_BODY;
use crate::edge::authority::is_loopback_host;
use crate::edge::error::{ApiError, Refused};

/// A protocol other than Baton's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Chat Completions, and whatever else stands below `/v1`.
    OpenAi,
    /// The stream of the AI SDK's chats.
    AiSdk,
    /// The Model Context Protocol.
    Mcp,
    /// AG-UI.
    AgUi,
    /// A2A.
    A2a,
}

impl Face {
    /// The protocol of a path, also of one that does not exist.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let is_below = |prefix: &str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if is_below("/v1") {
            Some(Self::OpenAi)
        } else if is_below("/api/chat") {
            Some(Self::AiSdk)
        } else if is_below("/mcp") {
            Some(Self::Mcp)
        } else if is_below("/agui") {
            Some(Self::AgUi)
        } else if is_below("/a2a") {
            Some(Self::A2a)
        } else {
            None
        }
    }

    /// A refusal as the protocol's clients read it.
    fn refusal(self, refused: Refused) -> Response {
        let Refused { status, detail } = refused;
        match self {
            Self::OpenAi => {
                // Their clients would repeat a conflict blindly.
                let status = if status == StatusCode::CONFLICT {
                    StatusCode::BAD_REQUEST
                } else {
                    status
                };
                (status, Json(openai_error(status, &detail))).into_response()
            }
            // Shown as it is: the client takes the whole text for the message of the error.
            Self::AiSdk => (status, detail).into_response(),
            Self::Mcp => (status, Json(mcp::error(status, &detail))).into_response(),
            Self::AgUi => (status, Json(ag_ui::error(status, &detail))).into_response(),
            // No call was read yet.
            Self::A2a => (status, Json(a2a::error(status, &detail, &Value::Null))).into_response(),
        }
    }
}

/// The largest body that a path takes, in bytes. Clients of other protocols send the whole conversation with each message.
pub(crate) fn largest_body(path: &str) -> usize {
    match Face::of(path) {
        Some(Face::OpenAi | Face::AiSdk | Face::AgUi) => body::MAX_BODY,
        Some(Face::Mcp | Face::A2a) | None => MAX_BODY,
    }
}

/// Writes refusals below a face's paths in its protocol's own shape. Status and headers stay.
pub(crate) async fn in_own_words(request: Request, next: Next) -> Response {
    let face = Face::of(request.uri().path());
    let mut response = next.run(request).await;
    let refused = response.extensions_mut().remove::<Refused>();
    let (Some(face), Some(refused)) = (face, refused) else {
        return response;
    };
    reworded(response, face.refusal(refused))
}

/// A refusal with the status, type and body of its other form.
fn reworded(mut response: Response, own: Response) -> Response {
    response.extensions_mut().remove::<Refused>();
    let (head, body) = own.into_parts();
    *response.status_mut() = head.status;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.clone());
    }
    *response.body_mut() = body;
    response
}

/// An error of OpenAI's interfaces. Their clients choose the class of the exception by the status.
fn openai_error(status: StatusCode, sentence: &str) -> Value {
    let (kind, code) = match status {
        StatusCode::UNAUTHORIZED => ("invalid_request_error", Some("invalid_api_key")),
        StatusCode::TOO_MANY_REQUESTS => ("requests", Some("rate_limit_exceeded")),
        StatusCode::GATEWAY_TIMEOUT => ("server_error", Some("turn_continues")),
        status if status.is_server_error() => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    error_body(sentence, kind, code)
}

/// The same with a type and a code of one's own.
pub(crate) fn error_body(sentence: &str, kind: &str, code: Option<&str>) -> Value {
    json!({ "error": { "message": sentence, "type": kind, "param": null, "code": code } })
}

/// Said where a stream ends before its turn.
pub(crate) const CONTINUES: &str =
    "The answer goes on behind this stream. Send the same request again: it finds the same answer.";

/// The answer where one must be sent and its turn is not over.
pub(crate) fn not_yet() -> ApiError {
    ApiError::new(
        StatusCode::GATEWAY_TIMEOUT,
        "the answer is not ready yet; send the same request again: it finds the same answer",
    )
    .with_header(header::RETRY_AFTER, "2")
}

/// This server's address, as the client calls it.
fn origin(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("localhost");
    let scheme = if is_loopback_host(host) {
        "http"
    } else {
        "https"
    };
    format!("{scheme}://{host}")
}

/// Cards that one request answers. Each is a look and a commit.
const MOST_ANSWERS: usize = 32;

/// Refuses more answers to cards than one request may bring.
fn must_be_few(answers: usize) -> Result<(), ApiError> {
    if answers > MOST_ANSWERS {
        let detail = format!("at most {MOST_ANSWERS} cards are answered at once");
        return Err(ApiError::bad_request(detail));
    }
    Ok(())
}

/// What a client prints that knows nothing of cards.
pub(crate) fn confirm_text(asked: &ConfirmationAsked) -> String {
    format!("\n\n{}\nPlease confirm.", asked.title)
}
