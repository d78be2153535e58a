//! The mode for load: one prepared answer for every request, at a pace. The bytes are built once, so that its cost is small
//! beside the measured servers. It reads a request only in the mode with orders. Behind the feature `load`, since only this mode
//! needs HTTP/2.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep_until};

/// Words, and tokens, of an answer by default.
pub const WORDS: usize = 20;
/// More streams than one process may have descriptors: this side is never the limit.
const STREAMS_PER_CONNECTION: u32 = 1 << 20;

const VOCABULARY: [&str; 20] = [
    "Welcome",
    " to",
    " ACME",
    " Inc",
    ".",
    " We",
    " have",
    " just",
    " the",
    " thing",
    " for",
    " catching",
    " a",
    " roadrunner",
    ":",
    " our",
    " rocket",
    "-powered",
    " unicycle",
    "!",
];

/// The answer and its pace.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Words of an answer.
    pub words: usize,
    /// The pause between two words; the first comes at once.
    pub delay: Duration,
    /// The pause between the last word and the end.
    pub hold: Duration,
    /// Whether the answer to a customer's message is an order, followed by the text after the order's result.
    pub orders: bool,
}

fn vocabulary(words: usize) -> impl Iterator<Item = &'static str> {
    VOCABULARY.into_iter().cycle().take(words)
}

/// The text of an answer with this many words.
pub fn text(words: usize) -> Arc<str> {
    vocabulary(words).collect::<String>().into()
}

/// Serves HTTP/1.1, and HTTP/2 with prior knowledge, until a connection cannot be accepted.
///
/// # Errors
///
/// Why a connection could not be accepted.
pub async fn serve(listener: TcpListener, settings: Settings) -> io::Result<()> {
    let scripts = Scripts {
        text: Script {
            frames: frames(settings.words).into(),
            delay: settings.delay,
            hold: settings.hold,
        },
        order: settings.orders.then(Script::order),
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(STREAMS_PER_CONNECTION);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (builder, scripts) = (builder.clone(), scripts.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, scripts.clone()));
            // The client counts its own losses.
            let _hung_up = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    scripts: Scripts,
) -> Result<Response<Answer>, http::Error> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/chat/completions") => {}
        (&Method::GET, "/health") => return Response::builder().body(Answer::empty()),
        _ => {
            return Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body(Answer::empty());
        }
    }
    let Ok(asked) = request.into_body().collect().await else {
        return Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .body(Answer::empty());
    };
    Response::builder()
        .header(http::header::CONTENT_TYPE, "text/event-stream")
        .header(http::header::CACHE_CONTROL, "no-cache")
        .body(Answer::new(scripts.to(&asked.to_bytes())))
}

#[derive(Clone)]
struct Script {
    frames: Arc<[Bytes]>,
    delay: Duration,
    hold: Duration,
}

impl Script {
    fn order() -> Self {
        Self {
            frames: order_frames().into(),
            delay: Duration::ZERO,
            hold: Duration::ZERO,
        }
    }
}

#[derive(Clone)]
struct Scripts {
    text: Script,
    /// The answer to a customer in the mode with orders.
    order: Option<Script>,
}

impl Scripts {
    fn to(self, asked: &[u8]) -> Script {
        match self.order {
            Some(order) if customer_wrote_last(asked) => order,
            Some(_) | None => self.text,
        }
    }
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: &'a str,
}

fn customer_wrote_last(asked: &[u8]) -> bool {
    serde_json::from_slice(asked)
        .is_ok_and(|Asked { messages }| messages.last().is_some_and(|last| last.role == "user"))
}

/// The events of one answer, one by one.
struct Answer {
    script: Script,
    next: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    fn new(script: Script) -> Self {
        let slow = script.delay > Duration::ZERO || script.hold > Duration::ZERO;
        Self {
            pause: slow.then(|| Box::pin(sleep_until(Instant::now()))),
            script,
            next: 0,
        }
    }

    fn empty() -> Self {
        Self::new(Script {
            frames: Arc::default(),
            delay: Duration::ZERO,
            hold: Duration::ZERO,
        })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(frame) = self.script.frames.get(self.next).cloned() else {
            return Poll::Ready(None);
        };
        let is_last_word = self.next + 2 == self.script.frames.len();
        let delay = self.script.delay
            + if is_last_word {
                self.script.hold
            } else {
                Duration::ZERO
            };
        if let Some(pause) = &mut self.pause {
            ready!(pause.poll_unpin(cx));
            let next = pause.deadline() + delay;
            pause.as_mut().reset(next);
        }
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

/// The data of one moment: the role goes with the first word, the end with the last.
fn frames(words: usize) -> Vec<Bytes> {
    let mut frames: Vec<String> = vocabulary(words)
        .map(|word| {
            let mut event = String::new();
            choice(&mut event, &format!(r#"{{"content":"{word}"}}"#), "null");
            event
        })
        .collect();
    if let Some(first) = frames.first_mut() {
        let mut role = String::new();
        choice(
            &mut role,
            r#"{"role":"assistant","content":"","refusal":null}"#,
            "null",
        );
        first.insert_str(0, &role);
    }
    let mut end = String::new();
    choice(&mut end, "{}", r#""stop""#);
    usage(&mut end, words);
    end.push_str("data: [DONE]\n\n");
    frames.push(end);
    frames.into_iter().map(Bytes::from).collect()
}

/// The call of a tool with a side effect, and the end.
fn order_frames() -> Vec<Bytes> {
    let mut event = String::new();
    choice(
        &mut event,
        r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_DdmO9pD3xa9XTPNJ32zg2hcA","type":"function","function":{"name":"execute_order","arguments":"{\"product\":\"anvil\",\"price\":99}"}}]}"#,
        "null",
    );
    choice(&mut event, "{}", r#""tool_calls""#);
    usage(&mut event, WORDS);
    event.push_str("data: [DONE]\n\n");
    vec![Bytes::from(event)]
}

/// As api.openai.com writes it, with every field: a parser must skip them all.
const HEAD: &str = r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_b376dfbbd5""#;

fn choice(event: &mut String, delta: &str, finish_reason: &str) {
    let written = write!(
        event,
        "data: {HEAD},\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}],\"usage\":null}}\n\n"
    );
    debug_assert!(written.is_ok(), "a String takes everything");
}

fn usage(event: &mut String, words: usize) {
    let written = write!(
        event,
        "data: {HEAD},\"choices\":[],\"usage\":{{\"prompt_tokens\":100,\"completion_tokens\":{words},\"total_tokens\":{}}}}}\n\n",
        words + 100
    );
    debug_assert!(written.is_ok(), "a String takes everything");
}
