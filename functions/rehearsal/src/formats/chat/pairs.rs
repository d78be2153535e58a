//! The rule that clients break most easily: every call has its result, and every result its call.

use crate::conversation::{Call, Message};
use crate::error::ApiError;

/// Refuses a list of messages with a call or a result alone.
pub(super) fn check(messages: &[Message]) -> Result<(), ApiError> {
    let mut open: Option<Open<'_>> = None;
    for (at, message) in messages.iter().enumerate() {
        match message {
            Message::Result { call_id, .. } => match &mut open {
                Some(open) => open.close(at, call_id)?,
                None => return Err(without_call(at)),
            },
            Message::System(_) | Message::User(_) => finish(open.take())?,
            Message::Assistant { calls, .. } => {
                finish(open.take())?;
                open = Open::of(at, calls)?;
            }
        }
    }
    finish(open)
}

/// The calls of one assistant message, while their results follow.
struct Open<'a> {
    at: usize,
    calls: &'a [Call],
    answered: Vec<&'a str>,
}

impl<'a> Open<'a> {
    fn of(at: usize, calls: &'a [Call]) -> Result<Option<Self>, ApiError> {
        for (n, call) in calls.iter().enumerate() {
            if calls.iter().take(n).any(|earlier| earlier.id == call.id) {
                let message = format!("Two calls of one message have the id '{}'.", call.id);
                return Err(ApiError::invalid(
                    format!("messages.[{at}].tool_calls"),
                    message,
                ));
            }
        }
        Ok((!calls.is_empty()).then_some(Self {
            at,
            calls,
            answered: Vec::new(),
        }))
    }

    fn close(&mut self, at: usize, call_id: &str) -> Result<(), ApiError> {
        let call = self
            .calls
            .iter()
            .find(|call| call.id == call_id)
            .ok_or_else(|| without_call(at))?;
        if self.answered.contains(&call_id) {
            let message = format!("The call '{call_id}' has two results.");
            return Err(ApiError::invalid(
                format!("messages.[{at}].tool_call_id"),
                message,
            ));
        }
        self.answered.push(&call.id);
        Ok(())
    }
}

fn finish(open: Option<Open<'_>>) -> Result<(), ApiError> {
    let Some(open) = open else { return Ok(()) };
    let missing: Vec<&str> = open
        .calls
        .iter()
        .map(|call| call.id.as_str())
        .filter(|id| !open.answered.contains(id))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(
        format!("messages.[{}].role", open.at),
        format!(
            "An assistant message with 'tool_calls' must be followed by one tool message for each call. Without a \
             result: {}.",
            missing.join(", ")
        ),
    ))
}

fn without_call(at: usize) -> ApiError {
    ApiError::invalid(
        format!("messages.[{at}].role"),
        "A message with role 'tool' must follow an assistant message with 'tool_calls' that has its call.",
    )
}
