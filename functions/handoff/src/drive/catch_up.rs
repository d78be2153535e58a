//! Brings events of other processes to the listeners of this one: from the journal, and from the stored text of a running turn.

use crate::drive::log::TurnLog;
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
        // A turn above this META was accepted after META was read.
        if open || number >= meta.next_turn {
            continue;
        }
        if number < meta.erased_below {
            // Erased while it had listeners; its records may remain for a while.
            log.end(number, EventKind::TurnStopped);
            engine.hub.forget_ended_log(conversation, number);
            continue;
        }
        match read_turn(&*engine.store, conversation, number).await {
            // META skipped this turn as unreadable when it was due. It can be read now.
            Ok(Some(turn)) if turn.record.state == TurnState::Accepted => {
                let turn = end_left_out(engine, conversation, meta, turn).await?;
                bring_up(&log, &replay::events(&engine.team, &turn));
            }
            Ok(Some(turn)) => bring_up(&log, &replay::events(&engine.team, &turn)),
            // Erased meanwhile.
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

/// Records the end of a turn that META has left out and that has no end yet.
async fn end_left_out(
    engine: &Engine,
    conversation: &ConversationId,
    meta: &Meta,
    mut turn: JournaledTurn,
) -> Result<JournaledTurn, StoreError> {
    // Above every earlier fence, so that listeners of every earlier owner see the end.
    turn.record.fence = meta.fence;
    turn.record.state = TurnState::Failed;
    turn.record.failure = Some(FailureCode::Internal);
    turn.record.ended_at = Some(engine.env.now());
    let key = keys::turn(conversation, turn.number);
    let change = Change::Replace(key, turn.version, turn.record.record());
    match engine.store.commit(vec![change]).await {
        Ok(()) => Ok(turn),
        // Written or not, the next read shows it.
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

/// Brings the events of a turn of another process to the listeners here: the journal, and the text of the current step.
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
        // The owner will find this itself.
        Ok(None) | Err(StoreError::Damaged(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let next = u32::try_from(turn.steps.len() + 1).unwrap_or(u32::MAX);
    // An ended turn has all of its text in the journal.
    let kept = if turn.record.state == TurnState::Accepted {
        recorder::kept_text(&*engine.store, conversation, number, next, fence).await?
    } else {
        recorder::Kept::default()
    };
    if !kept.results.is_empty() {
        // The journal gets them only with the next step. A listener that has the step's text cannot go back.
        turn.record.results = kept.results;
    }
    let mut events = replay::events(&engine.team, &turn);
    events.extend(kept.text);
    bring_up(&log, &events);
    Ok(())
}

/// Appends the journal's events that the log does not have yet.
pub(super) fn bring_up(log: &TurnLog, events: &[Event]) {
    log.bring_up(|last| replay::events_after(events, last));
}
