//! The whole answer as one Message.

use serde_json::{Value, json};

use super::{message, reason};
use crate::formats::{Heading, object, with};
use crate::parts::Identified;

pub(super) fn document(heading: &Heading, answer: &Identified) -> Value {
    let reply = &answer.reply;
    let mut content = Vec::new();
    if let Some(seal) = &answer.seal {
        content.push(json!({ "type": "thinking", "thinking": answer.shown, "signature": seal }));
    }
    if !reply.text.is_empty() || reply.calls.is_empty() {
        content.push(json!({ "type": "text", "text": reply.text }));
    }
    let calls = reply.calls.iter().zip(&answer.call_ids);
    content.extend(calls.map(|(call, id)| {
        json!({ "type": "tool_use", "id": id, "name": call.name, "input": object(&call.arguments) })
    }));
    let document = with(message(heading, answer.usage), "content", content);
    with(document, "stop_reason", reason(&reply.stop()))
}
