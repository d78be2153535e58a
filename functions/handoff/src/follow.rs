//! Lets somebody listen to a turn that is already there: from this process's log, or from the journal.

use std::sync::Arc;

use crate::engine::Engine;
use crate::event::Position;
use crate::ids::{ConversationId, TurnNumber};
use crate::journal::{read_meta, read_turn};
use crate::live::TurnLog;
use crate::ports::StoreError;
use crate::record::TurnState;
use crate::replay;

/// What there is to hear of a turn.
#[derive(Debug)]
pub enum Followed {
    /// All its events, and those to come.
    Log(Arc<TurnLog>),
    /// The turn is over and the listener has everything.
    NothingLeft,
    /// There is no such turn, or it was erased.
    NoSuchTurn,
}

impl Engine {
    /// The events of a turn for a listener who has everything up to `after`.
    pub async fn follow(
        self: &Arc<Self>,
        conversation: &ConversationId,
        number: TurnNumber,
        after: Option<Position>,
    ) -> Result<Followed, StoreError> {
        let Some((_, meta)) = read_meta(&*self.store, conversation).await? else { return Ok(Followed::NoSuchTurn) };
        if number < meta.erased_below || number >= meta.next_turn {
            return Ok(Followed::NoSuchTurn);
        }
        if let Some(log) = self.hub.find_log(conversation, number) {
            return Ok(Followed::Log(log));
        }
        let Some(turn) = read_turn(&*self.store, conversation, number).await? else {
            return Ok(Followed::NoSuchTurn);
        };
        if turn.record.state == TurnState::Accepted {
            return Ok(Followed::Log(self.listen(conversation, number)));
        }
        let events = replay::events(&turn);
        if replay::events_after(&events, after).is_empty() {
            return Ok(Followed::NothingLeft);
        }
        Ok(Followed::Log(Arc::new(TurnLog::of(events))))
    }

    /// The log of a turn that is not over, and somebody who sees to it that it goes on.
    pub(crate) fn listen(self: &Arc<Self>, conversation: &ConversationId, number: TurnNumber) -> Arc<TurnLog> {
        let log = self.hub.log(conversation, number);
        if self.hub.start_driving(conversation) {
            let (engine, conversation) = (self.clone(), conversation.clone());
            self.env.spawn(Box::pin(engine.drive(conversation, None)));
        }
        log
    }
}
