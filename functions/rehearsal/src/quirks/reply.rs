//! Quirks of an answer that do not depend on its format.

use super::Quirk;
use crate::parts::{Identified, Part};
use crate::reply::{Called, Reply, Stop};

/// Stands for half of a character until the bytes are there: no character that a script has.
pub(super) const HALVES: [(&str, &str); 2] = [("\u{e000}", r"\ud83d"), ("\u{e001}", r"\ude80")];

/// The reply as the quirk has it.
pub(super) fn altered(quirk: Quirk, mut reply: Reply) -> Reply {
    match quirk {
        Quirk::ThoughtsInText => {
            reply.text = format!("<think>They will like this.</think>\n\n{}", reply.text);
        }
        Quirk::InventedTool => {
            let uses = r#"{"tool_uses":[]}"#;
            reply.calls = vec![Called::new("multi_tool_use.parallel", uses)];
        }
        Quirk::BlankText if !reply.calls.is_empty() => "\n\n".clone_into(&mut reply.text),
        Quirk::NullArguments => {
            for call in &mut reply.calls {
                "null".clone_into(&mut call.arguments);
            }
        }
        _ => {}
    }
    reply
}

/// The ids of the calls as the quirk has them.
pub(super) fn identified(quirk: Quirk, answer: &mut Identified) {
    if quirk == Quirk::SameIds {
        let calls = answer.reply.calls.iter().enumerate();
        let ids = calls.map(|(at, call)| format!("{}_{at}", call.name));
        answer.call_ids = ids.collect();
    }
}

/// The parts of a stream as the quirk has them.
pub(super) fn streamed(quirk: Quirk, parts: Vec<Part>) -> Vec<Part> {
    let middle = parts.len() / 2;
    let usage = parts.iter().find_map(|part| match part {
        Part::Finish(_, usage) => Some(*usage),
        _ => None,
    });
    let usage = usage.unwrap_or_default();
    let begins = |count: usize| parts.iter().take(count).cloned();
    match quirk {
        Quirk::BreaksOff => {
            let end = [
                Part::Finish(Stop::Other("error".to_owned()), usage),
                Part::Done,
            ];
            begins(middle).chain(end).collect()
        }
        Quirk::ErrorInside => {
            let failure = Part::Fails(crate::error::ApiError::Scripted(503));
            begins(middle).chain([failure]).collect()
        }
        Quirk::Cut | Quirk::Silence => begins(middle).collect(),
        Quirk::AbruptEnd => begins(parts.len() - 1).collect(),
        Quirk::SplitCharacter => {
            let is_end = |part: &Part| matches!(part, Part::Finish(..));
            let end = parts.iter().position(is_end).unwrap_or(parts.len());
            let halves = HALVES.map(|(mark, _)| Part::Word(mark.to_owned()));
            let rest = parts.iter().skip(end).cloned();
            begins(end).chain(halves).chain(rest).collect()
        }
        _ => parts,
    }
}

/// The bytes with halves of characters in the place of their marks.
pub(super) fn halved(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(bytes) else {
        return Vec::new();
    };
    for (mark, half) in HALVES {
        text = text.replace(mark, half);
    }
    text.into_bytes()
}
