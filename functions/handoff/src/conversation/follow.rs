//! Lets a caller listen to a turn that is already there: from this process's log, or from the journal.

use std::sync::Arc;

use super::open::Conversation;
use crate::drive;
use crate::drive::admission::Place;
use crate::drive::hub::Watch;
use crate::drive::log::TurnLog;
use crate::event::{ActionFinished, Event, Position};
use crate::ids::TurnNumber;
use crate::ports::{Millis, StoreError};
use crate::principal::Access;
use crate::record::journal::{read_actions, read_turn};
use crate::record::{ActionRecord, TurnState};
use crate::shown::Reader;
use crate::turn::replay;

/// The events available to a listener of a turn.
#[derive(Debug)]
pub enum Followed {
    /// All events so far, and the coming ones.
    Log(Arc<TurnLog>),
    /// The turn is over. The listener has all its events up to this last one.
    NothingLeft(Event),
    /// There is no such turn, or it was erased.
    NoSuchTurn,
}

/// A conversation between turns.
#[derive(Debug)]
pub struct Pulse {
    /// The number that the next turn gets.
    pub next_turn: TurnNumber,
    /// Turns below this number were erased.
    pub erased_below: TurnNumber,
    /// The turn that runs, or else the first that waits.
    pub open: Option<TurnNumber>,
    /// Ended actions that are not reported to the model yet, as events for the customer.
    pub ended: Vec<ActionFinished>,
}

impl Pulse {
    /// Whether there are no turns, or all turns were erased.
    pub fn is_empty(&self) -> bool {
        self.next_turn <= self.erased_below.max(1)
    }
}

impl Conversation {
    /// The events of a turn after position `after`.
    pub async fn follow(
        &self,
        number: TurnNumber,
        after: Option<Position>,
    ) -> Result<Followed, StoreError> {
        let Some((_, meta)) = self.meta(Access::Oversee).await? else {
            return Ok(Followed::NoSuchTurn);
        };
        if number < meta.erased_below || number >= meta.next_turn {
            return Ok(Followed::NoSuchTurn);
        }
        // For a turn that is over, the journal shows whether events are left.
        let log = self.engine.hub.find_log(&self.id, number);
        if let Some(log) = log.filter(|log| !log.has_ended()) {
            return Ok(Followed::Log(log));
        }
        let Some(turn) = read_turn(&*self.engine.store, &self.id, number).await? else {
            return Ok(Followed::NoSuchTurn);
        };
        if turn.record.state == TurnState::Accepted {
            return Ok(Followed::Log(self.listen(number, None)));
        }
        let mut events = replay::events(&self.engine.team, &turn);
        if replay::events_after(&events, after).is_empty()
            && let Some(end) = events.pop()
        {
            return Ok(Followed::NothingLeft(end));
        }
        Ok(Followed::Log(Arc::new(TurnLog::of(events))))
    }

    /// When this turn ended. None: it has not, or there is no such turn.
    ///
    /// # Errors
    /// The store's.
    pub async fn ended_at(&self, number: TurnNumber) -> Result<Option<Millis>, StoreError> {
        let (meta, record) =
            futures_util::join!(self.meta(Access::Oversee), self.record_of(number));
        let has_turn = meta?.is_some_and(|(_, meta)| number >= meta.erased_below);
        let ended = record?.and_then(|record| record.ended_at);
        Ok(ended.filter(|_| has_turn))
    }

    /// The state that a listener of the whole conversation polls between turns. `None`: there is no such conversation.
    pub async fn pulse(&self) -> Result<Option<Pulse>, StoreError> {
        let Some((_, meta)) = self.meta(Access::Oversee).await? else {
            return Ok(None);
        };
        let pending = read_actions(&*self.engine.store, &meta.pending_reports).await?;
        let ended = pending
            .into_iter()
            .filter(|action| action.state.is_terminal())
            .map(|action| self.finished(action));
        let waiting = meta.waiting.first().copied();
        let open = meta
            .running
            .as_ref()
            .map(|running| running.turn)
            .or(waiting);
        Ok(Some(Pulse {
            next_turn: meta.next_turn,
            erased_below: meta.erased_below,
            open,
            ended: ended.collect(),
        }))
    }

    /// The end of an action as an event for the customer.
    fn finished(&self, action: ActionRecord) -> ActionFinished {
        let customer = Reader::customer(&self.engine.team);
        let shown = |result: String| customer.result_of_action(&action.tool, action.state, &result);
        ActionFinished {
            result: action.result.and_then(shown),
            action: action.id,
            name: action.tool,
            state: action.state,
        }
    }

    /// Starts to watch the conversation for changes. Create it before reading the conversation, so that no change between the
    /// read and the wait is missed.
    pub fn watch(&self) -> Watch<'_> {
        self.engine.hub.watch(&self.id)
    }

    /// Resolves when something may have changed since the watch began, after `longest` milliseconds at the latest, or when
    /// this process is asked to end.
    pub async fn changed(&self, watch: Watch<'_>, longest: Millis) {
        tokio::select! {
            biased;
            () = watch.poked() => {}
            () = self.engine.drained() => {}
            () = self.engine.sleep(longest) => {}
        }
    }

    /// The log of a turn that is not over. Drives the turn on if no task of this process does.
    pub(super) fn listen(&self, number: TurnNumber, place: Option<Place>) -> Arc<TurnLog> {
        let log = self.engine.hub.log(&self.id, number);
        if self.engine.hub.start_driving(&self.id) {
            let (engine, conversation) = (self.engine.clone(), self.id.clone());
            self.engine.env.spawn(Box::pin(async move {
                // With a listener it waits for a place.
                let _left = drive::drive(engine, conversation, None, place).await;
            }));
        }
        log
    }
}
