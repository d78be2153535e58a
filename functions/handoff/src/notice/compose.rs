//! What a notice says, and its records. Knows records; never an endpoint's address.

use serde::Serialize;
use serde_json::Value;

use crate::engine::Engine;
use crate::failure::FailureCode;
use crate::ids::{ActionId, ConversationId, MessageId, TurnNumber};
use crate::moment;
use crate::ports::{Change, Millis};
use crate::record::notice::{CLIENTS, NoticeRecord, notice};
use crate::record::{ActionRecord, Decision, Meta, RESEND, TurnRecord, size};
use crate::team::{NoticeKind, Webhook};

use super::receiver::Standing;

/// What a message and an answer may take, stored, in bytes: a commit holds one notice for each endpoint.
const LONGEST_TEXT: usize = 64 * 1024;

/// Something that endpoints may be told.
pub(crate) enum Told<'a> {
    /// A turn has ended, with this answer.
    Ended(TurnNumber, &'a TurnRecord, &'a str),
    /// An operator has decided on an action, or nobody has in time.
    Decided(&'a ActionRecord),
    /// An action waits for an operator.
    Waits(&'a ActionRecord),
}

/// The payload of Standard Webhooks 1.0: type, time and data.
#[derive(Serialize)]
struct Payload<'a> {
    r#type: NoticeKind,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    tenant: &'a str,
    conversation: &'a ConversationId,
    turn: TurnNumber,
    state: &'static str,
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About<'a> {
    Turn {
        agent: &'a str,
        origin: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    Action {
        action: &'a ActionId,
        tool: &'a str,
        agent: &'a str,
        amount_cents: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        decision: Option<Decision>,
        #[serde(skip_serializing_if = "Option::is_none")]
        decided_by: Option<&'a str>,
        approvals: usize,
        approvals_needed: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a str>,
    },
}

impl Told<'_> {
    fn kind(&self) -> NoticeKind {
        match self {
            Self::Ended(..) => NoticeKind::TurnCompleted,
            Self::Decided(_) => NoticeKind::ActionDecided,
            Self::Waits(_) => NoticeKind::ApprovalNeeded,
        }
    }

    fn turn(&self) -> TurnNumber {
        match self {
            Self::Ended(turn, ..) => *turn,
            Self::Decided(action) | Self::Waits(action) => action.id.turn,
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Self::Ended(_, turn, _) => turn.state.as_str(),
            Self::Decided(action) | Self::Waits(action) => action.state.as_str(),
        }
    }
}

impl Engine {
    /// The records that tell endpoints this, for a commit that writes this META.
    pub(crate) fn notices(
        &self,
        meta: &mut Meta,
        conversation: &ConversationId,
        told: &Told<'_>,
    ) -> Vec<Change> {
        let now = self.env.now();
        let mut bodies: Vec<_> = self
            .told_of(told.kind())
            .map(|standing| {
                let body = match standing {
                    Standing::Endpoint(webhook) => {
                        self.body(meta, conversation, told, webhook, now)
                    }
                    Standing::Traces(_) => String::new(),
                };
                (standing.name(), body)
            })
            .collect();
        if let Told::Ended(turn, record, _) = told
            && meta.pushes.contains(turn)
        {
            bodies.push((CLIENTS, meta.push(conversation, *turn, record, now)));
        }
        if bodies.is_empty() {
            return Vec::new();
        }
        records(meta, conversation, told.turn(), bodies, now)
    }

    /// The record that tells the endpoint of a client how this turn has ended.
    pub(crate) fn push(
        &self,
        meta: &mut Meta,
        conversation: &ConversationId,
        turn: TurnNumber,
        record: &TurnRecord,
    ) -> Vec<Change> {
        let now = self.env.now();
        let body = meta.push(conversation, turn, record, now);
        records(meta, conversation, turn, vec![(CLIENTS, body)], now)
    }

    fn body(
        &self,
        meta: &Meta,
        conversation: &ConversationId,
        told: &Told<'_>,
        webhook: &Webhook,
        now: Millis,
    ) -> String {
        let texts = webhook.texts;
        let text = |text: &str| texts.then(|| size::shorten(text, LONGEST_TEXT));
        let about = match told {
            Told::Ended(_, turn, answer) => About::Turn {
                agent: &meta.agent,
                origin: turn.origin.as_str(),
                message_id: turn.message_id.as_ref().map(MessageId::as_str),
                failure: turn.failure.map(FailureCode::as_str),
                message: text(&turn.message),
                answer: text(answer),
            },
            Told::Decided(action) | Told::Waits(action) => {
                let decided = action.decided.as_ref();
                let decided = decided.filter(|_| matches!(told, Told::Decided(_)));
                let arguments = serde_json::from_str(&action.arguments).unwrap_or_default();
                About::Action {
                    action: &action.id,
                    tool: &action.tool,
                    agent: &action.agent,
                    amount_cents: action.amount_cents,
                    decision: decided.map(|decided| decided.decision),
                    decided_by: decided.map(|decided| decided.by.as_str()),
                    approvals: action.approvals.len(),
                    approvals_needed: self.approvals_needed(action),
                    arguments: texts.then_some(arguments),
                    result: action.result.as_deref().filter(|_| texts),
                }
            }
        };
        let payload = Payload {
            r#type: told.kind(),
            timestamp: moment::written(now),
            data: Data {
                tenant: meta.owner.tenant(),
                conversation,
                turn: told.turn(),
                state: told.state(),
                about,
            },
        };
        // Strings and numbers, which serde_json can always write.
        serde_json::to_string(&payload).unwrap_or_default()
    }
}

/// The records of what these endpoints are told, under the next number of the conversation.
fn records(
    meta: &mut Meta,
    conversation: &ConversationId,
    turn: TurnNumber,
    bodies: Vec<(&str, String)>,
    now: Millis,
) -> Vec<Change> {
    meta.notices += 1;
    let changes = bodies.into_iter().map(|(endpoint, body)| {
        let record = NoticeRecord {
            owner: meta.owner.clone(),
            turn,
            body,
            created_at: now,
            due_at: Some(now + RESEND),
            attempts: 0,
            holder: String::new(),
        };
        let key = notice(endpoint, conversation, meta.notices);
        Change::Create(key, record.record())
    });
    changes.collect()
}
