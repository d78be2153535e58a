//! Tasks that are there: read, listed, cancelled, subscribed to.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::Millis;
use baton_handoff::{Conversation, Followed, StopError, TurnLog, moment};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::call::{Fault, Refused};
use super::encoder::TaskStream;
use super::result;
use super::send::MEDIA_TYPE;
use super::task::{Artifact, Open, TaskId, started};
use crate::faces::door::Knock;
use crate::faces::whole::{self, End, WholeTurn};
use crate::routes::answers::{begun_by, stream_response};
use crate::stream::listener;

/// The tasks of a page, where the client does not say.
const PAGE: usize = 50;

/// The most of a page.
const LARGEST_PAGE: usize = 100;

/// Turns that are looked at for a page: few of many may be what is asked for.
const LOOKS: usize = 200;

/// A page ends before that where its tasks have so many bytes of JSON, about.
const BYTES: usize = 256 * 1024;

/// How long the end of a cancelled task is waited for, so that the answer shows it.
const CANCELLING: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    id: String,
    history_length: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    context_id: Option<ConversationId>,
    page_size: Option<usize>,
    #[serde(default)]
    page_token: String,
    #[serde(default)]
    include_artifacts: bool,
    history_length: Option<u32>,
    status: Option<String>,
    status_timestamp_after: Option<String>,
}

/// The conversation, for its owner. A stranger has none.
pub(super) fn enter(knock: &Knock, name: &ConversationId) -> Result<Conversation, Refused> {
    knock.look(name)?.ok_or_else(|| Fault::TaskNotFound.into())
}

async fn log(conversation: &Conversation, turn: TurnNumber) -> Result<Arc<TurnLog>, Refused> {
    match conversation.follow(turn, None).await? {
        Followed::Log(log) => Ok(log),
        // Behind no position something is left of every turn.
        Followed::NothingLeft(_) | Followed::NoSuchTurn => Err(Fault::TaskNotFound.into()),
    }
}

/// What this turn waits for now.
pub(super) async fn open(
    conversation: &Conversation,
    task: &TaskId,
    turn: &WholeTurn,
) -> Result<Open, Refused> {
    let mut open = Open::of(turn);
    if !open.cards.is_empty() {
        open.retain_cards(&conversation.open_cards().await?);
    }
    if !open.calls.is_empty() {
        // A later turn has answered or closed them.
        let pulse = conversation.pulse().await?;
        if pulse.is_some_and(|pulse| pulse.next_turn > task.turn.saturating_add(1)) {
            open.calls.clear();
        }
    }
    Ok(open)
}

/// The task as it is now.
pub(super) async fn shown(
    conversation: &Conversation,
    task: &TaskId,
    history: bool,
) -> Result<Value, Refused> {
    let turn = whole::so_far(&*log(conversation, task.turn).await?);
    let open = open(conversation, task, &turn).await?;
    let at = status_at(conversation, task, &turn).await?;
    Ok(task.task(&turn, &open, history, at))
}

/// Since when the task has its status: its end, or else its begin.
pub(super) async fn status_at(
    conversation: &Conversation,
    task: &TaskId,
    turn: &WholeTurn,
) -> Result<Option<Millis>, Refused> {
    if turn.end() == End::Continues {
        return Ok(started(turn).map(|started| started.accepted_at));
    }
    Ok(conversation.ended_at(task.turn).await?)
}

/// A message may name a task only while it waits for one.
pub(super) async fn must_wait(knock: &Knock, task: &TaskId) -> Result<(), Refused> {
    let conversation = enter(knock, &task.conversation)?;
    let turn = whole::so_far(&*log(&conversation, task.turn).await?);
    let waits = turn.end() == End::Completed && !open(&conversation, task, &turn).await?.is_empty();
    if waits {
        Ok(())
    } else {
        let sentence = "the task waits for nothing: say it in its context, without a taskId";
        Err(Fault::Unsupported(sentence).into())
    }
}

pub(super) async fn get(knock: &Knock, named: &Named, id: &Value) -> Result<Response, Refused> {
    let task = TaskId::parse(&named.id)?;
    let conversation = enter(knock, &task.conversation)?;
    let shown = shown(&conversation, &task, named.history_length != Some(0)).await?;
    Ok(result(id, &shown))
}

