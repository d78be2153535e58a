//! A client that wants the whole answer, over however many connections: it remembers the last id it has and resumes with it.

use std::future::pending;
use std::time::Duration;

use baton_http::builder;
use serde_json::{Value, json};

use crate::proxy::Proxy;

/// More than a lease. Nothing is measured by it; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_mins(2);

/// Connections that a client tries until it gives the server up.
const TRIES: usize = 200;

/// How the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    Sse,
    Text,
}

impl Format {
    /// Those of clients that obey `reset`.
    pub(crate) const ALL: [Self; 2] = [Self::Ndjson, Self::Sse];
}

/// The way to a server. Every request has a connection of its own.
pub(crate) struct Way<'a> {
    http: reqwest::Client,
    base: String,
    proxy: Option<&'a Proxy>,
}

impl Way<'static> {
    /// Straight to it.
    pub(crate) fn to(address: &str) -> Self {
        Self::of(format!("http://{address}"), None)
    }
}

impl<'a> Way<'a> {
    /// Over a network that breaks.
    pub(crate) fn through(proxy: &'a Proxy) -> Self {
        Self::of(proxy.base(), Some(proxy))
    }

    fn of(base: String, proxy: Option<&'a Proxy>) -> Self {
        let http = builder(&base.parse().unwrap(), &[], false)
            .unwrap()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { http, base, proxy }
    }

    /// Resolves when the client's read time-out would run out.
    async fn stalls(&self) {
        match self.proxy {
            Some(proxy) => proxy.stalled().await,
            None => pending().await,
        }
    }
}

/// One thing that was heard: text that belongs together, or anything else.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) step: u64,
    pub(crate) kind: String,
    pub(crate) what: Value,
}

/// What a client has of one turn.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    format: Format,
    is_plain: bool,
    conversation: String,
    message: String,
    message_id: String,
    turn: Option<u32>,
    last: String,
    unread: Vec<u8>,
    /// What stands on the screen.
    pub(crate) pieces: Vec<Piece>,
    /// How the turn ended.
    pub(crate) end: Option<String>,
    pub(crate) resets: usize,
    /// The texts that resets took off the screen.
    pub(crate) taken_back: Vec<String>,
    pub(crate) connections: usize,
}

impl Heard {
    /// A client that is about to say something, and says it again until it knows which turn that is.
    pub(crate) fn to_say(format: Format, conversation: &str, message: &str) -> Self {
        Self {
            format,
            is_plain: false,
            conversation: conversation.to_owned(),
            message: message.to_owned(),
            message_id: "m".to_owned(),
            turn: None,
            last: String::new(),
            unread: Vec::new(),
            pieces: Vec::new(),
            end: None,
            resets: 0,
            taken_back: Vec::new(),
            connections: 0,
        }
    }

    /// A client that wants to hear a turn that is there.
    pub(crate) fn of_turn(format: Format, conversation: &str, turn: u32) -> Self {
        Self {
            turn: Some(turn),
            ..Self::to_say(format, conversation, "")
        }
    }

    /// The same under this name for its message.
    pub(crate) fn under(mut self, message_id: &str) -> Self {
        message_id.clone_into(&mut self.message_id);
        self
    }

    /// The same as a client that takes nothing back.
    pub(crate) fn plain(mut self) -> Self {
        self.is_plain = true;
        self
    }

    /// Listens, and resumes whenever the connection breaks.
    pub(crate) async fn hear_out(mut self, way: &Way<'_>) -> Self {
        for _ in 0..TRIES {
            if self.end.is_some() {
                return self;
            }
            self.listen(way, |_| false).await;
        }
        panic!("no end after {TRIES} connections: {self:?}");
    }

