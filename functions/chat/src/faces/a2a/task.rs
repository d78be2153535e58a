//! A turn as a task: its id, and its state as its events tell it.

use baton_handoff::event::{ClientCalled, ConfirmationAsked, EventKind, TurnStarted};
use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::moment;
use baton_handoff::ports::Millis;
use serde_json::{Value, json};

use super::call::Fault;
use crate::faces::CONTINUES;
use crate::faces::whole::{End, WholeTurn};

/// What the agents said, as an artifact of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Artifact {
    /// In the turn itself.
    Answer,
    /// In the turn that came of the customer's yes.
    Result,
}

/// What a task may wait for.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Cards that the customer may answer.
    pub(super) cards: Vec<ConfirmationAsked>,
    /// Calls that another client executes: one that brought tools, by another protocol.
    pub(super) calls: Vec<ClientCalled>,
}

impl Open {
    /// Everything that a turn asked for.
    pub(super) fn of(turn: &WholeTurn) -> Self {
        let calls = turn.events.iter().filter_map(|event| {
            if let EventKind::ClientCalled(call) = &event.kind {
                Some((**call).clone())
            } else {
                None
            }
        });
        Self {
            cards: turn.cards().into_iter().cloned().collect(),
            calls: calls.collect(),
        }
    }

    /// A card takes the place of an earlier one of the same tool.
    pub(super) fn ask(&mut self, asked: &ConfirmationAsked) {
        self.cards.retain(|card| card.name != asked.name);
        self.cards.push(asked.clone());
    }

    pub(super) fn retain_cards(&mut self, open: &[ActionId]) {
        self.cards.retain(|card| open.contains(&card.action));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cards.is_empty() && self.calls.is_empty()
    }

    fn parts(&self) -> Value {
        let cards = self.cards.iter().flat_map(|asked| {
            // JSON, written by us.
            let fields: Value = serde_json::from_str(&asked.shown).unwrap_or_default();
            let card = json!({ "confirm": {
                "action": asked.action, "tool": asked.name, "fields": fields,
                "arguments_hash": asked.arguments_hash, "expires_at": asked.expires_at,
            } });
            [json!({ "text": asked.title }), json!({ "data": card })]
        });
        let calls = self.calls.iter().map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            let call = json!({ "call": call.call, "tool": call.name, "arguments": arguments });
            json!({ "data": { "client_call": call } })
        });
        cards.chain(calls).collect()
    }
}

/// A task's id: `CONVERSATION.TURN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) conversation: ConversationId,
    pub(super) turn: TurnNumber,
}

impl TaskId {
    pub(super) fn parse(raw: &str) -> Result<Self, Fault> {
        let (conversation, turn) = raw.rsplit_once('.').ok_or(Fault::TaskNotFound)?;
        Ok(Self {
            conversation: ConversationId::parse(conversation).map_err(|_| Fault::TaskNotFound)?,
            turn: turn.parse().map_err(|_| Fault::TaskNotFound)?,
        })
    }

    pub(super) fn written(&self) -> String {
        format!("{}.{}", self.conversation, self.turn)
    }

    /// A task in this state, without anything else.
    pub(super) fn in_state(&self, status: &Value) -> Value {
        json!({ "id": self.written(), "contextId": self.conversation, "status": status })
    }

    pub(super) fn status_update(&self, status: &Value, metadata: Option<Value>) -> Value {
        let mut update =
            json!({ "taskId": self.written(), "contextId": self.conversation, "status": status });
        if let (Some(metadata), Some(update)) = (metadata, update.as_object_mut()) {
            update.insert("metadata".to_owned(), metadata);
        }
        json!({ "statusUpdate": update })
    }

    pub(super) fn artifact_update(
        &self,
        artifact: Artifact,
        text: &str,
        append: bool,
        is_last: bool,
    ) -> Value {
        json!({ "artifactUpdate": {
            "taskId": self.written(), "contextId": self.conversation,
            "artifact": artifact.saying(text), "append": append, "lastChunk": is_last,
        } })
    }

    fn message(&self, parts: &Value) -> Value {
        json!({
            "messageId": format!("{}.status", self.written()), "role": "ROLE_AGENT",
            "taskId": self.written(), "contextId": self.conversation, "parts": parts,
        })
    }

    /// The status of a turn that ended like this and waits for `open`.
    pub(super) fn status(&self, end: End, open: &Open) -> Value {
        let says = |sentence: &str| self.message(&json!([{ "text": sentence }]));
        match end {
            End::Completed if open.is_empty() => json!({ "state": "TASK_STATE_COMPLETED" }),
            End::Completed => json!({
                "state": "TASK_STATE_INPUT_REQUIRED", "message": self.message(&open.parts()),
            }),
            End::Failed(code) => {
                json!({ "state": "TASK_STATE_FAILED", "message": says(code.sentence()) })
            }
            End::Stopped => json!({ "state": "TASK_STATE_CANCELED" }),
            End::Continues => json!({ "state": "TASK_STATE_WORKING", "message": says(CONTINUES) }),
        }
    }

    /// The whole task, whose status is of this moment.
    pub(super) fn task(
        &self,
        turn: &WholeTurn,
        open: &Open,
        history: bool,
        at: Option<Millis>,
    ) -> Value {
        let mut status = self.status(turn.end(), open);
        if let (Some(at), Some(status)) = (at, status.as_object_mut()) {
            status.insert("timestamp".to_owned(), json!(moment::written(at)));
        }
        let mut task = self.in_state(&status);
        let Some(fields) = task.as_object_mut() else {
            return task;
        };
        if let Some(said) = said(turn) {
            fields.insert(
                "artifacts".to_owned(),
                json!([Artifact::Answer.saying(&said)]),
            );
        }
        let started = started(turn);
        if let Some(started) = started.filter(|started| history && !started.message.is_empty()) {
            let id = started.message_id.as_ref();
            let id = id.map_or_else(
                || format!("{}.message", self.written()),
                ToString::to_string,
            );
            let said = json!([{
                "messageId": id, "role": "ROLE_USER", "taskId": self.written(), "contextId": self.conversation,
                "parts": [{ "text": started.message }],
            }]);
            fields.insert("history".to_owned(), said);
        }
        task
    }
}

impl Artifact {
    pub(super) fn saying(self, text: &str) -> Value {
        let id = match self {
            Self::Answer => "answer",
            Self::Result => "result",
        };
        json!({ "artifactId": id, "parts": [{ "text": text }] })
    }
}

/// How a turn began.
pub(super) fn started(turn: &WholeTurn) -> Option<&TurnStarted> {
    turn.events.iter().find_map(|event| {
        if let EventKind::TurnStarted(started) = &event.kind {
            Some(&**started)
        } else {
            None
        }
    })
}

/// The text of a turn, without its cards, which stand in the status.
pub(super) fn said(turn: &WholeTurn) -> Option<String> {
    let texts = turn.events.iter().filter_map(|event| {
        if let EventKind::TextDelta(text) = &event.kind {
            Some(text.as_str())
        } else {
            None
        }
    });
    let said: String = texts.collect();
    (!said.is_empty()).then_some(said)
}
