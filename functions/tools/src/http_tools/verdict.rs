//! The meaning of an answer: the outcome of an action, the result of a lookup, and the part of it for the model.
//! Knows the meaning of HTTP's answers (RFC 9110, section 15); never their transport.

use std::time::Duration;

use baton_handoff::ports::{Millis, Outcome, ToolError};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::IgnoredAny;

use super::exchange::{Answer, Body, Exchange, MAX_BODY};
use baton_http::{media_type, retry_after};

/// The most bytes of a refusal passed to a model.
const MAX_REFUSAL: usize = 2 * 1024;

/// The meaning of a status for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It was executed.
    Done,
    /// It was not executed and will not be.
    Refused,
    /// It was not executed, because we lack the right: an operator's matter.
    Unauthorized,
    /// 409: it was not executed, or an earlier attempt is still running.
    Conflict,
    /// It was not executed now; a later attempt may succeed.
    Busy,
    /// It may have been executed, and may be tried again.
    Failed,
    /// It may have been executed, and the same request would get the same answer.
    Elsewhere,
}

impl Meaning {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Done,
            // Both ask to repeat the request elsewhere: so it was not executed here.
            307 | 308 => Self::Refused,
            // After 301 to 303 the work is often done, and the address leads to its result.
            300..=399 => Self::Elsewhere,
            401 | 407 => Self::Unauthorized,
            409 => Self::Conflict,
            425 | 429 => Self::Busy,
            408 => Self::Failed,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// The result of a lookup. Err is a sentence for the model.
pub(super) fn lookup(tool: &str, exchange: Exchange) -> Result<String, ToolError> {
    let answer = match exchange {
        Exchange::Answered(answer) => answer,
        Exchange::Barred => {
            return Err(ToolError::Refused(format!(
                "{tool} was not called: its address is not allowed."
            )));
        }
        Exchange::NotSent(reason) => {
            return Err(ToolError::Unavailable(format!(
                "{tool} cannot be reached now: {reason}."
            )));
        }
        Exchange::Cut(reason) => {
            return Err(ToolError::Unavailable(format!(
                "{tool} cannot be used now: {reason}."
            )));
        }
    };
    let status = answer.status.as_u16();
    match Meaning::of(answer.status) {
        Meaning::Done => match read(&answer) {
            Ok(text) if text.is_empty() => Ok(format!("{tool} answered without any content.")),
            Ok(text) => Ok(text),
            Err(why) => {
                let sentence = format!("The answer of {tool} is of no use: {why}.");
                Err(if matches!(answer.body, Body::Broken) {
                    ToolError::Unavailable(sentence)
                } else {
                    ToolError::Refused(sentence)
                })
            }
        },
        Meaning::Refused | Meaning::Conflict => Err(ToolError::Refused(format!(
            "{tool} refused it: {}",
            refusal(&answer)
        ))),
        Meaning::Unauthorized => Err(ToolError::Refused(format!(
            "{tool} cannot be used: it does not accept us ({status})."
        ))),
        Meaning::Busy | Meaning::Failed => Err(ToolError::Unavailable(format!(
            "{tool} cannot be used now ({status}); it may work later."
        ))),
        Meaning::Elsewhere => Err(ToolError::Refused(format!(
            "{tool} cannot be used: it leads elsewhere ({status})."
        ))),
    }
}

/// The outcome of an action. `keys`: the service distinguishes a second attempt from a second action. `result_within`: it may answer
/// 202 and report the end later.
pub(super) fn action(
    exchange: Exchange,
    keys: bool,
    result_within: Option<Duration>,
    now: Millis,
) -> Outcome {
    let maybe = |reason: String, after: Option<Duration>| {
        if keys {
            Outcome::Retry(reason, after)
        } else {
            Outcome::Unknown(reason)
        }
    };
    let answer = match exchange {
        Exchange::Answered(answer) => answer,
        Exchange::Barred => {
            return Outcome::Rejected("the service's address is not allowed".to_owned());
        }
        Exchange::NotSent(reason) => return Outcome::NotSent(reason.to_owned()),
        Exchange::Cut(reason) => return maybe(reason.to_owned(), None),
    };
    if let (StatusCode::ACCEPTED, Some(within)) = (answer.status, result_within) {
        return Outcome::Begun(within);
    }
    let after = retry_after(&answer.headers, now);
    let answered = format!("the service answered {}", answer.status.as_u16());
    match Meaning::of(answer.status) {
        Meaning::Done => done(&answer).unwrap_or_else(|why| maybe(why.to_owned(), None)),
        Meaning::Refused => Outcome::Rejected(refusal(&answer)),
        Meaning::Unauthorized => Outcome::Rejected(format!("{answered}: it does not accept us")),
        Meaning::Conflict => Outcome::Conflict(refusal(&answer), after),
        Meaning::Busy if keys => Outcome::Busy(answered, after),
        // Another attempt would be harmless, but such a service is called only once.
        Meaning::Busy => Outcome::Rejected(format!("{answered}: it is too busy now")),
        Meaning::Failed => maybe(answered, after),
        Meaning::Elsewhere => Outcome::Unknown(format!("{answered}, which leads elsewhere")),
    }
}

/// An answer may break off because the reported work failed midway. Err says so.
fn done(answer: &Answer) -> Result<Outcome, &'static str> {
    match (&answer.body, read(answer)) {
        (Body::Broken, _) => Err("the connection was cut in the middle of the answer"),
        (Body::Whole(text), _) if text.trim().is_empty() => Ok(Outcome::Done("Done.".to_owned())),
        (_, Ok(text)) => Ok(Outcome::Done(text)),
        (_, Err(why)) => Ok(Outcome::Done(format!(
            "Done. The service's answer cannot be shown: {why}."
        ))),
    }
}