    /// Listens on one connection, to the end of the turn or of the connection, or until `enough`, which is asked when the
    /// answer begins and after whatever comes.
    pub(crate) async fn listen(&mut self, way: &Way<'_>, mut enough: impl FnMut(&Self) -> bool) {
        self.connections += 1;
        self.unread.clear();
        let connection = async {
            let Ok(mut response) = self.request(way).send().await else {
                return;
            };
            if !self.begins(&response) || enough(self) {
                return;
            }
            while let Ok(Some(bytes)) = response.chunk().await {
                self.take(&bytes);
                if enough(self) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, async {
            tokio::select! {
                biased;
                () = connection => {}
                () = way.stalls() => {}
            }
        })
        .await
        .expect("waited in vain for an answer");
    }

    fn request(&self, way: &Way<'_>) -> reqwest::RequestBuilder {
        let accept = match self.format {
            Format::Ndjson => "application/x-ndjson",
            Format::Sse => "text/event-stream",
            Format::Text => "text/plain",
        };
        let say_so = |request: reqwest::RequestBuilder| {
            if self.is_plain {
                request.header("x-baton-client", "plain")
            } else {
                request
            }
        };
        let Some(turn) = self.turn else {
            let body = json!({ "conversation_id": self.conversation, "message": self.message, "message_id": self.message_id });
            let url = format!("{}/chat/completions", way.base);
            return say_so(way.http.post(url).header("accept", accept).json(&body));
        };
        let url = format!(
            "{}/conversations/{}/turns/{turn}/events",
            way.base, self.conversation
        );
        let request = if self.connections.is_multiple_of(2) {
            way.http.get(url).header("last-event-id", &self.last)
        } else {
            way.http.get(format!("{url}?after={}", self.last))
        };
        say_so(request.header("accept", accept))
    }

    /// Whether something follows.
    fn begins(&mut self, response: &reqwest::Response) -> bool {
        if response.status() == 204 {
            self.end = Some("heard before".to_owned());
            return false;
        }
        assert_eq!(response.status(), 200, "{self:?}");
        if let Some(turn) = response.headers().get("x-turn") {
            self.turn = Some(turn.to_str().unwrap().parse().unwrap());
        }
        true
    }

    /// Whole lines or events count; half a one is as good as none.
    fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let end: &[u8] = match self.format {
            Format::Ndjson | Format::Text => b"\n",
            Format::Sse => b"\n\n",
        };
        while let Some(at) = self
            .unread
            .windows(end.len())
            .position(|window| window == end)
        {
            let whole: Vec<u8> = self.unread.drain(..at + end.len()).collect();
            let whole = std::str::from_utf8(&whole).unwrap().trim();
            match self.format {
                _ if whole.is_empty() || whole.starts_with(':') => {}
                Format::Ndjson | Format::Text => self.take_line(whole),
                Format::Sse => self.take_event(whole),
            }
        }
    }

    fn take_line(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap();
        let content = &line["content"];
        let id = line["id"].as_str().unwrap().to_owned();
        match content["type"].as_str().unwrap() {
            "string" => self.show(&id, "text", content["message"].clone()),
            "reset" => self.reset(content["step"].as_u64().unwrap()),
            "done" => self.ends(content["status"].as_str().unwrap()),
            other => self.show(&id, other, content["message"].clone()),
        }
        self.last = id;
    }

    fn take_event(&mut self, block: &str) {
        let mut fields = block.lines().map(|line| line.split_once(": ").unwrap());
        let mut field = |name: &str| fields.next().filter(|field| field.0 == name).unwrap().1;
        let (id, name, data) = (field("id").to_owned(), field("event"), field("data"));
        let data: Value = serde_json::from_str(data).unwrap();
        match name {
            "text_delta" => self.show(&id, "text", data["text"].clone()),
            "reset" => self.reset(data["step"].as_u64().unwrap()),
            "turn_completed" | "turn_stopped" | "turn_continues" => {
                self.ends(data["status"].as_str().unwrap());
            }
            "turn_failed" => {
                self.show(&id, "error", data["message"].clone());
                self.ends("failed");
            }
            other => self.show(&id, other, data),
        }
        self.last = id;
    }

    fn show(&mut self, id: &str, kind: &str, mut what: Value) {
        // A lookup may be repeated by the next owner, and takes another time.
        if let Some(what) = what.as_object_mut() {
            what.remove("milliseconds");
        }
        assert_eq!(self.end, None, "{kind} behind the end: {self:?}");
        let step = step_of(id);
        let last = self.pieces.last_mut();
        match last.filter(|last| kind == "text" && last.kind == kind && last.step == step) {
            Some(last) => last.what = format!("{}{}", text(&last.what), text(&what)).into(),
            None => self.pieces.push(Piece {
                step,
                kind: kind.to_owned(),
                what,
            }),
        }
    }

    fn reset(&mut self, step: u64) {
        self.resets += 1;
        let taken_back = self.pieces.extract_if(.., |piece| piece.step >= step);
        let texts = taken_back.filter(|piece| piece.kind == "text");
        let texts = texts.map(|piece| text(&piece.what).to_owned());
        self.taken_back.extend(texts);
    }

    fn ends(&mut self, status: &str) {
        assert_eq!(self.end, None, "a second end: {self:?}");
        // The stream has ended and the turn has not: it is to be followed.
        self.end = (status != "running").then(|| status.to_owned());
    }

    /// All text together.
    pub(crate) fn text(&self) -> String {
        self.pieces
            .iter()
            .filter(|piece| piece.kind == "text")
            .map(|piece| text(&piece.what))
            .collect()
    }

    /// What a person sees, without ids, which differ from turn to turn.
    pub(crate) fn seen(&self) -> Vec<String> {
        let shown = self
            .pieces
            .iter()
            .map(|piece| match (&piece.what, piece.kind.as_str()) {
                (Value::String(text), kind) => format!("{} {kind}: {text}", piece.step),
                (data, kind) => format!(
                    "{} {kind}: {}",
                    piece.step,
                    data["name"].as_str().unwrap_or_default()
                ),
            });
        shown.chain(self.end.clone()).collect()
    }

    pub(crate) fn turn(&self) -> Option<u32> {
        self.turn
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The step in `TURN.STEP.FENCE.OFFSET`.
fn step_of(id: &str) -> u64 {
    id.split('.').nth(1).unwrap().parse().unwrap()
}
