//! Broken rules in the service's words.

use crate::error::ApiError;
use crate::formats::turns::{Rule, Slip};

pub(super) fn slip(Slip { at, block, rule }: Slip) -> ApiError {
    let message = format!("messages.{at}");
    let content = format!("messages.{at}.content.{block}");
    let (param, sentence) = match rule {
        Rule::None | Rule::Begins => (
            message,
            "A conversation must start with a user message. Try again with a conversation that starts with a user message."
                .to_owned(),
        ),
        Rule::Ends => (
            message,
            "A conversation must end with a user message.".to_owned(),
        ),
        Rule::Alternates => (
            message,
            "A conversation must alternate between user and assistant roles.".to_owned(),
        ),
        Rule::Empty => (
            message.clone(),
            format!("The content field in the Message object at {message} is empty. Add a ContentBlock object to the content field and try again."),
        ),
        Rule::Blank => (
            content.clone(),
            format!("The text field in the ContentBlock object at {content} is blank. Add text to the text field, and try again."),
        ),
        Rule::Misplaced => (content, "The block belongs to the other role.".to_owned()),
        Rule::Unanswered(ids) => (
            message,
            format!("Expected toolResult blocks in the next message for the following Ids: {}", ids.join(", ")),
        ),
        Rule::Unasked(id) => (
            content,
            format!("Unexpected toolResult block: no toolUse block of the previous message has the Id {id}."),
        ),
        Rule::Twice(id) => (message, format!("The toolUseId {id} is used twice.")),
        Rule::LateResult => (content, "toolResult blocks must come first.".to_owned()),
        Rule::Undeclared => (
            message,
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.".to_owned(),
        ),
        Rule::ThoughtLost => (
            content,
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`.".to_owned(),
        ),
        Rule::ThoughtChanged => (content, "Invalid `signature` in `thinking` block".to_owned()),
    };
    ApiError::invalid(param, sentence)
}