/// The status, and the service's own words about it.
fn refusal(answer: &Answer) -> String {
    let status = answer.status;
    match read(answer) {
        Ok(text) if !text.is_empty() => {
            let end = text.floor_char_boundary(MAX_REFUSAL);
            format!("{status}: {}", text.get(..end).unwrap_or_default())
        }
        Ok(_) | Err(_) => status.to_string(),
    }
}

/// The answer for the model: JSON and text unchanged. Err completes the sentence "… is of no use: …".
fn read(answer: &Answer) -> Result<String, String> {
    let text = match &answer.body {
        Body::Whole(text) => text.trim(),
        Body::NotText => return Err("it is not UTF-8 text".to_owned()),
        Body::TooLarge { bytes, or_more } => return Err(too_large(*bytes, *or_more)),
        Body::Encoded(name) => {
            return Err(format!("it is compressed as {name}, which is not read"));
        }
        Body::Garbled => return Err("it is not compressed as it claims to be".to_owned()),
        Body::Broken => return Err("it was cut, or did not come in time".to_owned()),
    };
    match MediaType::of(&answer.headers) {
        _ if text.is_empty() => Ok(String::new()),
        MediaType::Json if serde_json::from_str::<IgnoredAny>(text).is_err() => {
            Err("it is not the JSON that it claims to be".to_owned())
        }
        MediaType::Json | MediaType::Text => Ok(printable(text)),
        MediaType::Other => Err("it is neither JSON nor text".to_owned()),
    }
}

/// In whole KB, rounded so that one byte over the limit shows as over it.
fn too_large(bytes: u64, or_more: bool) -> String {
    let size = if or_more {
        format!("more than {} KB", bytes / 1024)
    } else {
        format!("{} KB", bytes.div_ceil(1024))
    };
    format!("it is {size}, the bound is {} KB", MAX_BODY / 1024)
}

enum MediaType {
    Json,
    Text,
    Other,
}

impl MediaType {
    fn of(headers: &HeaderMap) -> Self {
        let Some(essence) = media_type(headers) else {
            return Self::Text;
        };
        match essence.as_str() {
            "application/json" | "text/json" => Self::Json,
            json if json.starts_with("application/") && json.ends_with("+json") => Self::Json,
            text if text.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Removes characters that terminals and logs could interpret.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(plain).collect()
}
