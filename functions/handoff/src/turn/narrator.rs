//! Gives every event of a running turn its position and appends it to the log of the listeners.

use std::sync::Arc;

use super::recorder::Recorder;
use crate::drive::log::TurnLog;
use crate::event::{Event, EventKind, Position};
use crate::ids::TurnNumber;
use crate::record::CallResult;

/// The position of the next event.
pub(crate) struct Narrator {
    log: Arc<TurnLog>,
    turn: TurnNumber,
    step: u32,
    fence: u64,
    offset: u32,
    speaker: Arc<str>,
    /// Holds the streamed text of the current response.
    recorder: Arc<Recorder>,
}

impl Narrator {
    /// Before the first step.
    pub(crate) fn new(log: Arc<TurnLog>, turn: TurnNumber, fence: u64, speaker: Arc<str>) -> Self {
        let recorder = Arc::default();
        Self {
            log,
            turn,
            step: 0,
            fence,
            offset: 0,
            speaker,
            recorder,
        }
    }

    /// Stores the text for listeners of other processes.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        self.recorder.clone()
    }

    /// Events belong to this step from now on, after `offset`. `fence`: the fence of the step's owner.
    pub(crate) fn stand_at(&mut self, step: u32, fence: u64, offset: u32) {
        self.step = step;
        self.fence = fence;
        self.offset = offset;
        self.recorder.begin(step, fence, &self.speaker);
    }

    /// The results in the request for the step that begins.
    pub(crate) fn results(&self, results: &[CallResult]) {
        self.recorder.results(results);
    }

    /// The agent from now on.
    pub(crate) fn hand_to(&mut self, speaker: &str) {
        self.speaker = Arc::from(speaker);
    }

    pub(crate) fn speaker(&self) -> Arc<str> {
        self.speaker.clone()
    }

    /// Whether a listener may have text of the current response.
    pub(crate) fn has_said(&self) -> bool {
        self.recorder.has_said()
    }

    /// The streamed text of the current response.
    pub(crate) fn text(&self) -> String {
        self.recorder.text()
    }

    /// The response is recorded: its text can no longer be lost.
    pub(crate) fn text_is_recorded(&mut self) {
        self.recorder.forget();
    }

    /// More text of the response.
    pub(crate) fn say(&mut self, text: String) {
        self.recorder.say(&text);
        self.tell(EventKind::TextDelta(text));
    }

    /// Appends an event. Text of the response goes through [`Narrator::say`].
    pub(crate) fn tell(&mut self, kind: EventKind) {
        self.offset = self.offset.saturating_add(kind.room());
        self.push(kind);
    }

    /// The text of this step, if a listener has any, follows again from here.
    pub(crate) fn reset(&mut self) {
        self.push(EventKind::Reset { step: self.step });
    }

    fn push(&self, kind: EventKind) {
        let position = Position {
            turn: self.turn,
            step: self.step,
            fence: self.fence,
            offset: self.offset,
        };
        self.log.push(Event {
            position,
            agent: self.speaker.clone(),
            kind,
        });
    }
}
