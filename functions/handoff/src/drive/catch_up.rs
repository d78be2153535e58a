//! Brings the listeners of this process what other processes have said: from the journal, and from the text that a running turn
//! keeps.

use crate::drive::hub::TurnLog;
use crate::engine::Engine;
use crate::event::{Event, EventKind};
use crate::failure::FailureCode;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, StoreError};
use crate::record::journal::{JournaledTurn, read_turn};
use crate::record::{Meta, TurnState, keys};
use crate::turn::{recorder, replay};

/// Ends the logs of turns that another process has ended.
pub(crate) async fn catch_up(
    engine: &Engine,
    conversation: &ConversationId,
    meta: &Meta,
) -> Result<(), StoreError> {
    for (number, log) in engine.hub.logs_of(conversation) {
        let open = meta.waiting.contains(&number)
            || meta
                .running
                .as_ref()
                .is_some_and(|running| running.turn == number);
        // A turn that META does not know yet was accepted after META was read.
        if open || number >= meta.next_turn {
            continue;
        }
        if number < meta.erased_below {
            // Erased while it had listeners; its records may be there for a while.
            log.end(number, EventKind::TurnStopped);
            engine.hub.forget_ended_log(conversation, number);
            continue;
        }
        match read_turn(&*engine.store, conversation, number).await {
            // META went on without it: it could not be read when it was to begin, and now it can.
            Ok(Some(turn)) if turn.record.state == TurnState::Accepted => {
                let turn = end_left_out(engine, conversation, meta, turn).await?;
                bring_up(&log, &replay::events(&turn));
            }
            Ok(Some(turn)) => bring_up(&log, &replay::events(&turn)),
            // Erased since.
            Ok(None) => log.end(number, EventKind::TurnStopped),
            Err(StoreError::Damaged(_)) => {
                log.end(number, EventKind::TurnFailed(FailureCode::Internal));
            }
            Err(error) => return Err(error),
        }
        engine.hub.forget_ended_log(conversation, number);
    }
    Ok(())
}

/// Records the end of a turn that META does not have any more and that was never ended.
async fn end_left_out(
    engine: &Engine,
    conversation: &ConversationId,
    meta: &Meta,
    mut turn: JournaledTurn,
) -> Result<JournaledTurn, StoreError> {
    // Above that of every owner that it had, so that a listener of any of them hears the end.
    turn.record.fence = meta.fence;
    turn.record.state = TurnState::Failed;
    turn.record.failure = Some(FailureCode::Internal);
    turn.record.ended_at = Some(engine.env.now());
    let key = keys::turn(conversation, turn.number);
    let change = Change::Replace(key, turn.version, turn.record.record());
    match engine.store.commit(vec![change]).await {
        Ok(()) => Ok(turn),
        // Written or not, the next look tells.
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

/// Brings listeners here what another instance says: the journal, and the text of the step that is not in it yet.
pub(super) async fn listen_in(
    engine: &Engine,
    conversation: &ConversationId,
    number: TurnNumber,
    fence: u64,
) -> Result<(), StoreError> {
    let Some(log) = engine.hub.find_log(conversation, number) else {
        return Ok(());
    };
    let mut turn = match read_turn(&*engine.store, conversation, number).await {
        Ok(Some(turn)) => turn,
        // Its owner will find out.
        Ok(None) | Err(StoreError::Damaged(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let next = u32::try_from(turn.steps.len() + 1).unwrap_or(u32::MAX);
    // A turn that has ended since has all of its text in the journal.
    let kept = if turn.record.state == TurnState::Accepted {
        recorder::kept_text(&*engine.store, conversation, number, next, fence).await?
    } else {
        recorder::Kept::default()
    };
    if !kept.results.is_empty() {
        // The journal has them only with the next step, and a listener who has its text cannot go back.
        turn.record.results = kept.results;
    }
    let mut events = replay::events(&turn);
    events.extend(kept.text);
    bring_up(&log, &events);
    Ok(())
}

/// Adds what the journal knows and the log does not have yet.
pub(super) fn bring_up(log: &TurnLog, events: &[Event]) {
    log.bring_up(|last| replay::events_after(events, last));
}
