//! The tool `chat`: says something, and answers with the turn as a whole. Hand-offs and tools are told as progress meanwhile. A client
//! that goes away ends its request only; the turn goes on, and the same message id finds it.

use std::sync::Arc;

use baton_handoff::Seen;
use baton_handoff::event::EventKind;
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject,
    ProgressNotificationParam, ProgressToken, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep_until;

use super::cards;
use super::server::Server;
use crate::edge::error::ApiError;
use crate::faces::door::{Answer, Id, Knock, Words};
use crate::faces::whole::{self, End, WholeTurn};

pub(super) const NAME: &str = "chat";

#[derive(Deserialize)]
struct Said {
    message: String,
    conversation_id: Option<ConversationId>,
    message_id: Option<MessageId>,
}

pub(super) fn tool() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "message": {
                "type": "string",
                "minLength": 1,
                "description": "What to say, in the customer's own words.",
            },
            "conversation_id": {
                "type": "string",
                "description": "The conversation to go on with, as an earlier result named it. Without one a new conversation begins, in which the first answer looks things up and places no order.",
            },
            "message_id": {
                "type": "string",
                "description": "Your name for this message. Sent again with the same name it is answered once.",
            },
        },
        "required": ["message"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "conversation_id": { "type": "string" },
            "turn": { "type": "integer" },
            "message_id": { "type": "string" },
            "status": { "type": "string", "enum": ["completed", "stopped", "failed", "running"] },
            "agent": { "type": "string" },
            "text": { "type": "string" },
        },
        "required": ["conversation_id", "turn", "status", "text"],
    });
    Tool::new(
        NAME,
        "Says something to the company's support team, and answers with what the team says.",
        object(input),
    )
    .with_raw_output_schema(object(output))
    .with_annotations(ToolAnnotations::with_title("Chat with support").open_world(false))
}

fn object(schema: Value) -> Arc<JsonObject> {
    Arc::new(serde_json::from_value(schema).unwrap_or_default())
}

