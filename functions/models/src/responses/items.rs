//! The items of a response in their order, as far as the service wants them back: encrypted thoughts, and where text and calls
//! stood between them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields of a reasoning item that a request takes; others, such as its status, are refused.
const OF_REASONING: &[&str] = &["type", "id", "summary", "content", "encrypted_content"];

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Item {
    /// Thoughts, as the service wrote them.
    Reasoning(Map<String, Value>),
    /// So many bytes of the text.
    Text {
        bytes: usize,
        /// What the text is for, which newer models want back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<String>,
    },
    /// The next call.
    Call,
}

impl Item {
    /// A reasoning item that can go back: only encrypted thoughts can, since nothing is stored there.
    pub(super) fn reasoning(item: &Map<String, Value>) -> Option<Self> {
        item.get("encrypted_content")?.as_str()?;
        let kept = item
            .iter()
            .filter(|(field, value)| OF_REASONING.contains(&field.as_str()) && !value.is_null());
        let mut kept: Map<_, _> = kept
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        kept.entry("summary")
            .or_insert_with(|| Value::Array(Vec::new()));
        Some(Self::Reasoning(kept))
    }
}

/// The opaque text; none if there is nothing that the service wants back.
pub(super) fn written(items: &[Item]) -> Option<String> {
    let wanted = |item: &Item| match item {
        Item::Reasoning(_) => true,
        Item::Text { phase, .. } => phase.is_some(),
        Item::Call => false,
    };
    items
        .iter()
        .any(wanted)
        .then(|| serde_json::to_string(items).ok())?
}

/// The items of an opaque text that fit to a message with this text and so many calls.
pub(super) fn read(opaque: &str, text: &str, calls: usize) -> Option<Vec<Item>> {
    let items: Vec<Item> = serde_json::from_str(opaque).ok()?;
    let mut at = 0;
    let mut called = 0;
    for item in &items {
        match item {
            Item::Reasoning(_) => {}
            Item::Text { bytes, .. } => at += bytes,
            Item::Call => called += 1,
        }
        if !text.is_char_boundary(at) {
            return None;
        }
    }
    (at == text.len() && called == calls).then_some(items)
}
