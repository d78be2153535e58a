//! Gives every event of a running turn its position and appends it to the log that listeners read.

use std::sync::Arc;

use super::recorder::Recorder;
use crate::drive::hub::TurnLog;
use crate::event::{Event, EventKind, Position};
use crate::ids::TurnNumber;
use crate::record::CallResult;

/// The place in the turn at which the next event stands.
pub(crate) struct Narrator {
    log: Arc<TurnLog>,
    turn: TurnNumber,
    step: u32,
    fence: u64,
    offset: u32,
    speaker: Arc<str>,
    /// Has what was said of the response that is being streamed.
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

    /// What keeps the text for listeners elsewhere.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        self.recorder.clone()
    }

    /// From now on events belong to this step, behind `offset`. The fence is that under which the step was streamed.
    pub(crate) fn stand_at(&mut self, step: u32, fence: u64, offset: u32) {
        self.step = step;
        self.fence = fence;
        self.offset = offset;
        self.recorder.begin(step, &self.speaker);
    }

    /// The results that the model is told before the step that begins.
    pub(crate) fn results(&self, results: &[CallResult]) {
        self.recorder.results(results);
    }

    /// Who speaks from now on.
    pub(crate) fn hand_to(&mut self, speaker: &str) {
        self.speaker = Arc::from(speaker);
    }

    pub(crate) fn speaker(&self) -> Arc<str> {
        self.speaker.clone()
    }

    /// What was said of the response that is being streamed.
    pub(crate) fn text(&self) -> String {
        self.recorder.text()
    }

    /// The response is recorded: nothing of it can be lost any more.
    pub(crate) fn text_is_recorded(&mut self) {
        self.recorder.forget();
    }

    /// More text of the response.
    pub(crate) fn say(&mut self, text: String) {
        self.recorder.say(&text);
        self.tell(EventKind::TextDelta(text));
    }

    /// What happened. Text of the response goes through [`Narrator::say`].
    pub(crate) fn tell(&mut self, kind: EventKind) {
        self.offset = self.offset.saturating_add(kind.room());
        self.push(kind);
    }

    /// The text of this step, if any was seen, is said anew from here.
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
