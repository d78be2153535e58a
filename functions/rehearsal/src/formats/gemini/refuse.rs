//! Broken rules in the service's words.

use crate::error::ApiError;
use crate::formats::turns::{Rule, Slip};

pub(super) fn slip(Slip { at, block, rule }: Slip) -> ApiError {
    let content = format!("contents[{at}]");
    let part = format!("contents[{at}].parts[{block}]");
    match rule {
        Rule::None => ApiError::invalid("contents", "contents is not specified"),
        Rule::Begins => ApiError::bad("Please ensure that the first content has the role user."),
        Rule::Ends | Rule::Alternates => ApiError::bad(
            "Please ensure that multiturn requests end with a user turn or a function response.",
        ),
        Rule::Empty => ApiError::invalid(
            format!("{content}.parts"),
            "contents.parts must not be empty.",
        ),
        Rule::Blank => ApiError::invalid(
            format!("{part}.data"),
            "required oneof field 'data' must have one initialized field",
        ),
        Rule::Misplaced => ApiError::invalid(part, "the part belongs to the other role"),
        Rule::Unanswered(_) | Rule::Unasked(_) | Rule::Twice(_) | Rule::LateResult => {
            ApiError::bad(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the \
             function call turn.",
            )
        }
        Rule::Undeclared => ApiError::invalid(content, "no tools are declared"),
        Rule::ThoughtLost => ApiError::bad(format!(
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, \
             and missing thought_signature may lead to degraded model performance. Position {at}."
        )),
        Rule::ThoughtChanged => ApiError::bad("Thought signature is not valid."),
    }
}
