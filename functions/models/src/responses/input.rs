//! The input items of a request.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::items::{self, Item};
use crate::sendable::{Said, SentCall, SentResult};

/// The conversation as items.
pub(super) struct Input<'a> {
    pub(super) messages: &'a [Said<'a>],
    /// Whether thoughts may go back.
    pub(super) opaque: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WireItem<'a> {
    Message {
        role: &'static str,
        content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<&'a str>,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: &'a str,
    },
}

impl<'a> WireItem<'a> {
    fn said(text: &'a str, phase: Option<&'a str>) -> Self {
        Self::Message {
            role: "assistant",
            content: text,
            phase,
        }
    }

    fn call(call: &'a SentCall<'_>) -> Self {
        Self::FunctionCall {
            call_id: &call.id,
            name: &call.name,
            arguments: call.arguments,
        }
    }

    fn result(result: &'a SentResult<'_>) -> Self {
        Self::FunctionCallOutput {
            call_id: &result.id,
            output: result.text,
        }
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for said in self.messages {
            match said {
                Said::User(content) => list.serialize_element(&WireItem::Message {
                    role: "user",
                    content,
                    phase: None,
                })?,
                Said::Results(results) => {
                    for result in results {
                        list.serialize_element(&WireItem::result(result))?;
                    }
                }
                Said::Assistant {
                    text,
                    calls,
                    opaque,
                } => {
                    let opaque = opaque.filter(|_| self.opaque);
                    let items = opaque.and_then(|opaque| items::read(opaque, text, calls.len()));
                    assistant::<S>(&mut list, text, calls, items)?;
                }
            }
        }
        list.end()
    }
}

fn assistant<S: Serializer>(
    list: &mut S::SerializeSeq,
    text: &str,
    calls: &[SentCall<'_>],
    items: Option<Vec<Item>>,
) -> Result<(), S::Error> {
    let Some(items) = items else {
        if !text.is_empty() {
            list.serialize_element(&WireItem::said(text, None))?;
        }
        for call in calls {
            list.serialize_element(&WireItem::call(call))?;
        }
        return Ok(());
    };
    let mut rest = text;
    let mut calls = calls.iter();
    for item in &items {
        match item {
            Item::Reasoning(reasoning) => list.serialize_element(reasoning)?,
            Item::Text { bytes, phase } => {
                let (text, behind) = rest.split_at_checked(*bytes).unwrap_or((rest, ""));
                rest = behind;
                if !text.trim_start().is_empty() {
                    list.serialize_element(&WireItem::said(text, phase.as_deref()))?;
                }
            }
            Item::Call => {
                if let Some(call) = calls.next() {
                    list.serialize_element(&WireItem::call(call))?;
                }
            }
        }
    }
    Ok(())
}