/// Mistakes are results too: a model reads them, and does better.
pub(super) async fn chat(
    server: &Server,
    parts: Parts,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> CallToolResponse {
    let answered = if let (Some(state), Some(responses)) =
        (&request.request_state, &request.input_responses)
    {
        let answered = cards::answer(server, parts, state, responses).await;
        answered.map(CallToolResponse::Complete)
    } else {
        said(server, parts, request.arguments, context).await
    };
    answered.unwrap_or_else(|error| refusal(&error.refused().detail).into())
}

async fn said(
    server: &Server,
    parts: Parts,
    arguments: Option<JsonObject>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ApiError> {
    let said = serde_json::from_value::<Said>(Value::Object(arguments.unwrap_or_default()));
    let said = said.map_err(|error| {
        ApiError::bad_request(format!("The arguments are not usable: {error}."))
    })?;
    let message_id = said.message_id.clone();
    let answer = say(server, parts, said).await?;
    follow(server, &answer, context).await;
    let turn = whole::so_far(answer.log());
    let conversation = answer.conversation();
    if turn.end() == End::Completed
        && cards::can_ask(context)
        && let Some(asked) = cards::ask(conversation, &turn).await?
    {
        return Ok(asked.into());
    }
    let result = result(conversation.id(), answer.turn(), &turn, message_id.as_ref());
    Ok(result.into())
}

async fn say(server: &Server, parts: Parts, said: Said) -> Result<Answer, ApiError> {
    let knock = Knock::at(server.app.clone(), server.places.clone(), parts).await?;
    let id = said.message_id.map_or(Id::None, Id::Given);
    // Nothing tells a repeat of a first message from a second one.
    let lookups_only = said.conversation_id.is_none();
    knock
        .say(Words {
            lookups_only,
            ..Words::new(said.conversation_id, said.message, id)
        })
        .await
}

/// Tells of hand-offs and tools until the turn is over, its time is, or the client is gone.
async fn follow(server: &Server, answer: &Answer, context: &RequestContext<RoleServer>) {
    let token = context.meta.get_progress_token();
    let log = answer.log();
    let (mut seen, mut told) = (Seen::default(), 0_u32);
    loop {
        let (steps, now, has_ended) = log.read_now(seen, |unread| {
            let mut steps = Vec::new();
            unread.for_each(|event| steps.extend(step(&event.kind)));
            steps
        });
        seen = now;
        if let Some(token) = &token {
            for step in steps {
                told += 1;
                tell(context, token, told, step).await;
            }
        }
        if has_ended {
            return;
        }
        tokio::select! {
            () = log.news(seen) => {}
            () = sleep_until(server.until) => return,
            () = context.ct.cancelled() => return,
        }
    }
}

fn step(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::HandedOff(hand_off) => Some(format!("{} takes over.", hand_off.to)),
        EventKind::ToolCalled(call) => Some(format!("{} is called.", call.name)),
        EventKind::ActionQueued(action) => {
            Some(format!("{} is {}.", action.name, action.state.as_str()))
        }
        EventKind::ActionFinished(action) => {
            Some(format!("{} is {}.", action.name, action.state.as_str()))
        }
        EventKind::TurnStarted(_)
        | EventKind::TextDelta(_)
        | EventKind::ToolFinished(_)
        | EventKind::ConfirmationAsked(_)
        | EventKind::ClientCalled(_)
        | EventKind::Usage(_)
        | EventKind::Reset { .. }
        | EventKind::TurnCompleted
        | EventKind::TurnFailed(_)
        | EventKind::TurnStopped
        | EventKind::TurnContinues => None,
    }
}

async fn tell(
    context: &RequestContext<RoleServer>,
    token: &ProgressToken,
    number: u32,
    step: String,
) {
    let progress = ProgressNotificationParam::new(token.clone(), f64::from(number));
    // A client that is gone is told nothing.
    let _gone = context
        .peer
        .notify_progress(progress.with_message(step))
        .await;
}

/// A turn as the result of a call.
pub(super) fn result(
    conversation: &ConversationId,
    number: TurnNumber,
    turn: &WholeTurn,
    message_id: Option<&MessageId>,
) -> CallToolResult {
    let (status, text, is_error) = match turn.end() {
        End::Completed => ("completed", turn.text(), false),
        End::Stopped => ("stopped", turn.text(), false),
        End::Failed(code) => (
            "failed",
            format!("{}\n{}", turn.text(), code.sentence())
                .trim_start()
                .to_owned(),
            true,
        ),
        End::Continues => ("running", running(message_id), true),
    };
    let agent = turn
        .events
        .iter()
        .rev()
        .map(|event| &*event.agent)
        .find(|agent| !agent.is_empty());
    let content = [Some(text.clone()), confirmations(turn)];
    let content = content
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty());
    let content: Vec<_> = content.map(ContentBlock::text).collect();
    let mut result = if is_error {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    let told = Told {
        conversation_id: conversation,
        turn: number,
        message_id,
        status,
        agent,
        text: &text,
    };
    result.structured_content = serde_json::to_value(told).ok();
    result
}

/// The result for programs, as `tool` describes it.
#[derive(Serialize)]
struct Told<'a> {
    conversation_id: &'a ConversationId,
    turn: TurnNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a MessageId>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    text: &'a str,
}

fn running(message_id: Option<&MessageId>) -> String {
    let again = match message_id {
        Some(_) => "Say the same again with the same conversation_id and message_id to read it",
        None => "Read the conversation as a resource later",
    };
    format!(
        "The answer is not ready yet. {again}; with a message_id a message is answered once, however often it is sent."
    )
}

/// What the customer is asked to confirm, for a client that cannot ask.
fn confirmations(turn: &WholeTurn) -> Option<String> {
    let cards = turn.cards().into_iter();
    let asked = cards.map(|asked| format!("The customer must confirm: {}", asked.title));
    let asked: Vec<_> = asked.collect();
    (!asked.is_empty()).then(|| asked.join("\n"))
}

fn refusal(sentence: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(sentence)])
}
