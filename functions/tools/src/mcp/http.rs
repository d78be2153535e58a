//! One message to a server by HTTP, and what comes back: one message, or a stream with the answer in it. Bounded in size and time.
//! Knows no sessions; each message has a connection of its own, and none is sent twice.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::Env;
use baton_http::inflate::{self, Encoding};
use baton_http::suspended::{self, Late};
use baton_http::{media_type, retry_after};
use futures_util::{Stream, StreamExt};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;

use super::answer::{Answer, Failed, MAX_MESSAGE, MAX_STREAM, Said};
use super::events::Events;
use super::message::{Message, declined};
use crate::outgoing::headers::Headers;
use crate::outgoing::line::{Line, Question};

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The most bytes of a failure that is no message.
const MAX_TEXT: usize = 2 * 1024;

/// Requests of the server that one stream may bring. None is carried out, but each is answered.
const MAX_REQUESTS: usize = 16;

/// How often a stream that ended without the answer is taken up again, and the longest pause before it.
const MAX_RESUMES: usize = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The way to one server.
pub(super) struct Post {
    /// The server's name, for the log.
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) headers: Headers,
    /// Whether the server gets a token of ours: not in clear text to another machine.
    pub(super) takes_tokens: bool,
    pub(super) allow_private: bool,
    pub(super) line: Arc<Line>,
    pub(super) env: Arc<dyn Env>,
}

/// The body of an answer, as far as it goes.
enum Read {
    Said(Said),
    /// It ended without the answer; the position behind it, and the pause that the server asks for.
    Ended(Option<String>, Option<u64>),
}

