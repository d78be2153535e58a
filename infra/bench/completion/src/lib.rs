//! One streaming call of a model service, and its answer as the lines of the original's format. Knows no server.
//!
//! A crate of its own because the bare function must be built of nothing that only the benchmark needs, nor the benchmark of the
//! AWS SDK.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use sse_stream::{Sse, SseByteStream};

/// The text of an answer, a line each time that some of it comes.
pub fn lines(
    response: reqwest::Response,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    SseByteStream::new(response.bytes_stream()).flat_map(|event| stream::iter(line(event).map(Ok)))
}

/// The line of one event; nothing for an event without text, so that a fault is an answer with a hole, which the client counts.
fn line<E>(event: Result<Sse, E>) -> Option<Bytes> {
    let data = event.ok()?.data?;
    let chunk: Chunk = serde_json::from_str(&data).ok()?;
    let message = chunk.choices.into_iter().next()?.delta.content?;
    if message.is_empty() {
        return None;
    }
    let content = Content {
        kind: "string",
        message,
    };
    let mut line = serde_json::to_vec(&Line { content }).ok()?;
    line.push(b'\n');
    Some(line.into())
}

/// The least that a model service wants to be asked.
#[derive(Debug, Serialize)]
pub struct Call<'a> {
    model: &'static str,
    stream: bool,
    stream_options: StreamOptions,
    messages: [Message<'a>; 1],
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Call<'a> {
    /// One that says this.
    pub fn new(message: &'a str) -> Self {
        Self {
            model: "gpt-4o",
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            messages: [Message {
                role: "user",
                content: message,
            }],
        }
    }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Serialize)]
struct Line {
    content: Content,
}

#[derive(Serialize)]
struct Content {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}
