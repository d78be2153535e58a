//! Messages to the agents: what is said, and the customer's answer to a card.

use axum::response::Response;
use baton_handoff::CannotConfirm;
use baton_handoff::ids::{ActionId, ConversationId, MessageId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Fault, Refused};
use super::encoder::TaskStream;
use super::push::Config;
use super::task::{Artifact, TaskId, said};
use super::{result, tasks};
use crate::edge::deadline::answer_end;
use crate::faces::door::{Id, Knock, Words};
use crate::faces::whole;
use crate::routes::answers::{begun_by, stream_response};
use crate::stream::late;

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

#[derive(Deserialize)]
pub(super) struct Sent {
    message: Message,
    #[serde(default)]
    configuration: Configuration,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    return_immediately: bool,
    history_length: Option<u32>,
    task_push_notification_config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    context_id: Option<ConversationId>,
    task_id: Option<String>,
    parts: Vec<Part>,
}

/// A part without text or data is a file, which is not read.
#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    data: Option<Value>,
}

/// The customer's answer to a card, as the data of a part.
#[derive(Deserialize)]
struct Confirmed {
    action: ActionId,
    arguments_hash: String,
    yes: bool,
}

impl Message {
    fn text(&self) -> Option<String> {
        let texts = self.parts.iter().filter_map(|part| part.text.as_deref());
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// None if no part speaks of a card.
    fn confirmed(&self) -> Result<Option<Confirmed>, Fault> {
        let mut data = self.parts.iter().filter_map(|part| part.data.as_ref());
        let Some(confirm) = data.find_map(|data| data.get("confirm")) else {
            return Ok(None);
        };
        Confirmed::deserialize(confirm)
            .map(Some)
            .map_err(|error| Fault::Params(format!("the data of a part: confirm: {error}")))
    }
}

/// Says something, and answers with the task, or streams it.
pub(super) async fn send(
    knock: Knock,
    sent: Sent,
    id: Value,
    streams: bool,
) -> Result<Response, Refused> {
    knock.count()?;
    let Sent {
        message,
        configuration,
    } = sent;
    let push = configuration.task_push_notification_config.as_ref();
    if let Some(push) = push {
        push.check(&knock)?;
    }
    let named = message.task_id.as_deref().map(TaskId::parse).transpose()?;
    if let Some(confirmed) = message.confirmed()? {
        let task = named.ok_or_else(|| {
            Fault::Params("params.message.taskId is missing: which task asked?".to_owned())
        })?;
        if push.is_some() {
            let detail = "the task is there already: use CreateTaskPushNotificationConfig";
            return Err(Fault::Unsupported(detail).into());
        }
        return confirm(knock, task, &confirmed, id, streams).await;
    }
    let mut context = message.context_id.clone();
    if let Some(task) = named {
        tasks::must_wait(&knock, &task).await?;
        if context
            .as_ref()
            .is_some_and(|context| *context != task.conversation)
        {
            let detail = "params.message.contextId is not that of the task";
            return Err(Fault::Params(detail.to_owned()).into());
        }
        context = Some(task.conversation);
    }
    let text = message.text().ok_or(Fault::ContentType)?;
    let message_id = MessageId::parse(&message.id)
        .map_err(|error| Fault::Params(format!("params.message.messageId {error}")))?;
    let background = configuration.return_immediately && !streams;
    let words = Words {
        background,
        ..Words::new(context, text, Id::Given(message_id))
    };
    let answer = knock.say(words).await?;
    let task = TaskId {
        conversation: answer.conversation().id().clone(),
        turn: answer.turn(),
    };
    if let Some(push) = push {
        push.set(answer.conversation(), &task).await?;
    }
    if streams {
        let (encoder, opening) = TaskStream::of(task, Artifact::Answer, id);
        let response = answer.stream(Box::new(encoder), MEDIA_TYPE);
        return Ok(begun_by(opening, response));
    }
    let shown = if background {
        task.in_state(&json!({ "state": "TASK_STATE_SUBMITTED" }))
    } else {
        let turn = answer.whole().await;
        let open = tasks::open(answer.conversation(), &task, &turn).await?;
        let at = tasks::status_at(answer.conversation(), &task, &turn).await?;
        task.task(&turn, &open, configuration.history_length != Some(0), at)
    };
    let response = result(&id, &json!({ "task": shown }));
    Ok(answer.respond(response))
}

/// Answers a card. The task goes on with what comes of it, if that comes soon.
async fn confirm(
    knock: Knock,
    task: TaskId,
    confirmed: &Confirmed,
    id: Value,
    streams: bool,
) -> Result<Response, Refused> {
    let engine = knock.engine();
    let conversation = tasks::enter(&knock, &task.conversation)?;
    let answer = conversation.confirm(&confirmed.action, &confirmed.arguments_hash, confirmed.yes);
    match answer.await {
        Ok(()) => {}
        Err(CannotConfirm::NotFound) => {
            return Err(Fault::Params("there is no such card".to_owned()).into());
        }
        Err(CannotConfirm::Stale(stale)) => {
            return Err(Fault::Params(stale.to_string()).into());
        }
        Err(CannotConfirm::Store(error)) => return Err(error.into()),
    }
    let entered = knock.enter(&task.conversation)?;
    let response = if streams {
        let turn = task.turn;
        let (encoder, opening) = TaskStream::of(task, Artifact::Result, id);
        let body = late::results(engine, conversation, turn, Box::new(encoder));
        begun_by(opening, stream_response(body, MEDIA_TYPE))
    } else {
        let mut shown = tasks::shown(&conversation, &task, true).await?;
        let until = late::patience().min(answer_end());
        if let Some(log) = late::find(&engine, &conversation, task.turn, until).await?
            && let Some(said) = said(&whole::read(&log).await)
            && let Some(fields) = shown.as_object_mut()
        {
            let artifacts = fields.entry("artifacts").or_insert_with(|| json!([]));
            if let Some(artifacts) = artifacts.as_array_mut() {
                artifacts.push(Artifact::Result.saying(&said));
            }
        }
        result(&id, &json!({ "task": shown }))
    };
    Ok(entered.respond(response))
}
