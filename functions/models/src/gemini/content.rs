//! The messages of a request as this format writes them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::decode::Signed;
use crate::order::{self, parts};
use crate::sendable::{Said, SentCall, SentResult, is_blank};

/// What the service takes for the signature of a call that another model made, or whose own signature may not be sent any more.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>
const UNSIGNED: &str = "skip_thought_signature_validator";

#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    id: &'a str,
    name: Cow<'a, str>,
    args: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    id: &'a str,
    name: Cow<'a, str>,
    response: Output<'a>,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    output: &'a str,
}

/// `must_sign`: the model refuses a step whose first call has no signature.
pub(super) fn contents<'a>(messages: &'a [Said<'a>], must_sign: bool) -> Vec<Content<'a>> {
    let content = |said: &'a Said<'a>| match said {
        Said::User(text) => Content {
            role: "user",
            parts: vec![written(text)],
        },
        Said::Assistant {
            text,
            calls,
            opaque,
        } => Content {
            role: "model",
            parts: model_parts(text, calls, *opaque, must_sign),
        },
        Said::Results(results) => Content {
            role: "user",
            parts: results.iter().map(response).collect(),
        },
    };
    messages.iter().map(content).collect()
}

pub(super) fn written(text: &str) -> Part<'_> {
    Part {
        text: Some(text.into()),
        ..Part::default()
    }
}

fn model_parts<'a>(
    text: &'a str,
    calls: &'a [SentCall<'a>],
    opaque: Option<&'a str>,
    must_sign: bool,
) -> Vec<Part<'a>> {
    let mut written_parts: Vec<Part<'a>> = Vec::new();
    for part in parts(text, calls, opaque) {
        match part {
            order::Part::Text(text) => written_parts.push(written(text)),
            order::Part::Call(call) => written_parts.extend(called(call)),
            order::Part::Own(own) => sign(own, &mut written_parts),
        }
    }
    // A part without any text is there for its signature.
    written_parts.retain(|part| {
        let blank = part.text.as_deref().is_some_and(is_blank);
        !blank || part.thought_signature.is_some()
    });
    let first = written_parts
        .iter_mut()
        .find(|part| part.function_call.is_some());
    if let Some(first) = first.filter(|first| must_sign && first.thought_signature.is_none()) {
        first.thought_signature = Some(UNSIGNED.into());
    }
    written_parts
}

/// A signature belongs to the very part with which it came.
fn sign<'a>(own: &'a RawValue, parts: &mut Vec<Part<'a>>) {
    let Ok(signed) = serde_json::from_str::<Signed>(own.get()) else {
        return;
    };
    let signature = Some(signed.thought_signature.into());
    if signed.thought == Some(true) {
        parts.push(Part {
            text: signed.text.map(Cow::from),
            thought: Some(true),
            thought_signature: signature,
            ..Part::default()
        });
    } else if let Some(last) = parts.last_mut() {
        last.thought_signature = signature;
    }
}

/// The arguments are an object already.
fn called<'a>(call: &'a SentCall<'a>) -> Option<Part<'a>> {
    let function_call = FunctionCall {
        id: &call.id,
        name: function_name(&call.name),
        args: serde_json::from_str(call.arguments).ok()?,
    };
    Some(Part {
        function_call: Some(function_call),
        ..Part::default()
    })
}

fn response<'a>(result: &'a SentResult<'a>) -> Part<'a> {
    Part {
        function_response: Some(FunctionResponse {
            id: &result.id,
            name: function_name(&result.name),
            response: Output {
                output: result.text,
            },
        }),
        ..Part::default()
    }
}

/// A name begins with a letter or `_` here.
fn function_name(name: &str) -> Cow<'_, str> {
    if name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("_{name}"))
    }
}
