//! Push notification configurations: the endpoint that a client brings for a task, to be told how it ends. One a task.
//!
//! Secrets go in and never come out: neither the token nor the credentials.

use axum::response::Response;
use baton_handoff::ports::{Authentication, ClientEndpoint};
use baton_handoff::{CannotPush, Conversation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{self, Fault, Refused};
use super::task::TaskId;
use super::{result, tasks};
use crate::faces::door::Knock;

/// A configuration as a client sends it. Some clients write what they leave open as an empty text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    task_id: Option<String>,
    id: Option<String>,
    url: String,
    token: Option<String>,
    authentication: Option<Scheme>,
}

#[derive(Deserialize)]
struct Scheme {
    scheme: String,
    credentials: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    task_id: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    task_id: String,
}

impl From<CannotPush> for Refused {
    fn from(error: CannotPush) -> Self {
        match error {
            CannotPush::NotTaken(sentence) => Fault::NoPush(sentence).into(),
            CannotPush::NotFound => Fault::TaskNotFound.into(),
            error @ (CannotPush::Bad(_) | CannotPush::Another(_)) => {
                Fault::Params(error.to_string()).into()
            }
            CannotPush::Store(error) => error.into(),
        }
    }
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

impl Config {
    /// The endpoint, which has the task's id as its name unless it has another.
    fn endpoint(&self, task: &str) -> ClientEndpoint {
        let authentication = self.authentication.as_ref();
        ClientEndpoint {
            id: filled(self.id.as_ref()).unwrap_or_else(|| task.to_owned()),
            url: self.url.clone(),
            token: filled(self.token.as_ref()),
            authentication: authentication.map(|authentication| Authentication {
                scheme: authentication.scheme.clone(),
                credentials: filled(authentication.credentials.as_ref()),
            }),
        }
    }

    /// Refuses a configuration that could not be taken, before the message that it comes with is.
    pub(super) fn check(&self, knock: &Knock) -> Result<(), Refused> {
        may_push(knock)?;
        Ok(knock.engine().check_push(&self.endpoint("task"))?)
    }

    /// Takes the configuration for this task.
    pub(super) async fn set(
        &self,
        conversation: &Conversation,
        task: &TaskId,
    ) -> Result<ClientEndpoint, Refused> {
        // By the conversation's own id, however the client spells it.
        let endpoint = self.endpoint(&format!("{}.{}", conversation.id(), task.turn));
        conversation.set_push(task.turn, &endpoint).await?;
        Ok(endpoint)
    }
}

fn may_push(knock: &Knock) -> Result<(), Refused> {
    let caller = knock.caller();
    let principal = caller.map(crate::auth::caller::Caller::principal);
    Ok(knock.engine().may_push(principal)?)
}

/// A configuration as a client may read it.
fn shown(task: &TaskId, endpoint: &ClientEndpoint) -> Value {
    let mut config = json!({ "taskId": task.written(), "id": endpoint.id, "url": endpoint.url });
    if let (Some(authentication), Some(config)) = (&endpoint.authentication, config.as_object_mut())
    {
        let scheme = json!({ "scheme": authentication.scheme });
        config.insert("authentication".to_owned(), scheme);
    }
    config
}

/// A call of one of the four methods.
pub(super) async fn call(
    knock: &Knock,
    method: &str,
    params: Value,
    id: &Value,
) -> Result<Response, Refused> {
    may_push(knock)?;
    let answer = match method {
        "CreateTaskPushNotificationConfig" => create(knock, &call::params(params)?).await?,
        "GetTaskPushNotificationConfig" => get(knock, &call::params(params)?).await?,
        "ListTaskPushNotificationConfigs" => list(knock, &call::params(params)?).await?,
        "DeleteTaskPushNotificationConfig" => delete(knock, &call::params(params)?).await?,
        _ => return Err(Fault::Method.into()),
    };
    Ok(result(id, &answer))
}

async fn create(knock: &Knock, config: &Config) -> Result<Value, Refused> {
    // It may have this server call an address.
    knock.count()?;
    let named = config.task_id.as_deref();
    let missing = || Fault::Params("params.taskId is missing".to_owned());
    let (task, conversation) = enter(knock, named.ok_or_else(missing)?)?;
    let endpoint = config.set(&conversation, &task).await?;
    Ok(shown(&task, &endpoint))
}

async fn get(knock: &Knock, named: &Named) -> Result<Value, Refused> {
    let (task, conversation) = enter(knock, &named.task_id)?;
    let endpoint = conversation.push(task.turn).await?;
    let endpoint = endpoint.filter(|endpoint| endpoint.id == named.id);
    Ok(shown(&task, &endpoint.ok_or(Fault::TaskNotFound)?))
}

async fn list(knock: &Knock, listed: &Listed) -> Result<Value, Refused> {
    let (task, conversation) = enter(knock, &listed.task_id)?;
    let endpoint = conversation.push(task.turn).await?;
    let endpoint = endpoint.map(|endpoint| shown(&task, &endpoint));
    let configs: Vec<_> = endpoint.into_iter().collect();
    Ok(json!({ "configs": configs, "nextPageToken": "" }))
}

async fn delete(knock: &Knock, named: &Named) -> Result<Value, Refused> {
    let (task, conversation) = enter(knock, &named.task_id)?;
    conversation.remove_push(task.turn, &named.id).await?;
    Ok(json!({}))
}

fn enter(knock: &Knock, task: &str) -> Result<(TaskId, Conversation), Refused> {
    let task = TaskId::parse(task)?;
    let conversation = tasks::enter(knock, &task.conversation)?;
    Ok((task, conversation))
}
