//! From a response's bytes to the port's chunks, by way of a wire format's decoder.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use baton_handoff::ports::{ModelChunk, ModelError, ModelErrorKind};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::frames::{Closed, Cut, Frames};
use super::watched::{Progress, Watched};
use crate::answer::Answer;
use crate::limits::{Bounds, Patience};
use crate::wire::{Decoder, Framing};

/// The stream of one response. Read to its end, it leaves the connection to the next request; dropped earlier, it closes it.
pub(crate) struct Chunks<S>
where
    Closed<S>: Stream<Item = Result<Bytes, ModelError>>,
{
    frames: Frames<S>,
    progress: Arc<Progress>,
    decoder: Box<dyn Decoder>,
    answer: Answer,
    /// Frames left that may bring nothing: each costs as much as one that brings a word.
    idle_frames: u32,
    failure: Option<ModelError>,
    ended: bool,
}

impl<S, E> Chunks<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    /// `tries` is how often the request was sent.
    pub(crate) fn new(
        body: S,
        framing: Framing,
        decoder: Box<dyn Decoder>,
        patience: &Patience,
        bounds: &Bounds,
        tries: u32,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        let body = Watched::new(body, patience, bounds.event, Arc::clone(&progress));
        let mut answer = Answer::new(bounds);
        answer.tries(tries);
        Self {
            frames: Frames::new(framing, body, Arc::clone(&progress)),
            progress,
            decoder,
            answer,
            idle_frames: bounds.idle_frames,
            failure: None,
            ended: false,
        }
    }

    /// Takes the next frame, or the end.
    fn read(&mut self, frame: Option<Result<Cut, ModelError>>) {
        let outcome = match frame {
            Some(Ok(frame)) => {
                self.progress.event_ended();
                match (self.on_frame(&frame), frame) {
                    (Ok(()), _) => return,
                    (Err(error), Cut::Document(_)) => Err(error),
                    (Err(error), Cut::Event(_) | Cut::Bytes(_)) => self.unreadable(error),
                }
            }
            Some(Err(error)) => self.close(error),
            None => self.close(ModelError::new(
                ModelErrorKind::Cut,
                "the stream ended before the model was done",
            )),
        };
        self.failure = outcome.err();
        if self.failure.is_some() {
            self.answer.give_up();
        }
        self.ended = true;
    }

    /// The connection is at its end. Behind the end of an answer it does not matter how it ended.
    fn close(&mut self, error: ModelError) -> Result<(), ModelError> {
        self.decoder.end(&mut self.answer)?;
        if self.answer.is_finished() {
            self.answer.complete()
        } else {
            Err(error)
        }
    }

    /// The decoder failed.
    fn unreadable(&mut self, error: ModelError) -> Result<(), ModelError> {
        if error.kind != ModelErrorKind::BadStream {
            return Err(error);
        }
        if self.answer.is_finished() {
            return self.close(error);
        }
        if self.progress.has_body_ended() {
            return Err(ModelError::new(
                ModelErrorKind::Cut,
                "the stream ended within an event",
            ));
        }
        Err(error)
    }

    fn on_frame(&mut self, frame: &Cut) -> Result<(), ModelError> {
        if self.answer.is_complete() {
            return Ok(());
        }
        match frame.frame() {
            Ok(frame) => self.decoder.frame(frame, &mut self.answer)?,
            Err(document) => self.decoder.document(document, &mut self.answer)?,
        }
        if self.answer.is_finished() {
            self.progress.answer_finished();
        }
        if self.answer.is_idle() {
            self.idle_frames = self.idle_frames.checked_sub(1).ok_or_else(|| {
                let detail = "too many events brought nothing";
                ModelError::new(ModelErrorKind::TooLarge, detail)
            })?;
        }
        Ok(())
    }
}

impl<S, E> Stream for Chunks<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<ModelChunk, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(chunk) = self.answer.take() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = ready!(self.frames.poll_next_unpin(cx));
            self.read(frame);
        }
    }
}

/// The chunks of a document that was read before.
pub(crate) fn document(
    body: &[u8],
    mut decoder: Box<dyn Decoder>,
    bounds: &Bounds,
    tries: u32,
) -> impl Stream<Item = Result<ModelChunk, ModelError>> + Send + 'static {
    let mut answer = Answer::new(bounds);
    answer.tries(tries);
    let outcome = decoder
        .document(body, &mut answer)
        .and_then(|()| answer.complete());
    if outcome.is_err() {
        answer.give_up();
    }
    let mut chunks = Vec::new();
    while let Some(chunk) = answer.take() {
        chunks.push(Ok(chunk));
    }
    chunks.extend(outcome.err().map(Err));
    futures_util::stream::iter(chunks)
}
