//! A trace and its spans, as any exporter takes them. Knows no protocol.

use super::ids::SpanContext;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::Millis;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Seconds, mostly.
    Fraction(f64),
    /// A truth.
    Truth(bool),
    /// A list of texts.
    Texts(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

/// One fact about a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name, one of [`super::names`].
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// Whether a span is a call to another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work of our own.
    Internal,
    /// A call of another service.
    Client,
}

/// Something at one moment of a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    /// What happened.
    pub name: &'static str,
    /// When. Milliseconds since 1970.
    pub at: Millis,
    /// More about it.
    pub attributes: Vec<Attribute>,
}

/// A piece of work, with its begin and its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its own ids.
    pub context: SpanContext,
    /// The span that it is a part of, in the same trace; none of a turn as a whole.
    pub parent: Option<SpanContext>,
    /// What it is called.
    pub name: String,
    /// Whether it is a call to another service.
    pub kind: Kind,
    /// Milliseconds since 1970.
    pub start: Millis,
    /// Milliseconds since 1970; never before the start.
    pub end: Millis,
    /// Facts about it.
    pub attributes: Vec<Attribute>,
    /// What happened meanwhile.
    pub events: Vec<SpanEvent>,
    /// Spans of other traces that have to do with it.
    pub links: Vec<SpanContext>,
    /// Why it failed, in one word.
    pub error: Option<String>,
}

impl Span {
    /// A span without attributes.
    pub(super) fn new(
        context: SpanContext,
        parent: Option<SpanContext>,
        name: impl Into<String>,
        (start, end): (Millis, Millis),
    ) -> Self {
        Self {
            context,
            parent,
            name: name.into(),
            kind: Kind::Internal,
            start,
            end: end.max(start),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    /// Adds an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute {
            name,
            value: value.into(),
        });
        self
    }

    /// Adds an attribute whose value is not always known.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().find(|one| one.name == name);
        found.map(|one| &one.value)
    }
}

/// The spans that one turn is told by: its own, and those of the actions of whose end it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The conversation.
    pub conversation: ConversationId,
    /// The turn.
    pub turn: TurnNumber,
    /// A span comes before its parts.
    pub spans: Vec<Span>,
}
