//! What Baton tells beside a completion, as the field `baton` of a chunk or of the whole: clients pass it through or ignore it.

use baton_handoff::event::EventKind;
use serde_json::{Value, json};

/// An event as such a value; none of those that have a form in the protocol.
pub(super) fn extension(kind: &EventKind) -> Option<Value> {
    Some(match kind {
        EventKind::HandedOff(event) => {
            json!({ "type": "handoff", "from": event.from, "to": event.to })
        }
        EventKind::ToolCalled(event) => {
            json!({ "type": "tool", "call": event.call, "name": event.name, "arguments": event.arguments })
        }
        EventKind::ToolFinished(event) => {
            json!({
                "type": "tool_result",
                "call": event.call,
                "name": event.name,
                "outcome": event.outcome.as_str(),
                "result": event.result,
            })
        }
        EventKind::ActionQueued(event) => {
            json!({
                "type": "action",
                "action": event.action,
                "call": event.call,
                "name": event.name,
                "state": event.state.as_str(),
            })
        }
        EventKind::ActionFinished(event) => {
            json!({
                "type": "action",
                "action": event.action,
                "name": event.name,
                "state": event.state.as_str(),
                "result": event.result,
            })
        }
        EventKind::ConfirmationAsked(event) => {
            json!({
                "type": "confirm",
                "action": event.action,
                "name": event.name,
                "title": event.title,
                "arguments_hash": event.arguments_hash,
                "expires_at": event.expires_at,
            })
        }
        EventKind::Reset { step } => json!({ "type": "reset", "step": step }),
        EventKind::TurnStarted(_)
        | EventKind::TextDelta(_)
        | EventKind::ClientCalled(_)
        | EventKind::Usage(_)
        | EventKind::TurnCompleted
        | EventKind::TurnFailed(_)
        | EventKind::TurnStopped
        | EventKind::TurnContinues => return None,
    })
}
