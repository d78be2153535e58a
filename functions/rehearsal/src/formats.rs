//! The wire formats: how each reads a request and writes an answer. One folder or file each, and one table.
//!
//! A format reads its request into a [`Conversation`], as strictly as its service, and writes the parts of an answer in its
//! service's own events. It knows nothing of the script, and no format knows another, but for the errors that OpenAI's two share.

mod anthropic;
mod bedrock;
mod chat;
mod gemini;
mod responses;
mod schema;
mod turns;

pub(crate) use chat::messages as chat_messages;
use serde::Serialize;
use serde_json::Value;

use crate::conversation::{Conversation, Delivery};
use crate::error::ApiError;
use crate::parts::{Identified, Part};

/// A format in which models are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI's Chat Completions, and what is compatible with it.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini, `generateContent`.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
}

/// What a format can do.
pub(crate) struct Wire {
    /// Of a stream.
    pub(crate) media_type: &'static str,
    /// Whether parts of several calls may be mixed.
    pub(crate) interleaves: bool,
    /// Whether calls come back with the thoughts that led to them.
    pub(crate) signs: bool,
    pub(crate) read: fn(&Asked<'_>) -> Result<Conversation, ApiError>,
    pub(crate) whole: fn(&Heading, &Identified) -> Value,
    pub(crate) writer: fn(Heading, Delivery) -> Box<dyn Writer>,
    pub(crate) refusal: fn(&ApiError) -> Refusal,
}

/// A request before it is read.
pub(crate) struct Asked<'a> {
    /// Path and query.
    pub(crate) target: &'a str,
    /// The value of the header with this name in lower case.
    pub(crate) header: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) body: &'a [u8],
}

/// Identifies an answer in every part of it.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// Without the prefix that a format has.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
}

/// Writes a stream, part by part.
pub(crate) trait Writer: Send {
    /// Appends what the part is on the wire, which may be nothing.
    fn write(&mut self, part: &Part, out: &mut Vec<u8>);
}

/// An error as a service writes it.
pub(crate) struct Refusal {
    pub(crate) header: Option<(&'static str, &'static str)>,
    pub(crate) document: Value,
}

impl Refusal {
    fn document(document: Value) -> Self {
        Self {
            header: None,
            document,
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Chat,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::Bedrock,
    ];

    /// The format in which a request to this path, under whatever prefix, is written.
    pub(crate) fn of(target: &str) -> Option<Self> {
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.ends().iter().any(|end| path.ends_with(end)))
    }

    /// The paths of its service, as the router writes them.
    pub(crate) fn routes(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["/v1/chat/completions"],
            Self::Responses => &["/v1/responses"],
            Self::Anthropic => &["/v1/messages"],
            Self::Gemini => &["/v1beta/models/{call}", "/v1/models/{call}"],
            Self::Bedrock => &["/model/{id}/converse-stream", "/model/{id}/converse"],
        }
    }

    /// The ends of its paths.
    fn ends(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["/chat/completions"],
            Self::Responses => &["/responses"],
            Self::Anthropic => &["/messages"],
            Self::Gemini => &[":streamGenerateContent", ":generateContent"],
            Self::Bedrock => &["/converse-stream", "/converse"],
        }
    }

    pub(crate) fn wire(self) -> &'static Wire {
        match self {
            Self::Chat => &chat::WIRE,
            Self::Responses => &responses::WIRE,
            Self::Anthropic => &anthropic::WIRE,
            Self::Gemini => &gemini::WIRE,
            Self::Bedrock => &bedrock::WIRE,
        }
    }

    /// The path of a base URL in this format, as clients have it.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Anthropic => "/v1",
            Self::Gemini => "/v1beta",
            Self::Bedrock => "",
        }
    }
}

/// Appends one server-sent event without a name.
fn data(document: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    // Plain structs of strings and numbers cannot fail here.
    let _never_fails = serde_json::to_writer(&mut *out, document);
    out.extend_from_slice(b"\n\n");
}

/// Appends one server-sent event with the name that its document has as `type`.
fn event(document: &Value, out: &mut Vec<u8>) {
    let name = document.get("type").and_then(Value::as_str);
    out.extend_from_slice(format!("event: {}\n", name.unwrap_or_default()).as_bytes());
    data(document, out);
}

/// The object that a call's arguments are, where the format has no text there; the model may have written anything.
fn object(arguments: &str) -> Value {
    let parsed = serde_json::from_str(arguments).ok();
    let is_object = |value: &Value| value.is_object();
    parsed
        .filter(is_object)
        .unwrap_or_else(|| serde_json::json!({}))
}

/// How often a field with this name, and not null, is anywhere in the document.
fn count(document: &Value, name: &str) -> usize {
    let fields = document.as_object().into_iter().flatten();
    let fields = fields
        .map(|(field, inner)| usize::from(field == name && !inner.is_null()) + count(inner, name));
    let items = document.as_array().into_iter().flatten();
    let items = items.map(|inner| count(inner, name));
    fields.sum::<usize>() + items.sum::<usize>()
}

/// The object with this field, in place of one with the same name.
pub(crate) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
    object
}
