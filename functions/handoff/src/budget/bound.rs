//! An upper bound of a request's tokens. Knows sizes of texts only.
//!
//! A token has at least one byte, so a text has at most as many tokens as bytes. Services add some tokens of their own to each
//! message and each tool.

use crate::ports::{Message, ModelRequest};
use crate::record::StepRecord;

/// What a service adds to a request at most, in tokens: its own instructions about tools are a few hundred.
const REQUEST_FRAME: u64 = 512;

/// What a service adds to a message, a call or a tool at most, in tokens.
const FRAME: u64 = 32;

/// What a result is expected to take in the next request. A longer one has its reservation raised before the call.
pub(crate) const CALL_ALLOWANCE: u64 = 2 * 1024;

/// The most tokens of a request.
pub(crate) fn most_input(request: &ModelRequest) -> u64 {
    let messages = request.messages.iter().map(message);
    let tools = request.tools.iter().map(|tool| {
        let bytes = tool.name.len() + tool.description.len() + tool.parameters.get().len();
        FRAME + bytes as u64
    });
    REQUEST_FRAME + messages.chain(tools).sum::<u64>()
}

/// What a response adds to the next request at most, in tokens, without results.
pub(crate) fn step_bytes(step: &StepRecord) -> u64 {
    let calls = step.calls.iter().map(|call| {
        let bytes = call.id.len() + call.name.len() + call.arguments.len();
        FRAME + bytes as u64
    });
    let opaque = step.opaque.as_ref();
    let opaque = opaque.map_or(0, |opaque| opaque.text.len());
    FRAME + (step.text.len() + opaque) as u64 + calls.sum::<u64>()
}

fn message(message: &Message) -> u64 {
    FRAME
        + match message {
            Message::System(text) | Message::User(text) => text.len() as u64,
            Message::Assistant {
                text,
                calls,
                opaque,
            } => {
                let calls = calls.iter().map(|call| {
                    let bytes = call.id.len() + call.name.len() + call.arguments.len();
                    FRAME + bytes as u64
                });
                let opaque = opaque.as_ref().map_or(0, |opaque| opaque.len());
                (text.len() + opaque) as u64 + calls.sum::<u64>()
            }
            Message::Tool { call, result } => (call.len() + result.len()) as u64,
        }
}
