//! What the endpoint of a client is told of the end of its turn: a status update of A2A 1.0 (sections 4.2.1 and 4.3.3 of its
//! specification). Ids, state and time, no words.

use serde::Serialize;

use crate::ids::{ConversationId, TurnNumber};
use crate::moment;
use crate::ports::Millis;
use crate::record::{Meta, TurnRecord, TurnState};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Push<'a> {
    status_update: StatusUpdate<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusUpdate<'a> {
    task_id: String,
    context_id: &'a ConversationId,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    state: &'static str,
    timestamp: String,
}

impl Meta {
    /// The body of the notice that this turn has ended. `self` as it is written with the end.
    pub(super) fn push(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
        record: &TurnRecord,
        now: Millis,
    ) -> String {
        let state = match record.state {
            TurnState::Accepted => "TASK_STATE_WORKING",
            TurnState::Committed if self.waits_for_customer(turn) => "TASK_STATE_INPUT_REQUIRED",
            TurnState::Committed => "TASK_STATE_COMPLETED",
            TurnState::Failed => "TASK_STATE_FAILED",
            TurnState::Stopped => "TASK_STATE_CANCELED",
        };
        let push = Push {
            status_update: StatusUpdate {
                task_id: format!("{conversation}.{turn}"),
                context_id: conversation,
                status: Status {
                    state,
                    timestamp: moment::written(record.ended_at.unwrap_or(now)),
                },
            },
        };
        // Strings, which serde_json can always write.
        serde_json::to_string(&push).unwrap_or_default()
    }
}
