//! The one place that knows the HTTP interface: a change of it edits this file.

use baton_http::builder;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::line::{SseEvent, Turn, sse_events};
use super::{Line, soon, until};

/// The operator of every server of the tests.
pub(crate) const OPERATOR: &str = "an operator of the tests";

/// How paths of operators' routes begin.
const OPERATOR_PATHS: [&str; 5] = ["/actions", "/orders", "/refunds", "/desk/", "/audit"];

/// A customer, or an operator.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    /// The token for routes of operators.
    operator: String,
}

/// The body of a message.
pub(crate) fn body(conversation: &str, message: &str) -> Value {
    json!({ "conversation_id": conversation, "message": message })
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let http = builder(&base.parse().unwrap(), &[], false)
            .unwrap()
            .build()
            .unwrap();
        Self {
            http,
            base: base.to_owned(),
            operator: OPERATOR.to_owned(),
        }
    }

    /// The same client in the name of the operator with this token.
    pub(crate) fn with_operator(&self, token: &str) -> Self {
        Self {
            operator: token.to_owned(),
            ..self.clone()
        }
    }

    /// A request: to routes of operators as one of them, to all others without a credential.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.bare(method, path);
        if OPERATOR_PATHS.iter().any(|begin| path.starts_with(begin)) {
            request.bearer_auth(&self.operator)
        } else {
            request
        }
    }

    /// A request without a credential.
    pub(crate) fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn fetch(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = soon("an answer", request.send()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = soon("a body", response.text()).await.unwrap();
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.fetch(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.fetch(self.request("POST", path).json(body)).await
    }

    /// Sends a message and does not wait for the answer's end.
    pub(crate) async fn send(&self, body: &Value) -> Listening {
        let request = self.request("POST", "/chat/completions").json(body);
        Listening::of(
            soon("the begin of an answer", request.send())
                .await
                .unwrap(),
        )
    }

    /// Sends a message and hears the answer to its end.
    pub(crate) async fn say(&self, conversation: &str, message: &str) -> Turn {
        self.send(&body(conversation, message)).await.rest().await
    }

    /// The same message under the client's own name for it.
    pub(crate) async fn say_as(&self, id: &str, conversation: &str, message: &str) -> Turn {
        let mut body = body(conversation, message);
        body["message_id"] = json!(id);
        self.send(&body).await.rest().await
    }

    /// Sends a message to a server that may be killed meanwhile. None if the answer did not come to its end.
    pub(crate) async fn try_say(&self, body: &Value, heard: impl Fn(&Line)) -> Option<Turn> {
        let request = self.request("POST", "/chat/completions").json(body);
        let mut listening =
            Listening::of(soon("the begin of an answer", request.send()).await.ok()?);
        while let Some(line) = listening.try_next().await? {
            heard(&line);
        }
        let Listening {
            conversation,
            turn,
            lines,
            ..
        } = listening;
        lines
            .last()
            .is_some_and(|line| line.content.kind == "done")
            .then(|| Turn::of(conversation, turn, lines))
    }

    /// Sends a message and hears the answer as typed events.
    pub(crate) async fn events_of(&self, conversation: &str, message: &str) -> Vec<SseEvent> {
        let request = self
            .request("POST", "/chat/completions")
            .header("accept", "text/event-stream");
        let answer = self.fetch(request.json(&body(conversation, message))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        sse_events(&answer.body)
    }

    /// Follows a turn to its end; nothing if there is nothing to follow.
    pub(crate) async fn follow(&self, conversation: &str, turn: u32, after: &str) -> Option<Turn> {
        let path = format!("/conversations/{conversation}/turns/{turn}/events?after={after}");
        let answer = self.get(&path).await;
        if answer.status == StatusCode::NO_CONTENT {
            return None;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer
            .body
            .lines()
            .filter(|line| !line.is_empty())
            .map(Line::parse)
            .collect();
        Some(Turn::of(conversation.to_owned(), turn, lines))
    }

    /// The history's items; nothing if there is no such conversation.
    pub(crate) async fn items(&self, conversation: &str) -> Vec<Value> {
        let answer = self.get(&format!("/conversations/{conversation}")).await;
        match answer.status {
            StatusCode::NOT_FOUND => Vec::new(),
            status => {
                assert_eq!(status, 200, "{answer:?}");
                answer.json()["items"].as_array().unwrap().clone()
            }
        }
    }

    /// The items of one type.
    pub(crate) async fn items_of(&self, conversation: &str, kind: &str) -> Vec<Value> {
        let items = self.items(conversation).await;
        items
            .into_iter()
            .filter(|item| item["type"] == kind)
            .collect()
    }

    /// The history in short: what the customer said and what was answered, turn by turn.
    pub(crate) async fn said(&self, conversation: &str) -> Vec<(u32, String, String)> {
        let messages = self.items_of(conversation, "message").await;
        let field = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        messages
            .iter()
            .map(|item| {
                (
                    u32::try_from(item["turn"].as_u64().unwrap()).unwrap(),
                    field(item, "role"),
                    field(item, "text"),
                )
            })
            .collect()
    }

    /// Resolves when the history shows a turn that is over.
    pub(crate) async fn turn_ends(&self, conversation: &str, turn: u32) -> Value {
        until("the end of a turn", async || {
            let ends = self.items_of(conversation, "turn").await;
            ends.into_iter()
                .find(|item| item["turn"] == turn && item["status"] != "running")
        })
        .await
    }

    /// The actions in a state, as an operator sees them.
    pub(crate) async fn actions(&self, state: &str) -> Vec<Value> {
        let answer = self.get(&format!("/actions?state={state}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["actions"].as_array().unwrap().clone()
    }

    /// The same action as it is now.
    pub(crate) async fn action(&self, action: &Value) -> Value {
        let path = format!("/actions/{}", action["id"].as_str().unwrap());
        let answer = self.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// An operator's decision about an action as it was shown.
    pub(crate) async fn decide(&self, action: &Value, decision: &str) -> Answer {
        let path = format!("/actions/{}/{decision}", action["id"].as_str().unwrap());
        let body = json!({
            "arguments_hash": action["arguments_hash"],
            "fence": action["fence"],
            "reason": "as the test wants it",
            "reason_for_customer": "as the shop wants it",
        });
        self.post(&path, &body).await
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The path that `Location` names in an answer of `/chat/completions`.
    pub(crate) fn location(&self) -> String {
        let reference = self.header("location");
        let rest = reference.strip_prefix("../");
        format!(
            "/{}",
            rest.expect("a reference that works below any prefix")
        )
    }

    /// The sentence of a refusal, which has nothing but it.
    pub(crate) fn detail(&self) -> String {
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A client in the middle of an answer. Dropping it hangs up.
pub(crate) struct Listening {
    pub(crate) conversation: String,
    pub(crate) turn: u32,
    response: reqwest::Response,
    unread: Vec<u8>,
    lines: Vec<Line>,
}

impl Listening {
    fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let (conversation, turn) = (
            header("x-conversation-id"),
            header("x-turn").parse().unwrap(),
        );
        Self {
            conversation,
            turn,
            response,
            unread: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The next line; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        let next = self.try_next().await.expect("the connection broke");
        assert!(
            next.is_some() || self.unread.is_empty(),
            "a stream ended in the middle of a line"
        );
        next
    }

    /// The next line, or that there is no more; none when the connection broke.
    async fn try_next(&mut self) -> Option<Option<Line>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8(line).unwrap();
                if line.trim().is_empty() {
                    continue;
                }
                let line = Line::parse(&line);
                self.lines.push(line.clone());
                return Some(Some(line));
            }
            match soon("the next bytes", self.response.chunk()).await {
                Ok(Some(bytes)) => self.unread.extend_from_slice(&bytes),
                Ok(None) => return Some(None),
                Err(_broken) => return None,
            }
        }
    }

    /// Everything to the end, checked.
    pub(crate) async fn rest(mut self) -> Turn {
        while self.next().await.is_some() {}
        Turn::of(self.conversation, self.turn, self.lines)
    }

    /// What came until the connection broke; for servers that are killed.
    pub(crate) async fn until_cut(mut self) -> Vec<Line> {
        while let Some(Some(_)) = self.try_next().await {}
        self.lines
    }
}
