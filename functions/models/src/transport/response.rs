//! From a response's bytes to the port's chunks, by way of a wire format's decoder.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use baton_handoff::ports::{ModelChunk, ModelError, ModelErrorKind};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::frames::{Cut, Frames};
use super::watched::{Progress, Watched};
use crate::answer::Answer;
use crate::limits::{Bounds, Patience};
use crate::wire::{Decoder, Framing};

/// The stream of one response. Read to its end, it leaves the connection to the next request; dropped earlier, it closes it.
pub(crate) struct Chunks<S>
where
    Watched<S>: Stream<Item = Result<Bytes, ModelError>>,
{
    frames: Frames<S>,
    progress: Arc<Progress>,
    decoder: Box<dyn Decoder>,
    answer: Answer,
    failure: Option<ModelError>,
    ended: bool,
}

impl<S, E> Chunks<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    pub(crate) fn new(
        body: S,
        framing: Framing,
        decoder: Box<dyn Decoder>,
        patience: &Patience,
        bounds: &Bounds,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        let body = Watched::new(body, patience, bounds.event, Arc::clone(&progress));
        Self {
            frames: Frames::new(framing, body),
            progress,
            decoder,
            answer: Answer::new(bounds),
            failure: None,
            ended: false,
        }
    }

    /// Takes the next frame, or the end.
    fn read(&mut self, frame: Option<Result<Cut, ModelError>>) {
        let outcome = match frame {
            Some(Ok(frame)) => {
                self.progress.event_ended();
                self.on_frame(&frame)
            }
            Some(Err(error)) => Err(error),
            None => self.decoder.end(&mut self.answer).and(Err(ModelError::new(
                ModelErrorKind::Cut,
                "the stream ended before the model was done",
            ))),
        };
        let Err(error) = outcome else { return };
        if self.answer.is_finished() {
            // The answer is whole; the end of its connection does not matter.
            self.answer.usage_is_final();
        } else {
            self.failure = Some(error);
        }
        self.ended = true;
    }

    fn on_frame(&mut self, frame: &Cut) -> Result<(), ModelError> {
        if self.answer.is_complete() {
            return Ok(());
        }
        self.decoder.frame(frame.frame(), &mut self.answer)?;
        if self.answer.is_finished() {
            self.progress.answer_finished();
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
