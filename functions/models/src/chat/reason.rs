//! The reason for the end of an answer.

use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind};
use serde_json::Value;

/// The reason, `None` as long as there is none. Only reasons that are known to mean a whole answer are one; a new one may mean
/// anything.
pub(super) fn finish(reason: Option<&Value>) -> Result<Option<FinishReason>, ModelError> {
    let reason = match reason {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
        Some(Value::String(reason)) => reason.to_ascii_lowercase(),
        Some(Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            String::new()
        }
    };
    match reason.as_str() {
        "" => Ok(None),
        "stop" | "tool_calls" | "tool_call" | "tool_use" | "function_call" | "end_turn"
        | "stop_sequence" | "eos" | "eos_token" | "complete" | "completed" => {
            Ok(Some(FinishReason::Stop))
        }
        "length"
        | "max_tokens"
        | "max_output_tokens"
        | "model_length"
        | "max_length"
        | "model_context_window_exceeded" => Ok(Some(FinishReason::Length)),
        "content_filter"
        | "content_filtered"
        | "content-filter"
        | "safety"
        | "recitation"
        | "blocklist"
        | "prohibited_content"
        | "spii"
        | "sensitive"
        | "refusal"
        | "guardrail_intervened" => Ok(Some(FinishReason::ContentFilter)),
        _ => Err(unknown(&reason)),
    }
}

/// Gemini's own reason for a call that is none, behind a gateway or within its reason.
pub(super) fn is_slip(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    [
        "malformed_function_call",
        "unexpected_tool_call",
        "malformed_response",
    ]
    .iter()
    .any(|slip| reason.contains(slip))
}

pub(super) fn slip() -> ModelError {
    ModelError::new(
        ModelErrorKind::Slip,
        "the model wrote a call that its service cannot read",
    )
}

fn unknown(reason: &str) -> ModelError {
    if is_slip(reason) {
        return slip();
    }
    let is_code = reason.len() <= 64
        && reason
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let shown = if is_code { reason } else { "of another kind" };
    ModelError::new(
        ModelErrorKind::Reported,
        format!("the answer ended for a reason that means no whole answer: {shown}"),
    )
}