pub(super) async fn cancel(knock: &Knock, named: &Named, id: &Value) -> Result<Response, Refused> {
    let task = TaskId::parse(&named.id)?;
    let conversation = enter(knock, &task.conversation)?;
    let log = log(&conversation, task.turn).await?;
    if whole::so_far(&log).end() != End::Continues {
        return Err(Fault::NotCancelable.into());
    }
    match conversation.stop(task.turn).await {
        Ok(()) => {}
        Err(StopError::NotFound) => return Err(Fault::TaskNotFound.into()),
        Err(StopError::Store(error)) => return Err(error.into()),
    }
    // If it lasts, the answer says that it works still.
    let _late = timeout(CANCELLING, log.ended()).await;
    let shown = shown(&conversation, &task, named.history_length != Some(0)).await?;
    Ok(result(id, &shown))
}

pub(super) async fn subscribe(knock: Knock, named: &Named, id: Value) -> Result<Response, Refused> {
    let task = TaskId::parse(&named.id)?;
    let conversation = enter(&knock, &task.conversation)?;
    let log = log(&conversation, task.turn).await?;
    if whole::so_far(&log).end() != End::Continues {
        return Err(Fault::Unsupported("the task is over: read it with GetTask").into());
    }
    let entered = knock.enter(&task.conversation)?;
    let turn = task.turn;
    // What was missed comes again: the first part of the artifact replaces what the client has.
    let (encoder, opening) = TaskStream::of(task, Artifact::Answer, id);
    let body = listener::turn(log, turn, Box::new(encoder), None);
    let response = begun_by(opening, stream_response(body, MEDIA_TYPE));
    Ok(entered.respond(response))
}

/// Where a list goes on: below this turn of the conversation that stands behind this place in the list of conversations.
#[derive(Default)]
struct Place {
    before: Option<TurnNumber>,
    after: Option<String>,
    /// How many tasks there were when the list began: counting the tasks of many conversations again for each page is too much.
    total: Option<u64>,
}

impl Place {
    fn parse(token: &str) -> Result<Self, Fault> {
        let bad = || Fault::Params("params.pageToken is none of ours".to_owned());
        if token.is_empty() {
            return Ok(Self::default());
        }
        let (before, rest) = token.split_once('~').ok_or_else(bad)?;
        let (total, after) = rest.split_once('~').ok_or_else(bad)?;
        let before = match before {
            "" => None,
            turn => Some(turn.parse().map_err(|_| bad())?),
        };
        let total = match total {
            "" => None,
            total => Some(total.parse().map_err(|_| bad())?),
        };
        Ok(Self {
            before,
            after: (!after.is_empty()).then(|| after.to_owned()),
            total,
        })
    }

    fn is_begin(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    fn written(&self) -> String {
        let before = self.before.map(|turn| turn.to_string()).unwrap_or_default();
        let total = self
            .total
            .map(|total| total.to_string())
            .unwrap_or_default();
        format!(
            "{before}~{total}~{}",
            self.after.as_deref().unwrap_or_default()
        )
    }
}

/// Tasks, the newest first: of one context, or of all that are the caller's.
pub(super) async fn list(knock: &Knock, wanted: Wanted, id: &Value) -> Result<Response, Refused> {
    let since = wanted.status_timestamp_after.as_deref().map(|since| {
        moment::parse(since).ok_or_else(|| {
            let detail = "params.statusTimestampAfter is a time such as 2026-01-31T10:00:00Z";
            Fault::Params(detail.to_owned())
        })
    });
    let since = since.transpose()?;
    let size = wanted.page_size.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&size) {
        return Err(Fault::Params(format!("params.pageSize is 1 to {LARGEST_PAGE}")).into());
    }
    let place = Place::parse(&wanted.page_token)?;
    let is_begin = place.is_begin();
    let mut page = Page {
        wanted: &wanted,
        since,
        size,
        tasks: Vec::new(),
        looks: 0,
        bytes: 0,
    };
    let (total, next) = if let Some(context) = &wanted.context_id {
        let (count, next) = page.fill(&enter(knock, context)?, place.before).await?;
        let next = next.map(|before| Place {
            before: Some(before),
            ..Place::default()
        });
        (u64::from(count), next)
    } else {
        let total = match (place.total, knock.caller()) {
            (Some(total), _) => total,
            (None, Some(caller)) => knock.engine().turns(caller.principal()).await?,
            (None, None) => 0,
        };
        let place = Place {
            total: Some(total),
            ..place
        };
        (total, page.fill_from_all(knock, place).await?)
    };
    // Where all that was asked for is here, it is counted, whatever it was chosen by.
    let is_whole = is_begin && next.is_none();
    let total = if is_whole {
        page.tasks.len() as u64
    } else {
        total
    };
    let token = next.map(|next| next.written()).unwrap_or_default();
    let list = json!({
        "tasks": page.tasks, "nextPageToken": token, "pageSize": size, "totalSize": total,
    });
    Ok(result(id, &list))
}

