//! From a response's bytes to the port's chunks.
//! Knows SSE and the dialects of Chat Completions; never HTTP. Runs once per token: keep it cheap.

use std::collections::VecDeque;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use baton_handoff::ports::{FinishReason, ModelChunk, ModelError, ModelErrorKind, Usage};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_stream::{Sse, SseByteStream};

use crate::calls::Calls;
use crate::failure::Fault;
use crate::settings::{Bounds, Patience};
use crate::watched::{Progress, Watched};
use crate::wire::{Delta, Event, Reason};

/// How far the response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Text and calls may come.
    Answering,
    /// `Finished` was said; the token counts may come.
    Finished,
    /// All was said. The rest is read, so that the connection can be used again.
    Draining,
    Ended,
}

/// The stream of one response. Read to its end, it leaves the connection to the next request; dropped earlier, it closes it.
pub(crate) struct Decoder<S>
where
    Watched<S>: Stream<Item = Result<Bytes, ModelError>>,
{
    events: SseByteStream<Watched<S>>,
    progress: Arc<Progress>,
    phase: Phase,
    /// What the last event brought and nobody has taken.
    ready: VecDeque<ModelChunk>,
    failure: Option<ModelError>,
    text_bytes: usize,
    text_bound: usize,
    calls: Calls,
    usage: Option<Usage>,
}

impl<S, E> Decoder<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    pub(crate) fn new(body: S, patience: &Patience, bounds: &Bounds) -> Self {
        let progress = Arc::new(Progress::default());
        Self {
            events: SseByteStream::new(Watched::new(
                body,
                patience,
                bounds.event,
                Arc::clone(&progress),
            )),
            progress,
            phase: Phase::Answering,
            ready: VecDeque::new(),
            failure: None,
            text_bytes: 0,
            text_bound: bounds.text,
            calls: Calls::new(bounds),
            usage: None,
        }
    }

    /// Takes the next event, or the end.
    fn read(&mut self, event: Option<Result<Sse, sse_stream::Error>>) {
        let outcome = match event {
            Some(Ok(event)) => {
                self.progress.event_ended();
                self.on_event(&event)
            }
            Some(Err(error)) => Err(unwatched(error)),
            None => Err(ModelError::new(
                ModelErrorKind::Cut,
                "the stream ended before the model was done",
            )),
        };
        let Err(error) = outcome else { return };
        if self.phase == Phase::Answering {
            self.failure = Some(error);
        } else {
            // The answer is whole; how its connection ends is nobody's concern.
            self.tell_usage();
        }
        self.phase = Phase::Ended;
    }

    fn on_event(&mut self, event: &Sse) -> Result<(), ModelError> {
        let data = event.data.as_deref().unwrap_or_default().trim();
        match self.phase {
            Phase::Answering | Phase::Finished if event.event.as_deref() == Some("error") => {
                Err(reported(&Fault::read(data.as_bytes())))
            }
            Phase::Answering | Phase::Finished if data == "[DONE]" => self.on_done(),
            Phase::Answering if !data.is_empty() => self.on_answer(parse(data)?),
            Phase::Finished if !data.is_empty() => {
                self.on_afterwards(&parse(data)?);
                Ok(())
            }
            Phase::Answering | Phase::Finished | Phase::Draining | Phase::Ended => Ok(()),
        }
    }

    fn on_answer(&mut self, event: Event) -> Result<(), ModelError> {
        if let Some(fault) = event.error {
            return Err(reported(&fault));
        }
        if let Some(usage) = event.usage {
            // Some count with every event: the last count is the one.
            self.usage = Some(usage.into());
        }
        let Some(choice) = event.choices else {
            return Ok(());
        };
        if let Some(delta) = choice.delta {
            self.on_delta(delta)?;
        }
        match choice.finish_reason {
            None | Some(Reason::Unfinished) => Ok(()),
            Some(Reason::Stop) => self.finish(FinishReason::Stop),
            Some(Reason::Length) => self.finish(FinishReason::Length),
            Some(Reason::ContentFilter) => self.finish(FinishReason::ContentFilter),
        }
    }

    fn on_delta(&mut self, delta: Delta) -> Result<(), ModelError> {
        for text in [delta.content, delta.refusal]
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
        {
            self.text_bytes += text.len();
            if self.text_bytes > self.text_bound {
                return Err(ModelError::new(
                    ModelErrorKind::TooLarge,
                    format!("the text has more than {} bytes", self.text_bound),
                ));
            }
            self.ready.push_back(ModelChunk::Text(text));
        }
        for part in delta.tool_calls.into_iter().flatten() {
            self.ready
                .extend(self.calls.take(part)?.map(ModelChunk::Call));
        }
        Ok(())
    }

    fn finish(&mut self, reason: FinishReason) -> Result<(), ModelError> {
        if reason == FinishReason::Stop && self.text_bytes == 0 && self.calls.is_empty() {
            return Err(ModelError::new(
                ModelErrorKind::Empty,
                "the model was done before it said anything",
            ));
        }
        self.ready.push_back(ModelChunk::Finished(reason));
        self.phase = Phase::Finished;
        self.progress.answer_finished();
        Ok(())
    }

    fn on_afterwards(&mut self, event: &Event) {
        let Some(usage) = event.usage else { return };
        self.usage = Some(usage.into());
        // An event of its own for the counts is the last one.
        if event.choices.is_none() {
            self.tell_usage();
        }
    }

    fn on_done(&mut self) -> Result<(), ModelError> {
        if self.phase == Phase::Answering {
            return Err(ModelError::new(
                ModelErrorKind::Cut,
                "[DONE] came before a finish_reason",
            ));
        }
        self.tell_usage();
        self.phase = Phase::Draining;
        Ok(())
    }

    fn tell_usage(&mut self) {
        self.ready.extend(self.usage.take().map(ModelChunk::Usage));
    }
}

impl<S, E> Stream for Decoder<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<ModelChunk, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.phase == Phase::Ended {
                return Poll::Ready(None);
            }
            let event = ready!(self.events.poll_next_unpin(cx));
            self.read(event);
        }
    }
}

/// The position is safe to log; the parser's own words may quote the answer.
fn parse(data: &str) -> Result<Event, ModelError> {
    serde_json::from_str(data).map_err(|error| {
        let detail = format!(
            "an event is not a chat completion chunk: {:?} error at byte {}",
            error.classify(),
            error.column()
        );
        ModelError::new(ModelErrorKind::BadStream, detail)
    })
}

fn reported(fault: &Fault) -> ModelError {
    ModelError::new(
        ModelErrorKind::Reported,
        format!("the service reported an error: {fault}"),
    )
}

/// What the watch said, back out of the parser's box.
fn unwatched(error: sse_stream::Error) -> ModelError {
    let sse_stream::Error::Body(error) = error else {
        return ModelError::new(ModelErrorKind::BadStream, error.to_string());
    };
    match error.downcast::<ModelError>() {
        Ok(error) => *error,
        Err(error) => ModelError::new(ModelErrorKind::Cut, error.to_string()),
    }
}
