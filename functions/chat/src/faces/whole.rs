//! A turn for answers that do not stream: read when it is over, or when its time is.

use baton_handoff::event::{ConfirmationAsked, Event, EventKind};
use baton_handoff::failure::FailureCode;
use baton_handoff::ports::Usage;
use baton_handoff::{Seen, TurnLog};
use tokio::time::timeout_at;

use super::confirm_text;
use crate::edge::deadline::answer_end;

/// The events of a turn, without what was taken back.
#[derive(Debug)]
pub(crate) struct WholeTurn {
    /// In order. Of a step whose text was reset only what came behind.
    pub(crate) events: Vec<Event>,
}

/// How a turn is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Recorded.
    Completed,
    /// Failed.
    Failed(FailureCode),
    /// Stopped on request; what was said counts.
    Stopped,
    /// It is not over: the same request again finds it.
    Continues,
}

/// Waits for the end of the turn, as long as an answer may take.
pub(crate) async fn read(log: &TurnLog) -> WholeTurn {
    // What there is then may be the whole.
    let _late = timeout_at(answer_end(), log.ended()).await;
    so_far(log)
}

/// What there is of the turn.
pub(crate) fn so_far(log: &TurnLog) -> WholeTurn {
    let mut events: Vec<Event> = Vec::new();
    log.read_now(Seen::default(), |unread| {
        unread.for_each(|event| {
            if let EventKind::Reset { step } = event.kind {
                events.retain(|before| !is_text_of(before, step));
            } else {
                events.push(event.clone());
            }
        });
    });
    WholeTurn { events }
}

fn is_text_of(event: &Event, step: u32) -> bool {
    event.position.step == step && matches!(event.kind, EventKind::TextDelta(_))
}

impl WholeTurn {
    /// Everything that was said, and the questions that the customer is to confirm.
    pub(crate) fn text(&self) -> String {
        let mut said = String::new();
        for event in &self.events {
            if let EventKind::TextDelta(text) = &event.kind {
                said.push_str(text);
            } else if let EventKind::ConfirmationAsked(asked) = &event.kind {
                said.push_str(&confirm_text(asked));
            }
        }
        said
    }

    /// What the customer was asked to confirm: the newest card of each tool.
    pub(crate) fn cards(&self) -> Vec<&ConfirmationAsked> {
        let mut cards: Vec<&ConfirmationAsked> = Vec::new();
        for event in &self.events {
            if let EventKind::ConfirmationAsked(asked) = &event.kind {
                cards.retain(|card| card.name != asked.name);
                cards.push(asked);
            }
        }
        cards
    }

    /// The tokens of the turn.
    pub(crate) fn usage(&self) -> Usage {
        for event in self.events.iter().rev() {
            if let EventKind::Usage(usage) = &event.kind {
                return **usage;
            }
        }
        Usage::default()
    }

    /// How it is over.
    pub(crate) fn end(&self) -> End {
        let last = self.events.last().map(|event| &event.kind);
        if let Some(EventKind::TurnFailed(code)) = last {
            End::Failed(*code)
        } else if last == Some(&EventKind::TurnCompleted) {
            End::Completed
        } else if last == Some(&EventKind::TurnStopped) {
            End::Stopped
        } else {
            End::Continues
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(events: &[(&str, EventKind)]) -> TurnLog {
        let log = TurnLog::default();
        for (position, kind) in events {
            log.push(Event {
                position: position.parse().unwrap(),
                agent: "".into(),
                kind: kind.clone(),
            });
        }
        log
    }

    fn text(text: &str) -> EventKind {
        EventKind::TextDelta(text.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_back_is_left_out() {
        let log = log(&[
            ("1.1.1.3", text("One")),
            ("1.2.1.4", text(" two")),
            ("1.2.2.0", EventKind::Reset { step: 2 }),
            ("1.2.2.6", text(" three")),
            ("1.2.2.7", EventKind::TurnCompleted),
        ]);
        let turn = read(&log).await;
        assert_eq!(turn.text(), "One three");
        assert_eq!(turn.end(), End::Completed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_lasts_longer_than_an_answer_may_is_not_over() {
        let log = log(&[("1.1.1.3", text("One"))]);
        assert_eq!(read(&log).await.end(), End::Continues);
        log.push(Event {
            position: "1.1.1.4".parse().unwrap(),
            agent: "".into(),
            kind: EventKind::TurnStopped,
        });
        assert_eq!(read(&log).await.end(), End::Stopped);
    }
}
