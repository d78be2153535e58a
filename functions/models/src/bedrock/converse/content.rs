//! The messages of a request as this format writes them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::order::{Part, parts};
use crate::sendable::{Said, SentCall, SentResult, is_blank};

/// Up to here a later request may find the request in the cache.
pub(super) const CACHE_POINT: CachePoint = CachePoint { kind: "default" };

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct WireMessage<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Known(KnownBlock<'a>),
    /// A thought, as it came.
    Own(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum KnownBlock<'a> {
    Text(&'a str),
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    #[serde(rename_all = "camelCase")]
    ToolResult {
        tool_use_id: &'a str,
        content: [ResultContent<'a>; 1],
    },
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
struct ResultContent<'a> {
    text: &'a str,
}

/// The messages, with marks for the cache behind the last two of the user, if the model has one: see Anthropic's.
pub(super) fn messages<'a>(messages: &'a [Said<'a>], is_cached: bool) -> Vec<WireMessage<'a>> {
    let mut written: Vec<_> = messages.iter().map(message).collect();
    let users = written.iter_mut().rev().filter(|one| one.role == "user");
    for message in users.take(if is_cached { 2 } else { 0 }) {
        let mark = KnownBlock::CachePoint(CACHE_POINT);
        message.content.push(Block::Known(mark));
    }
    written
}

fn message<'a>(said: &'a Said<'a>) -> WireMessage<'a> {
    let (role, content) = match said {
        Said::User(text) => ("user", vec![Block::Known(KnownBlock::Text(text))]),
        Said::Assistant {
            text,
            calls,
            opaque,
        } => {
            let parts = parts(text, calls, *opaque).into_iter();
            ("assistant", parts.filter_map(block).collect())
        }
        Said::Results(results) => ("user", results.iter().map(resulted).collect()),
    };
    WireMessage { role, content }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what is borrowed in it is taken out"
)]
fn block(part: Part<'_>) -> Option<Block<'_>> {
    match part {
        Part::Text(text) => (!is_blank(text)).then_some(Block::Known(KnownBlock::Text(text))),
        Part::Call(call) => used(call),
        Part::Own(thought) => Some(Block::Own(thought)),
    }
}

/// The arguments are an object already.
fn used<'a>(call: &'a SentCall<'a>) -> Option<Block<'a>> {
    Some(Block::Known(KnownBlock::ToolUse {
        tool_use_id: &call.id,
        name: &call.name,
        input: serde_json::from_str(call.arguments).ok()?,
    }))
}

fn resulted<'a>(result: &'a SentResult<'a>) -> Block<'a> {
    Block::Known(KnownBlock::ToolResult {
        tool_use_id: &result.id,
        content: [ResultContent { text: result.text }],
    })
}
