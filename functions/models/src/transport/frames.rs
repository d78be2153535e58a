//! A response's watched bytes, cut into frames.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use baton_handoff::ports::{ModelError, ModelErrorKind};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sse_stream::{Sse, SseByteStream};

use super::watched::Watched;
use crate::wire::{Frame, Framing};

pub(super) enum Frames<S>
where
    Watched<S>: Stream<Item = Result<Bytes, ModelError>>,
{
    Events(SseByteStream<Watched<S>>),
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
}

impl Cut {
    pub(super) fn frame(&self) -> Frame<'_> {
        match self {
            Self::Event(event) => Frame::Event {
                name: event.event.as_deref(),
                data: event.data.as_deref().unwrap_or_default(),
            },
            Self::Bytes(bytes) => Frame::Bytes(bytes),
        }
    }
}

impl<S, E> Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    pub(super) fn new(framing: Framing, body: Watched<S>) -> Self {
        match framing {
            Framing::Events => Self::Events(SseByteStream::new(body)),
            Framing::Own(length) => Self::Own {
                body,
                buffer: BytesMut::new(),
                length,
            },
        }
    }
}

impl<S, E> Stream for Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<Cut, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Events(events) => {
                let event = ready!(events.poll_next_unpin(cx));
                Poll::Ready(event.map(|event| event.map(Cut::Event).map_err(unwatched)))
            }
            Self::Own {
                body,
                buffer,
                length,
            } => loop {
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
            },
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
