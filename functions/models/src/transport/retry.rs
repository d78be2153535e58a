//! Whether and when a request that failed before the first streamed chunk is tried again.
//! Knows the meaning of HTTP's answers; never waits itself.

use std::time::Duration;

use baton_handoff::ports::{Millis, ModelError, ModelErrorKind, jitter};
use baton_http::retry_after;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::fault::Fault;
use crate::limits::Retries;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: ModelError,
    pub(super) again: Again,
}

/// Whether a later attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// After a pause, which the service may have named.
    Later(Option<Duration>),
    /// At once, without a field that the service refused.
    Otherwise,
}

impl Refusal {
    pub(super) fn never(error: ModelError) -> Self {
        Self {
            error,
            again: Again::Never,
        }
    }

    /// An attempt without a response's head. After a time-out it is not repeated: the customer has waited enough.
    pub(super) fn without_head(error: ModelError) -> Self {
        let again = match error.kind {
            ModelErrorKind::Unreachable | ModelErrorKind::Unavailable => Again::Later(None),
            ModelErrorKind::BadRequest
            | ModelErrorKind::Unauthorized
            | ModelErrorKind::RateLimited
            | ModelErrorKind::TimedOut
            | ModelErrorKind::Cut
            | ModelErrorKind::BadStream
            | ModelErrorKind::TooLarge
            | ModelErrorKind::Empty
            | ModelErrorKind::Reported
            | ModelErrorKind::TooLong
            | ModelErrorKind::Filtered
            | ModelErrorKind::Slip => Again::Never,
        };
        Self { error, again }
    }

    /// An unsuccessful response. A code that says more than the status counts, except where a later attempt may succeed.
    pub(super) fn from_response(
        who: &str,
        status: StatusCode,
        headers: &HeaderMap,
        fault: &Fault,
        now: Millis,
    ) -> Self {
        let number = status.as_u16();
        let kind = match (number, fault.meaning()) {
            (429, _) => ModelErrorKind::RateLimited,
            (_, Some(meaning)) => meaning,
            (401 | 403, None) => ModelErrorKind::Unauthorized,
            (413, None) => ModelErrorKind::TooLong,
            (408 | 409 | 500.., None) => ModelErrorKind::Unavailable,
            (_, None) => ModelErrorKind::BadRequest,
        };
        let may_pass = matches!(
            kind,
            ModelErrorKind::RateLimited | ModelErrorKind::Unavailable
        );
        let again = match number {
            _ if fault.is_final() || !may_pass => Again::Never,
            408 | 409 | 429 | 500 | 502..=504 | 520..=529 => {
                Again::Later(retry_after(headers, now).or(fault.wait()))
            }
            _ => Again::Never,
        };
        Self {
            error: ModelError::new(kind, format!("{who} answered {status}, {fault}")),
            again,
        }
    }

    /// An error in the form of a success: its code counts as a status.
    pub(super) fn from_document(headers: &HeaderMap, fault: &Fault, now: Millis) -> Self {
        let status = fault
            .status()
            .and_then(|status| StatusCode::from_u16(status).ok());
        match status {
            Some(status) => Self::from_response("the model", status, headers, fault, now),
            None => Self::never(fault.reported()),
        }
    }
}

impl Retries {
    /// The pause before the next attempt, from this random number; none when no attempt is left.
    pub(super) fn wait(&self, tries: u32, again: Again, random: u128) -> Option<Duration> {
        let Again::Later(asked) = again else {
            return None;
        };
        if tries >= self.tries || asked.is_some_and(|asked| asked > self.longest) {
            return None;
        }
        let doubled = self
            .base
            .saturating_mul(2_u32.saturating_pow(tries - 1))
            .min(self.longest);
        // Full jitter: clients that failed together must not come back together. It comes on top of the wait that the service asked
        // for, since the service asked the other clients for the same.
        Some(asked.unwrap_or_default() + jitter(doubled, random))
    }
}