impl Post {
    /// Sends a message and reads its answer. `id`: that of the request; a notification has none, and its answer means nothing.
    pub(super) async fn send(
        &self,
        message: String,
        id: Option<u64>,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Answer, Failed> {
        let sent = headers.clone();
        let response = self
            .open(Method::POST, Some(message), headers, deadline)
            .await?;
        let status = response.status();
        let now = self.env.now();
        let answer = |said, response_headers: &HeaderMap| Answer {
            status: Some(status),
            retry_after: retry_after(response_headers, now),
            session: response_headers.get(SESSION).cloned(),
            said,
        };
        let came = response.headers().clone();
        let Some(id) = id else {
            return Ok(answer(Said::Text(String::new()), &came));
        };
        let mut read = self.read(response, id, &sent, deadline).await?;
        for _ in 0..MAX_RESUMES {
            let (position, pause) = match read {
                Read::Said(said) => return Ok(answer(said, &came)),
                Read::Ended(Some(position), pause) => (position, pause),
                Read::Ended(None, _) => break,
            };
            read = self.resume(&position, pause, id, &sent, deadline).await?;
        }
        Err(Failed::Cut(
            "the answer ended before it was whole".to_owned(),
        ))
    }

    async fn open(
        &self,
        method: Method,
        body: Option<String>,
        mut headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Response, Failed> {
        for (name, value) in &self.headers.fixed {
            headers.insert(name, value.clone());
        }
        let question = Question {
            of: &self.name,
            method,
            url: self.url.clone(),
            headers,
            body,
            allow_private: self.allow_private,
            timeout: deadline.saturating_duration_since(Instant::now()),
        };
        Ok(self.line.send(question, deadline).await?)
    }

    /// Takes up a stream behind a position (revision 2025-11-25, Resumability): asks for the rest of an answer, and repeats nothing.
    async fn resume(
        &self,
        position: &str,
        pause: Option<u64>,
        id: u64,
        sent: &HeaderMap,
        deadline: Instant,
    ) -> Result<Read, Failed> {
        let pause = Duration::from_millis(pause.unwrap_or(1_000)).min(LONGEST_PAUSE);
        if Instant::now() + pause >= deadline {
            return Ok(Read::Ended(None, None));
        }
        tokio::time::sleep(pause).await;
        let mut headers = sent.clone();
        let Ok(position) = HeaderValue::try_from(position) else {
            return Ok(Read::Ended(None, None));
        };
        headers.insert(LAST_EVENT, position);
        let opened = self.open(Method::GET, None, headers, deadline).await;
        // Whatever failed here, the request itself was sent before.
        let cut = |failed: Failed| Failed::Cut(failed.reason().to_owned());
        let response = opened.map_err(cut)?;
        if !response.status().is_success() {
            return Ok(Read::Ended(None, None));
        }
        self.read(response, id, sent, deadline).await.map_err(cut)
    }

    async fn read(
        &self,
        response: Response,
        id: u64,
        sent: &HeaderMap,
        deadline: Instant,
    ) -> Result<Read, Failed> {
        let status = response.status();
        let kind = media_type(response.headers()).unwrap_or_default();
        let encoding = Encoding::of(response.headers()).map_err(|_| {
            Failed::Unusable("its answer is compressed in an unknown way".to_owned())
        })?;
        let pieces = inflate::body(response, encoding);
        let reading = async {
            match kind.as_str() {
                "text/event-stream" if status.is_success() => {
                    self.read_stream(pieces, id, sent, deadline).await
                }
                _ => read_body(pieces, status, &kind, id).await.map(Read::Said),
            }
        };
        suspended::until(deadline, reading)
            .await
            .unwrap_or_else(|Late| Err(Failed::Cut("no answer came in time".to_owned())))
    }

    /// Reads until the answer is there; what else comes means nothing.
    async fn read_stream<B: AsRef<[u8]>, E>(
        &self,
        mut pieces: impl Stream<Item = Result<B, E>> + Unpin,
        id: u64,
        sent: &HeaderMap,
        deadline: Instant,
    ) -> Result<Read, Failed> {
        let mut events = Events::new(MAX_MESSAGE);
        let (mut bytes, mut requests, mut position) = (0, 0, None);
        while let Some(Ok(piece)) = pieces.next().await {
            bytes += piece.as_ref().len();
            let read = events.read(piece.as_ref());
            let Ok(read) = read else {
                return Err(too_large());
            };
            for event in read {
                position = event.id.or(position);
                match Message::read(&event.data) {
                    Message::Answer(Some(answered), reply) if answered == id => {
                        return Ok(Read::Said(Said::Reply(reply)));
                    }
                    Message::Request { id, method } if requests < MAX_REQUESTS => {
                        requests += 1;
                        // It waits for this word, and then answers without what it asked for.
                        let said = declined(&id, &method);
                        let opened = self.open(Method::POST, Some(said), sent.clone(), deadline);
                        let _unheard = opened.await;
                    }
                    Message::Answer(..) | Message::Request { .. } | Message::Other => {}
                }
            }
            if bytes > MAX_STREAM {
                return Err(too_large());
            }
        }
        Ok(Read::Ended(position, events.retry))
    }
}

fn too_large() -> Failed {
    Failed::Unusable("its answer is too large".to_owned())
}

async fn read_body<B: AsRef<[u8]>, E>(
    mut pieces: impl Stream<Item = Result<B, E>> + Unpin,
    status: StatusCode,
    kind: &str,
    id: u64,
) -> Result<Said, Failed> {
    let mut body = Vec::new();
    loop {
        match pieces.next().await {
            Some(Ok(piece)) if body.len() + piece.as_ref().len() <= MAX_MESSAGE => {
                body.extend_from_slice(piece.as_ref());
            }
            // What a failure says may be cut.
            Some(_) if !status.is_success() => break,
            Some(Ok(_)) => return Err(too_large()),
            Some(Err(_)) => {
                return Err(Failed::Cut(
                    "the connection was cut in the middle of the answer".to_owned(),
                ));
            }
            None => break,
        }
    }
    match Message::read(&body) {
        Message::Answer(Some(answered), reply) if answered == id => return Ok(Said::Reply(reply)),
        // A request that it could not read has no id.
        Message::Answer(None, reply) if !status.is_success() => return Ok(Said::Reply(reply)),
        Message::Answer(..) | Message::Request { .. } | Message::Other => {}
    }
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let end = text.floor_char_boundary(MAX_TEXT);
        return Ok(Said::Text(
            text.get(..end).unwrap_or_default().trim().to_owned(),
        ));
    }
    Err(Failed::Unusable(if kind == "application/json" {
        "its answer is not one to the request".to_owned()
    } else {
        "its answer is neither JSON nor a stream of events".to_owned()
    }))
}
