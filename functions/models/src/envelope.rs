//! The parts that every request of a format has: the address, the headers, the tools.
//! Knows JSON over HTTP; nothing of any one format.

use std::sync::Arc;

use baton_handoff::ports::{Message, ModelError, ModelErrorKind, ModelRequest, ToolDefinition};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::prepared::Prepared;
use crate::sendable::Sendable;
use crate::wire::HttpRequest;

/// The media type of most streams.
pub(crate) const EVENTS: &str = "text/event-stream";

/// All requests to one address.
#[derive(Debug)]
pub(crate) struct Envelope {
    url: Url,
    headers: HeaderMap,
    tools: Prepared<Arc<RawValue>>,
}

impl Envelope {
    /// JSON to this address, for a stream of this media type.
    pub(crate) fn new(url: Url, accept: &'static str) -> Self {
        let headers = [(CONTENT_TYPE, "application/json"), (ACCEPT, accept)];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Self {
            url,
            headers: HeaderMap::from_iter(headers),
            tools: Prepared::default(),
        }
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// The tools to declare, as the format writes them. None where there are none: services refuse an empty array.
    pub(crate) fn tools(
        &self,
        request: &ModelRequest,
        list: &Sendable<'_>,
        encode: impl FnOnce(&[ToolDefinition]) -> Result<Arc<RawValue>, ModelError>,
    ) -> Result<Option<Arc<RawValue>>, ModelError> {
        if !request.tools.is_empty() {
            return self.tools.get(&request.tools, encode).map(Some);
        }
        let gone = list.tools(&request.tools);
        (!gone.is_empty()).then(|| encode(&gone)).transpose()
    }

    /// The request with this body, for which `tools` were encoded.
    pub(crate) fn with(
        &self,
        body: &impl Serialize,
        request: &ModelRequest,
        tools: Option<&RawValue>,
    ) -> Result<HttpRequest, ModelError> {
        let tools_bytes = tools.map_or(0, |tools| tools.get().len());
        let mut json = Vec::with_capacity(room(request) + tools_bytes);
        serde_json::to_writer(&mut json, body).map_err(|_| unwritten())?;
        Ok(HttpRequest {
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: json.into(),
        })
    }
}

/// A part of a body that is encoded before the rest.
pub(crate) fn encoded(part: &impl Serialize) -> Result<Arc<RawValue>, ModelError> {
    to_raw_value(part).map(Arc::from).map_err(|_| unwritten())
}

/// About the size of the request as JSON: a buffer that grows step by step would copy long instructions again and again.
fn room(request: &ModelRequest) -> usize {
    /// The words around a message.
    const AROUND: usize = 64;
    let text = |message: &Message| match message {
        Message::System(text) | Message::User(text) => text.len(),
        Message::Assistant {
            text,
            calls: _,
            opaque,
        } => text.len() + opaque.as_deref().map_or(0, str::len),
        Message::Tool { call: _, result } => result.len(),
    };
    let messages = request
        .messages
        .iter()
        .map(|message| text(message) + AROUND);
    // Line breaks and quotes are escaped: an eighth more.
    messages.sum::<usize>() * 9 / 8 + 4 * AROUND
}

/// The error's text may quote its input, which is the customer's.
fn unwritten() -> ModelError {
    ModelError::new(
        ModelErrorKind::BadRequest,
        "the request cannot be written as JSON",
    )
}
