//! The answer as server-sent events, word by word.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use crate::completion::{FINGERPRINT, Heading};
use crate::reply::{Reply, Usage};

/// A handful of characters, like the tokens of JSON, so that a client must join arguments.
const FRAGMENT_CHARS: usize = 8;

/// One event, before it is written.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The first delta. The service starts with an empty text, and with null if there are calls only.
    Role {
        text_follows: bool,
    },
    Word(String),
    CallBegins {
        index: usize,
        name: String,
    },
    Arguments {
        index: usize,
        fragment: String,
    },
    Finish(&'static str),
    Usage,
    Done,
}

impl Part {
    /// Whether a person would have to type this: only typing takes time.
    fn is_written(&self) -> bool {
        match self {
            Self::Word(_) | Self::CallBegins { .. } | Self::Arguments { .. } => true,
            Self::Role { .. } | Self::Finish(_) | Self::Usage | Self::Done => false,
        }
    }
}

/// The answer to a streaming request. The body is built as it is read: no task outlives a client that left.
pub(crate) fn respond(
    heading: Heading,
    reply: &Reply,
    usage: Usage,
    include_usage: bool,
    word_delay: Duration,
) -> Response {
    let encoder = Encoder {
        heading,
        usage,
        include_usage,
    };
    let parts = parts(reply, include_usage);
    let body = if word_delay.is_zero() {
        let mut events = String::new();
        for part in &parts {
            encoder.write(part, &mut events);
        }
        Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from(events))]))
    } else {
        paced(encoder, parts, word_delay)
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn paced(encoder: Encoder, parts: Vec<Part>, word_delay: Duration) -> Body {
    let parts = parts.into_iter();
    Body::from_stream(stream::unfold(
        (encoder, parts),
        move |(encoder, mut parts)| async move {
            let part = parts.next()?;
            if part.is_written() {
                tokio::time::sleep(word_delay).await;
            }
            let mut event = String::new();
            encoder.write(&part, &mut event);
            Some((Ok::<_, Infallible>(Bytes::from(event)), (encoder, parts)))
        },
    ))
}

fn parts(reply: &Reply, include_usage: bool) -> Vec<Part> {
    let mut parts = vec![Part::Role {
        text_follows: !reply.text.is_empty() || reply.calls.is_empty(),
    }];
    parts.extend(words(&reply.text).map(|word| Part::Word(word.to_owned())));
    for (index, call) in reply.calls.iter().enumerate() {
        parts.push(Part::CallBegins {
            index,
            name: call.name.clone(),
        });
    }
    parts.extend(interleaved(reply));
    parts.push(Part::Finish(reply.finish_reason()));
    if include_usage {
        parts.push(Part::Usage);
    }
    parts.push(Part::Done);
    parts
}

/// The fragments of all calls, interleaved: a client must be able to separate them.
fn interleaved(reply: &Reply) -> Vec<Part> {
    let mut fragments: Vec<_> = reply
        .calls
        .iter()
        .map(|call| fragments(&call.arguments).into_iter())
        .collect();
    let mut parts = Vec::new();
    loop {
        let before = parts.len();
        for (index, fragments) in fragments.iter_mut().enumerate() {
            parts.extend(
                fragments
                    .next()
                    .map(|fragment| Part::Arguments { index, fragment }),
            );
        }
        if parts.len() == before {
            return parts;
        }
    }
}

fn fragments(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters
        .chunks(FRAGMENT_CHARS)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

/// Words with the white space before them; together they are the text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.trim_start();
        let blank = rest.len() - word.len();
        let end = word
            .find(char::is_whitespace)
            .map_or(rest.len(), |length| blank + length);
        let (piece, tail) = rest.split_at_checked(end)?;
        // White space at the very end belongs to the last word.
        let (piece, tail) = if tail.trim().is_empty() {
            (rest, "")
        } else {
            (piece, tail)
        };
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

struct Encoder {
    heading: Heading,
    usage: Usage,
    include_usage: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: &'a [ChunkChoice<'a>],
    /// Null in every chunk but the last one, where usage is asked for; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Nullable<Usage>>,
}

/// A field that is null, which is not the same as a field that is absent.
#[derive(Serialize)]
#[serde(untagged)]
enum Nullable<T> {
    Null,
    Value(T),
}

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u8,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Nullable<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Encoder {
    /// Appends one event.
    fn write(&self, part: &Part, events: &mut String) {
        let (delta, finish_reason) = match part {
            Part::Role { text_follows } => {
                let content = Some(text_follows.then_some("").into());
                (
                    Delta {
                        role: Some("assistant"),
                        content,
                        tool_calls: None,
                    },
                    None,
                )
            }
            Part::Word(word) => (
                Delta {
                    content: Some(Nullable::Value(word)),
                    ..Delta::default()
                },
                None,
            ),
            Part::CallBegins { index, name } => (self.call_begins(*index, name), None),
            Part::Arguments { index, fragment } => {
                let function = FunctionDelta {
                    name: None,
                    arguments: fragment,
                };
                let call = CallDelta {
                    index: *index,
                    id: None,
                    r#type: None,
                    function,
                };
                (
                    Delta {
                        tool_calls: Some([call]),
                        ..Delta::default()
                    },
                    None,
                )
            }
            Part::Finish(reason) => (Delta::default(), Some(*reason)),
            Part::Usage => return self.chunk(&[], Some(self.usage), events),
            Part::Done => return events.push_str("data: [DONE]\n\n"),
        };
        self.chunk(
            &[ChunkChoice {
                index: 0,
                delta,
                logprobs: None,
                finish_reason,
            }],
            None,
            events,
        );
    }

    fn call_begins<'a>(&self, index: usize, name: &'a str) -> Delta<'a> {
        let function = FunctionDelta {
            name: Some(name),
            arguments: "",
        };
        let call = CallDelta {
            index,
            id: Some(self.heading.call_id(index)),
            r#type: Some("function"),
            function,
        };
        Delta {
            tool_calls: Some([call]),
            ..Delta::default()
        }
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<Usage>, events: &mut String) {
        let chunk = Chunk {
            id: &self.heading.id,
            object: "chat.completion.chunk",
            created: self.heading.created,
            model: &self.heading.model,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.include_usage.then_some(usage.into()),
        };
        // Plain structs of strings and numbers cannot fail here; a lost event is better than a torn one.
        if let Ok(json) = serde_json::to_string(&chunk) {
            events.push_str("data: ");
            events.push_str(&json);
            events.push_str("\n\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_put_together_are_the_text() {
        for text in [
            "",
            " ",
            "one",
            "  one two\n\n- three\n",
            "a\u{a0}b ünï 🧨 c ",
        ] {
            assert_eq!(words(text).collect::<String>(), text);
        }
        assert_eq!(
            words(" a  b\nc \n").collect::<Vec<_>>(),
            [" a", "  b", "\nc \n"]
        );
    }

    #[test]
    fn fragments_put_together_are_the_arguments() {
        let arguments = r#"{"search_query":"übergroße 🚀 skates"}"#;
        let fragments = fragments(arguments);
        assert!(fragments.len() > 3);
        assert_eq!(fragments.concat(), arguments);
    }
}
