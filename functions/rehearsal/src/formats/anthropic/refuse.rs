//! Broken rules in the service's words.

use crate::error::ApiError;
use crate::formats::turns::{Rule, Slip};

pub(super) fn slip(Slip { at, block, rule }: Slip) -> ApiError {
    let message = format!("messages.{at}");
    let content = format!("messages.{at}.content.{block}");
    let (param, sentence) = match rule {
        Rule::None => (
            "messages".to_owned(),
            "at least one message is required".to_owned(),
        ),
        Rule::Begins => (
            message,
            "the first message must use the \"user\" role".to_owned(),
        ),
        Rule::Ends => (
            message,
            "This model does not support assistant message prefill. The conversation must end with a user message."
                .to_owned(),
        ),
        // Messages of one role in a row are taken for one.
        Rule::Alternates => (message, "roles must alternate".to_owned()),
        Rule::Empty => (message, "messages must have non-empty content".to_owned()),
        Rule::Blank => (
            "messages".to_owned(),
            format!("text content blocks must contain non-whitespace text ({content})"),
        ),
        Rule::Misplaced => (content, "a block of this type belongs to the other role".to_owned()),
        Rule::Unanswered(ids) => (
            message,
            format!(
                "`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must \
                 have a corresponding `tool_result` block in the next message.",
                ids.join(", ")
            ),
        ),
        Rule::Unasked(id) => (
            content,
            format!(
                "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a \
                 corresponding `tool_use` block in the previous message."
            ),
        ),
        Rule::Twice(id) => (
            message,
            format!("`tool_use` ids must be unique, and each has a single result: {id}"),
        ),
        Rule::LateResult => (content, "`tool_result` blocks must come first in the content".to_owned()),
        Rule::Undeclared => (
            message,
            "Requests which include `tool_use` or `tool_result` blocks must define tools".to_owned(),
        ),
        Rule::ThoughtLost => (
            content,
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final \
             `assistant` message must start with a thinking block."
                .to_owned(),
        ),
        Rule::ThoughtChanged => (content, "Invalid `signature` in `thinking` block".to_owned()),
    };
    ApiError::invalid(param, sentence)
}
