//! The parts of a wire format: writing a request and reading its answer.
//! Knows HTTP's words and the model port; no vendor, no connection, no time-out.
//!
//! A new wire format is a folder beside `chat/` that implements [`WireFormat`] and [`Decoder`], and a line in
//! [`WIRE_FORMATS`](crate::WIRE_FORMATS). `tests/model/new_format.rs` is a whole one.

use std::fmt;
use std::sync::Arc;

use baton_handoff::ports::{ModelError, ModelErrorKind, ModelOptions, ModelRequest};
use baton_http::Secret;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

pub use crate::address::address;
pub use crate::answer::Answer;
pub use crate::credentials::{ClientCredentials, Credentials, Signer};
pub use crate::fault::Fault;
pub use crate::prepared::Prepared;
pub use crate::surrogates::read_json;

use crate::address::SettingsError;
use crate::limits::OutputLimit;

/// A wire format by its name, and how a service of it is opened.
#[derive(Clone, Copy)]
pub struct Wire {
    /// The name in the settings.
    pub name: &'static str,
    /// Who serves it, as OpenTelemetry's conventions name providers: whoever made it, where others speak it too.
    pub provider: &'static str,
    /// Whether a service at this address speaks it, as far as the address tells: for settings that name no format.
    pub serves: fn(&Url) -> bool,
    /// Reads the settings; talks to no service yet.
    pub open: fn(&Target<'_>) -> Result<Opened, SettingsError>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A service, and the common parts of every request to it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The base URL of the format's paths; see [`address`].
    pub base_url: &'a str,
    /// The model's name.
    pub model: &'a str,
    /// The key, if the service needs one.
    pub key: Option<&'a Secret>,
    /// Ask for token counts, if the format does not bring them anyway.
    pub ask_usage: bool,
    /// A limit of output tokens, when not the service's own.
    pub output_limit: Option<OutputLimit>,
    /// How the model is to answer.
    pub options: ModelOptions,
    /// Signs the requests, if the service has no key.
    pub signer: Option<&'a Arc<dyn Signer>>,
}

/// A service with its settings read.
pub struct Opened {
    /// The service's address; every request goes to its host.
    pub service: Url,
    /// Its wire format.
    pub format: Box<dyn WireFormat>,
    /// Its credentials.
    pub credentials: Credentials,
}

/// One request, for all its attempts.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The whole address: some formats name the model in the path.
    pub url: Url,
    /// `Content-Type`, `Accept` and the format's own, such as a version. Credentials are added by the transport.
    pub headers: HeaderMap,
    /// The body of the POST.
    pub body: Bytes,
}

/// A service's wire format.
pub trait WireFormat: Send + Sync {
    /// Writes the request.
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError>;

    /// How the bytes of an answer are cut into frames.
    fn framing(&self) -> Framing {
        Framing::Events
    }

    /// Whether a success with this media type (lower case, without parameters; empty if none was named) can be an answer.
    /// A wrong address often has a page. A JSON document is read by [`Decoder::document`], if it is no error.
    fn takes(&self, media_type: &str) -> bool {
        media_type != "text/html"
    }

    /// A decoder for one answer.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Reads an unsuccessful response: its codes, and whether a later attempt is pointless. The transport reads the status and
    /// `Retry-After` itself.
    fn fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault;

    /// Whether the service refused an optional field of the request, which is left out from now on: the request is then written and
    /// sent again.
    fn concedes(&self, fault: &Fault) -> bool {
        let _ = fault;
        false
    }
}

/// How an answer's bytes are cut into frames.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// Frames of the format's own: the length of the first frame in these bytes, `None` while it is not whole. Lines and
    /// length-prefixed messages are such frames.
    Own(fn(&[u8]) -> Option<usize>),
}

/// One frame of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// A server-sent event.
    Event {
        /// Its `event:` field.
        name: Option<&'a str>,
        /// Its `data:` field, empty if it has none.
        data: &'a str,
    },
    /// A whole frame of [`Framing::Own`].
    Bytes(&'a [u8]),
}

/// Reads one answer. Runs once for each token: keep it cheap.
pub trait Decoder: Send {
    /// Adds the content of the frame to the answer. After an error no frame follows. After [`Answer::complete`] the rest is read
    /// without the decoder, so that the connection can be reused.
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError>;

    /// An answer in one document, from a service that does not stream.
    fn document(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ModelError> {
        let _ = (body, answer);
        Err(ModelError::new(
            ModelErrorKind::BadStream,
            "the answer is a JSON document, not a stream",
        ))
    }

    /// The stream ended before [`Answer::complete`]. An answer that is not finished now was cut.
    fn end(&mut self, answer: &mut Answer) -> Result<(), ModelError> {
        let _ = answer;
        Ok(())
    }
}
