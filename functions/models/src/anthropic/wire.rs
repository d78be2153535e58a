//! One event of the stream. Tolerant of additions; strict in the fields we use.
//! Knows JSON only.

use baton_handoff::ports::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// `data: {…}`.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(default)]
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) content_block: Option<Block>,
    #[serde(default)]
    pub(super) delta: Option<Delta>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

/// Whether an event that cannot be read is one that is not used.
pub(super) fn is_unused(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Unread {
        #[serde(rename = "type")]
        kind: Kind,
        #[serde(default)]
        content_block: Option<UnreadBlock>,
    }
    #[derive(Deserialize)]
    struct UnreadBlock {
        #[serde(rename = "type")]
        kind: BlockKind,
    }
    let Ok(event) = serde_json::from_str::<Unread>(data) else {
        return false;
    };
    let block = event.content_block.map(|block| block.kind);
    matches!(event.kind, Kind::Other) || matches!(block, Some(BlockKind::Other))
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Error,
    /// `ping`, and any later invention.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

/// A message that was not streamed.
#[derive(Debug, Deserialize)]
pub(super) struct Whole {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) content: Vec<Block>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

/// The beginning of a block. Some services send the whole block here.
#[derive(Debug, Deserialize)]
pub(super) struct Block {
    #[serde(rename = "type")]
    pub(super) kind: BlockKind,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) input: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) data: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BlockKind {
    Text,
    ToolUse,
    Thinking,
    RedactedThinking,
    /// The service's own tools, for which Baton does not ask.
    #[serde(other)]
    Other,
}

/// More of a block, or the end of the message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) partial_json: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
}

/// Token counts. The later ones replace the earlier ones, field by field.
#[expect(
    clippy::struct_field_names,
    reason = "the names that the service gives them"
)]
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

impl WireUsage {
    pub(super) fn or(self, before: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.or(before.input_tokens),
            output_tokens: self.output_tokens.or(before.output_tokens),
            cache_read_input_tokens: self
                .cache_read_input_tokens
                .or(before.cache_read_input_tokens),
            cache_creation_input_tokens: self
                .cache_creation_input_tokens
                .or(before.cache_creation_input_tokens),
        }
    }
}

impl From<WireUsage> for Usage {
    /// The service counts apart what was read from the cache and what was written into it.
    fn from(usage: WireUsage) -> Self {
        let cached = usage.cache_read_input_tokens.unwrap_or(0);
        let written = usage.cache_creation_input_tokens.unwrap_or(0);
        Self {
            prompt_tokens: usage
                .input_tokens
                .unwrap_or(0)
                .saturating_add(cached)
                .saturating_add(written),
            completion_tokens: usage.output_tokens.unwrap_or(0),
            cached_tokens: cached,
            cache_write_tokens: written,
        }
    }
}
