//! The usual event: a piece of text and nothing else that counts. Read with as little work as possible, since it runs once for each
//! token; every other event is left to the whole parser.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What stands before the choices of a usual event, and behind them.
const CHOICES: &str = ",\"choices\":[";
const NO_USAGE: &str = ",\"usage\":null";
/// OpenAI pads its events with random letters.
const PADDING: &str = ",\"obfuscation\":\"";

/// The text of an event of the usual shape, whose text is a third of it: some plain values, one choice, and no token counts. `None`
/// for every other one.
pub(super) fn text(data: &str) -> Option<String> {
    let (head, choice) = data.split_once(CHOICES)?;
    let values = head.strip_prefix('{')?;
    // Without an inner object and an escape, these choices are the event's own.
    let is_plain = |plain, byte: &u8| plain & !matches!(byte, b'{' | b'[' | b'\\');
    if !values.as_bytes().iter().fold(true, is_plain)
        || values.contains("\"error\"")
        || values.contains("\"usage\"")
    {
        return None;
    }
    let mut choices = serde_json::Deserializer::from_str(choice).into_iter::<Choice>();
    let first = choices.next()?.ok()?;
    let end = choice.get(choices.byte_offset()..)?;
    let text = first.delta.and_then(|delta| delta.content);
    is_usual_end(end).then(|| text.unwrap_or_default())
}

fn is_usual_end(end: &str) -> bool {
    let Some(values) = end
        .strip_prefix(']')
        .and_then(|end| end.strip_suffix('}'))
        .map(|values| values.strip_prefix(NO_USAGE).unwrap_or(values))
    else {
        return false;
    };
    values.is_empty()
        || values
            .strip_prefix(PADDING)
            .and_then(|letters| letters.strip_suffix('"'))
            .is_some_and(|letters| letters.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default, rename = "finish_reason")]
    _finish_reason: Nothing,
    #[serde(default, rename = "native_finish_reason")]
    _native: Nothing,
    #[serde(default, rename = "error")]
    _error: Nothing,
    #[serde(default, rename = "message")]
    _message: Nothing,
}

/// Any further field may be one that the service wants back, so that it is unusual unless it is empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default, rename = "role")]
    _role: IgnoredAny,
    #[serde(
        default,
        rename = "refusal",
        alias = "tool_calls",
        alias = "function_call"
    )]
    _refusal: Nothing,
    #[serde(default, rename = "reasoning_content")]
    _reasoning_content: Nothing,
    #[serde(default, rename = "reasoning")]
    _reasoning: Nothing,
    #[serde(default, rename = "reasoning_details")]
    _reasoning_details: Nothing,
}

/// A field that says nothing: null, an empty text, list or object.
#[derive(Default)]
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Nothing {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self, E> {
        if text.is_empty() {
            Ok(self)
        } else {
            Err(E::custom("a text"))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(self),
            Some(_) => Err(serde::de::Error::custom("a list")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        match fields.next_key::<IgnoredAny>()? {
            None => Ok(self),
            Some(_) => Err(serde::de::Error::custom("an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_event_is_its_text() {
        for (data, said) in [
            (
                r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":" a\"]}"},"finish_reason":null}],"usage":null}"#,
                " a\"]}",
            ),
            (r#"{"id":"c","choices":[{"delta":{"content":"b"}}]}"#, "b"),
            (
                r#"{"id":"c","choices":[{"delta":{"role":"assistant","content":"b","reasoning":null,"reasoning_details":[]},"logprobs":{"content":[]},"finish_reason":""}]}"#,
                "b",
            ),
            (
                r#"{"id":"c","choices":[{"delta":{"content":"","tool_calls":[]}}]}"#,
                "",
            ),
            (r#"{"id":"c","choices":[{"delta":{}}]}"#, ""),
            (
                r#"{"id":"c","choices":[{"delta":{"content":"b"}}],"usage":null,"obfuscation":"aX9"}"#,
                "b",
            ),
            (
                r#"{"id":"c","choices":[{"delta":{"content":"b"}}],"obfuscation":""}"#,
                "b",
            ),
        ] {
            assert_eq!(text(data).as_deref(), Some(said), "{data}");
        }
    }

    #[test]
    fn an_unusual_event_is_left_to_the_whole_parser() {
        for data in [
            r#"{"usage":{"prompt_tokens":1},"choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"error":"e","choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{}}],"error":{"message":"e"}}"#,
            r#"{"id":"c","choices":[{"delta":{}},{"delta":{}}]}"#,
            r#"{"id":"c","choices":[],"usage":null}"#,
            r#"{"id":"c","in":{"a":1,"choices":[{"delta":{}}]}"#,
            r#"{"id":"c\",\"choices\":[{\"delta\":{}}]","choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"cut"#,
            r#"{"id":"c","choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"c","choices":[{"delta":{},"error":{"code":1}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"a","reasoning_content":"b"}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"a","extra_content":{"b":1}}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"half \ud83d"}}]}"#,
        ] {
            assert!(text(data).is_none(), "{data}");
        }
    }
}
