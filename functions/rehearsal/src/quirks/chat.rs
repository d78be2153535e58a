//! Quirks of services whose format is something near Chat Completions: chunks that OpenAI would not write.

use serde_json::{Value, json};

use super::Quirk;
use crate::formats::Heading;
use crate::parts::{Identified, Part};

/// The parts of a stream as the quirk has them.
pub(super) fn streamed(
    quirk: Quirk,
    heading: &Heading,
    answer: &Identified,
    parts: Vec<Part>,
) -> Vec<Part> {
    let chunk = |delta: &Value, reason: Option<&str>| raw(heading, delta, reason);
    let calls = answer.reply.calls.iter().zip(&answer.call_ids);
    let calls = calls.enumerate();
    // A call in one piece.
    let whole = |index: usize, id: &str, name: &str, arguments: Value| {
        let function = json!({ "name": name, "arguments": arguments });
        json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] })
    };
    let instead: Vec<Part> = match quirk {
        Quirk::SameIndex => answer
            .reply
            .calls
            .iter()
            .map(|call| chunk(&whole(0, "", &call.name, json!(call.arguments)), None))
            .collect(),
        Quirk::LateCalls => calls
            .map(|(at, (call, id))| {
                let delta = whole(at, id, &call.name, json!(call.arguments));
                chunk(&delta, Some("tool_calls"))
            })
            .collect(),
        Quirk::ObjectArguments => calls
            .map(|(at, (call, id))| {
                let arguments = serde_json::from_str(&call.arguments);
                let arguments = arguments.unwrap_or_else(|_| json!(call.arguments));
                chunk(&whole(at, id, &call.name, arguments), None)
            })
            .collect(),
        Quirk::OpaqueCalls => calls
            .map(|(at, (call, id))| {
                let seal = answer.seal.as_ref().filter(|_| at == 0);
                let opaque = seal.map(|seal| json!({ "google": { "thought_signature": seal } }));
                let function = json!({ "name": call.name, "arguments": call.arguments });
                let call = json!({ "index": at, "id": id, "type": "function", "function": function,
                    "extra_content": opaque });
                chunk(&json!({ "tool_calls": [call] }), None)
            })
            .collect(),
        Quirk::SplitName | Quirk::RepeatedName => calls
            .flat_map(|(at, (call, id))| {
                let again = |name: &str, arguments: &str| {
                    let function = json!({ "name": name, "arguments": arguments });
                    json!({ "tool_calls": [{ "index": at, "function": function }] })
                };
                let middle = call.name.floor_char_boundary(call.name.len() / 2);
                let (first, rest) = match quirk {
                    Quirk::SplitName => call.name.split_at(middle),
                    _ => (call.name.as_str(), call.name.as_str()),
                };
                let opening = whole(at, id, first, json!(""));
                [
                    chunk(&opening, None),
                    chunk(&again(rest, &call.arguments), None),
                ]
            })
            .collect(),
        Quirk::ContentParts => {
            let thinking =
                json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "Hm." }] });
            let words = parts.iter().filter_map(|part| match part {
                Part::Word(word) => Some(json!({ "type": "text", "text": word })),
                _ => None,
            });
            let contents = words.map(|word| json!({ "content": [thinking, word] }));
            contents.map(|delta| chunk(&delta, None)).collect()
        }
        _ => return parts,
    };
    let replaced = |part: &Part| match part {
        Part::Call { .. } | Part::Arguments { .. } | Part::CallEnds { .. } => true,
        Part::Word(_) => quirk == Quirk::ContentParts,
        _ => false,
    };
    let (replaced, mut rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(replaced);
    if replaced.is_empty() {
        return rest;
    }
    let end = rest
        .iter()
        .position(|part| matches!(part, Part::Finish(..)));
    let end = end.unwrap_or(rest.len());
    rest.splice(end..end, instead);
    if quirk == Quirk::LateCalls {
        rest.retain(|part| !matches!(part, Part::Finish(..)));
    }
    rest
}

fn raw(heading: &Heading, delta: &Value, reason: Option<&str>) -> Part {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
    let chunk = json!({
        "id": format!("chatcmpl-{}", heading.id), "object": "chat.completion.chunk",
        "created": heading.created, "model": heading.model, "choices": [choice],
    });
    Part::Raw(format!("data: {chunk}\n\n"))
}
