//! The whole answer of Converse.

use serde_json::{Value, json};

use super::{counts, reason};
use crate::formats::object;
use crate::parts::Identified;

pub(super) fn document(answer: &Identified) -> Value {
    let reply = &answer.reply;
    let mut content = Vec::new();
    if let Some(seal) = &answer.seal {
        let thought = json!({ "text": answer.shown, "signature": seal });
        content.push(json!({ "reasoningContent": { "reasoningText": thought } }));
    }
    if !reply.text.is_empty() || reply.calls.is_empty() {
        content.push(json!({ "text": reply.text }));
    }
    let calls = reply.calls.iter().zip(&answer.call_ids);
    content.extend(calls.map(|(call, id)| {
        let input = object(&call.arguments);
        json!({ "toolUse": { "toolUseId": id, "name": call.name, "input": input } })
    }));
    json!({
        "output": { "message": { "role": "assistant", "content": content } },
        "stopReason": reason(&reply.stop()),
        "usage": counts(answer.usage),
        "metrics": { "latencyMs": 1 },
    })
}