struct Page<'a> {
    wanted: &'a Wanted,
    /// Tasks whose status is older are left out.
    since: Option<Millis>,
    size: usize,
    tasks: Vec<Value>,
    looks: usize,
    bytes: usize,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.tasks.len() >= self.size || self.looks >= LOOKS || self.bytes >= BYTES
    }

    /// Tasks of this conversation, on from below `before`. Returns how many there are in all, and the turn below which to go on.
    async fn fill(
        &mut self,
        conversation: &Conversation,
        before: Option<TurnNumber>,
    ) -> Result<(u32, Option<TurnNumber>), Refused> {
        let pulse = conversation.pulse().await?;
        let Some(pulse) = pulse.filter(|pulse| !pulse.is_empty()) else {
            return Ok((0, None));
        };
        let (first, next) = (pulse.erased_below.max(1), pulse.next_turn);
        let mut turn = before.unwrap_or(next).min(next);
        while turn > first && !self.is_full() {
            turn -= 1;
            self.looks += 1;
            let task = TaskId {
                conversation: conversation.id().clone(),
                turn,
            };
            let history = self.wanted.history_length != Some(0);
            let mut shown = match shown(conversation, &task, history).await {
                Ok(shown) => shown,
                // Erased meanwhile.
                Err(Refused::Fault(Fault::TaskNotFound)) => continue,
                Err(refused) => return Err(refused),
            };
            let state = shown.pointer("/status/state").and_then(Value::as_str);
            let status = self.wanted.status.as_deref();
            // Some clients write what they leave open.
            let status = status.filter(|status| *status != "TASK_STATE_UNSPECIFIED");
            if status.is_some_and(|status| state != Some(status)) {
                continue;
            }
            let at = shown.pointer("/status/timestamp").and_then(Value::as_str);
            let at = at.and_then(moment::parse);
            if self
                .since
                .is_some_and(|since| at.is_none_or(|at| at < since))
            {
                continue;
            }
            if let (false, Some(fields)) = (self.wanted.include_artifacts, shown.as_object_mut()) {
                fields.remove("artifacts");
            }
            self.bytes += shown.to_string().len();
            self.tasks.push(shown);
        }
        Ok((next - first, (turn > first).then_some(turn)))
    }

    /// Tasks of the caller's conversations, the one with the newest activity first. Returns where to go on.
    async fn fill_from_all(
        &mut self,
        knock: &Knock,
        mut place: Place,
    ) -> Result<Option<Place>, Refused> {
        let Some(caller) = knock.caller() else {
            return Ok(None);
        };
        let engine = knock.engine();
        loop {
            let found = engine.conversations(caller.principal(), place.after.clone(), 1);
            let found = found.await?;
            self.looks += 1;
            for summary in &found.conversations {
                let conversation = enter(knock, &summary.id)?;
                let (_, before) = self.fill(&conversation, place.before.take()).await?;
                if before.is_some() {
                    return Ok(Some(Place { before, ..place }));
                }
            }
            match found.next {
                None => return Ok(None),
                Some(next) => {
                    place = Place {
                        before: None,
                        after: Some(next),
                        ..place
                    };
                }
            }
            if self.is_full() {
                return Ok(Some(place));
            }
        }
    }
}
