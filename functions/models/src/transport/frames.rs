//! A response's watched bytes, cut into frames.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use baton_handoff::ports::{ModelError, ModelErrorKind};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sse_stream::{Sse, SseByteStream};

use super::watched::{Progress, Watched};
use crate::wire::{Frame, Framing};

/// So much white space can stand in front of a document.
const BLANK: usize = 64;

pub(super) enum Frames<S>
where
    Closed<S>: Stream<Item = Result<Bytes, ModelError>>,
{
    /// The first bytes decide: no event begins like a JSON document, whatever the headers say.
    Opening {
        body: Option<Closed<S>>,
        buffer: BytesMut,
    },
    Events(SseByteStream<Closed<S>>),
    Document {
        body: Closed<S>,
        buffer: BytesMut,
    },
    Own {
        body: Watched<S>,
        buffer: BytesMut,
        length: fn(&[u8]) -> Option<usize>,
    },
}

/// A frame that was cut out.
pub(super) enum Cut {
    Event(Sse),
    Bytes(Bytes),
    Document(Bytes),
}

impl Cut {
    /// The frame, if it is no document.
    pub(super) fn frame(&self) -> Result<Frame<'_>, &Bytes> {
        match self {
            Self::Event(event) => Ok(Frame::Event {
                name: event.event.as_deref(),
                data: event.data.as_deref().unwrap_or_default(),
            }),
            Self::Bytes(bytes) => Ok(Frame::Bytes(bytes)),
            Self::Document(bytes) => Err(bytes),
        }
    }
}

/// A body whose last event counts also if the connection ends right behind it: the parser waits for an empty line.
pub(crate) struct Closed<S> {
    body: Watched<S>,
    /// Read already, to see what the body is.
    first: Option<Bytes>,
    progress: Arc<Progress>,
    has_ended: bool,
}

impl<S, E> Stream for Closed<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<Bytes, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        let item = ready!(self.body.poll_next_unpin(cx));
        if item.is_some() {
            return Poll::Ready(item);
        }
        self.has_ended = true;
        self.progress.body_ended();
        Poll::Ready(Some(Ok(Bytes::from_static(b"\n\n"))))
    }
}

impl<S, E> Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    pub(super) fn new(framing: Framing, body: Watched<S>, progress: Arc<Progress>) -> Self {
        match framing {
            Framing::Events => Self::Opening {
                body: Some(Closed {
                    body,
                    first: None,
                    progress,
                    has_ended: false,
                }),
                buffer: BytesMut::new(),
            },
            Framing::Own(length) => Self::Own {
                body,
                buffer: BytesMut::new(),
                length,
            },
        }
    }
}

/// What the body is, by its first bytes that are no white space.
fn opened<S, E>(mut body: Closed<S>, first: BytesMut) -> Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    let begins = first.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(begins, Some(b'{' | b'[')) {
        return Frames::Document {
            body,
            buffer: first,
        };
    }
    body.first = Some(first.freeze());
    Frames::Events(SseByteStream::new(body))
}

impl<S, E> Stream for Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<Cut, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Self::Opening {
                    body: waiting,
                    buffer,
                } => {
                    let Some(body) = waiting else {
                        return Poll::Ready(None);
                    };
                    match ready!(body.poll_next_unpin(cx)) {
                        Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => return Poll::Ready(None),
                    }
                    let is_blank = buffer.iter().all(u8::is_ascii_whitespace);
                    if is_blank && buffer.len() < BLANK {
                        continue;
                    }
                    let first = std::mem::take(buffer);
                    if let Some(body) = waiting.take() {
                        *self = opened(body, first);
                    }
                }
                Self::Events(events) => {
                    let event = ready!(events.poll_next_unpin(cx));
                    return Poll::Ready(
                        event.map(|event| event.map(Cut::Event).map_err(unwatched)),
                    );
                }
                Self::Document { body, buffer } => match ready!(body.poll_next_unpin(cx)) {
                    Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None if buffer.is_empty() => return Poll::Ready(None),
                    None => {
                        let document = std::mem::take(buffer).freeze();
                        return Poll::Ready(Some(Ok(Cut::Document(document))));
                    }
                },
                Self::Own {
                    body,
                    buffer,
                    length,
                } => {
                    // An empty frame would be found again and again.
                    let whole = length(buffer).filter(|length| (1..=buffer.len()).contains(length));
                    if let Some(length) = whole {
                        let frame = buffer.split_to(length).freeze();
                        return Poll::Ready(Some(Ok(Cut::Bytes(frame))));
                    }
                    match ready!(body.poll_next_unpin(cx)) {
                        Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => return Poll::Ready(None),
                    }
                }
            }
        }
    }
}

/// The watch's own error, back out of the parser's box.
fn unwatched(error: sse_stream::Error) -> ModelError {
    let sse_stream::Error::Body(error) = error else {
        return ModelError::new(ModelErrorKind::BadStream, error.to_string());
    };
    match error.downcast::<ModelError>() {
        Ok(error) => *error,
        Err(error) => ModelError::new(ModelErrorKind::Cut, error.to_string()),
    }
}
