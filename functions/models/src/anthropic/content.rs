//! The messages of a request as this format writes them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::order::{Part, parts};
use crate::sendable::{Said, SentCall, is_blank};

/// Up to here a later request may find the request in the cache.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    #[serde(rename = "type")]
    kind: &'static str,
}

pub(super) const CACHED: CacheControl = CacheControl { kind: "ephemeral" };

#[derive(Debug, Serialize)]
pub(super) struct WireMessage<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    Known(KnownBlock<'a>),
    /// A thought, as it came.
    Own(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum KnownBlock<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

/// The messages, with marks for the cache at the last two of the user: the last one for the next request, and the one before it
/// because the service looks for the mark of an earlier request 20 blocks back only, and a step with many calls has more.
pub(super) fn messages<'a>(messages: &'a [Said<'a>]) -> Vec<WireMessage<'a>> {
    let mut written: Vec<_> = messages.iter().map(message).collect();
    let users = written.iter_mut().rev().filter(|one| one.role == "user");
    for message in users.take(2) {
        if let Some(Block::Known(last)) = message.content.last_mut() {
            last.mark();
        }
    }
    written
}

impl KnownBlock<'_> {
    fn mark(&mut self) {
        match self {
            Self::Text { cache_control, .. } | Self::ToolResult { cache_control, .. } => {
                *cache_control = Some(CACHED);
            }
            Self::ToolUse { .. } => {}
        }
    }
}

fn message<'a>(said: &'a Said<'a>) -> WireMessage<'a> {
    match said {
        Said::User(text) => WireMessage {
            role: "user",
            content: vec![written(text)],
        },
        Said::Assistant {
            text,
            calls,
            opaque,
        } => WireMessage {
            role: "assistant",
            content: parts(text, calls, *opaque)
                .into_iter()
                .filter_map(block)
                .collect(),
        },
        Said::Results(results) => WireMessage {
            role: "user",
            content: results
                .iter()
                .map(|result| {
                    Block::Known(KnownBlock::ToolResult {
                        tool_use_id: &result.id,
                        content: result.text,
                        cache_control: None,
                    })
                })
                .collect(),
        },
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what is borrowed in it is taken out"
)]
fn block(part: Part<'_>) -> Option<Block<'_>> {
    match part {
        Part::Text(text) => (!is_blank(text)).then(|| written(text)),
        Part::Call(call) => used(call),
        Part::Own(thought) => Some(Block::Own(thought)),
    }
}

fn written(text: &str) -> Block<'_> {
    Block::Known(KnownBlock::Text {
        text,
        cache_control: None,
    })
}

/// The arguments are an object already.
fn used<'a>(call: &'a SentCall<'a>) -> Option<Block<'a>> {
    Some(Block::Known(KnownBlock::ToolUse {
        id: &call.id,
        name: &call.name,
        input: serde_json::from_str(call.arguments).ok()?,
    }))
}
