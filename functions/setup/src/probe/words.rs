//! The findings about a model in plain words.

use baton_handoff::ports::{ModelError, ModelErrorKind, Usage};

use super::Probe;

/// A finding about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It works.
    Works(String),
    /// It does not, and turns work without it.
    Lacks(String),
    /// It does not, and turns need it.
    Fails(String),
}

impl Probe {
    /// The findings, the first about the model as a whole. `needs_tools`: whether an agent with tools or hand-offs has the model.
    pub fn findings(&self, needs_tools: bool) -> Vec<Found> {
        if let Some(why) = &self.unusable {
            return vec![Found::Fails(format!("cannot be used: {why}"))];
        }
        let first_byte = self.first_byte.unwrap_or_default();
        vec![
            Found::Works(format!(
                "answers; the first byte came after {:.2} s",
                first_byte.as_secs_f64()
            )),
            self.streaming(),
            self.tool_calls(needs_tools),
            self.parallel_calls(),
            self.usage(),
            self.caching(),
        ]
    }

    fn streaming(&self) -> Found {
        match self.pieces {
            0 | 1 => Found::Lacks(
                "streaming: the answer came in one piece, so customers see nothing until it is whole".to_owned(),
            ),
            pieces => Found::Works(format!("streaming: {pieces} pieces")),
        }
    }

    fn tool_calls(&self, needed: bool) -> Found {
        match &self.tools {
            Ok(_) => Found::Works("tools: called, and their results answered".to_owned()),
            Err(why) if needed => Found::Fails(format!("tools: {why}")),
            Err(why) => Found::Lacks(format!("tools: {why}")),
        }
    }

    fn parallel_calls(&self) -> Found {
        match self.tools {
            Ok(calls @ 2..) => Found::Works(format!("parallel calls: {calls} in one response")),
            Ok(_) => Found::Lacks("parallel calls: one call a response".to_owned()),
            Err(_) => Found::Lacks("parallel calls: not seen, since tools failed".to_owned()),
        }
    }

    fn usage(&self) -> Found {
        match self.usage.filter(|usage| usage.tokens() > 0) {
            Some(Usage {
                prompt_tokens,
                completion_tokens,
                ..
            }) => Found::Works(format!(
                "usage: {prompt_tokens} tokens asked, {completion_tokens} answered"
            )),
            None => Found::Lacks(
                "usage: its service counts no tokens, so budgets count none".to_owned(),
            ),
        }
    }

    fn caching(&self) -> Found {
        match self.repeated {
            Some(usage) if usage.cached_tokens > 0 => Found::Works(format!(
                "caching: {} of {} tokens of the second request came from the cache",
                usage.cached_tokens, usage.prompt_tokens
            )),
            Some(_) => {
                Found::Lacks("caching: the second request shows no cached tokens".to_owned())
            }
            None => Found::Lacks("caching: not seen".to_owned()),
        }
    }
}

/// Why an answer failed.
pub(super) fn of(error: &ModelError) -> String {
    let why = match error.kind {
        ModelErrorKind::BadRequest => "its service refused the request",
        ModelErrorKind::Unauthorized => "its service does not take the key",
        ModelErrorKind::RateLimited => "its service is at its limit",
        ModelErrorKind::Unavailable => "its service has an error",
        ModelErrorKind::Unreachable => "its service cannot be reached",
        ModelErrorKind::TimedOut => "its service was silent for too long",
        ModelErrorKind::Cut => "its service broke the answer off",
        ModelErrorKind::BadStream => "its answer is not in the wire format",
        ModelErrorKind::TooLarge => "its answer is too large",
        ModelErrorKind::Empty => "its answer is empty",
        ModelErrorKind::Reported => "its service reported an error in the answer",
        ModelErrorKind::TooLong => "the request is longer than it takes",
        ModelErrorKind::Filtered => "its service's filter refused the request",
        ModelErrorKind::Slip => "it wrote a call that its service could not read",
    };
    format!("{why} ({})", error.detail)
}
