//! Answers to interrupts: the customer's yes or no to the cards of actions.

use baton_handoff::ids::{ActionId, TurnNumber};
use baton_handoff::{CannotConfirm, Conversation, Stale};
use http::StatusCode;
use serde_json::Value;

use super::input::{Entry, Status};
use super::names;
use crate::app::App;
use crate::edge::error::ApiError;
use crate::faces::must_be_few;

/// The answer to one card.
pub(super) struct Answer {
    action: ActionId,
    hash: String,
    yes: bool,
    /// Whether it was given up. That declines it, if there is anything to decline.
    given_up: bool,
}

/// What `resume` says. Entries that name no interrupt of ours are left out, as the protocol wants it.
pub(super) fn read(entries: Vec<Entry>) -> Result<Vec<Answer>, ApiError> {
    must_be_few(entries.len())?;
    let mut answers = Vec::new();
    for entry in entries {
        let Some((action, hash)) = names::interrupt(&entry.interrupt_id) else {
            tracing::warn!("an answer to an unknown interrupt is left out");
            continue;
        };
        let yes = match entry.status {
            Status::Cancelled => Some(false),
            Status::Resolved => approved(entry.payload.as_ref()),
        };
        let yes = yes.ok_or_else(|| {
            ApiError::bad_request(
                "the payload of an answer must be {\"approved\": true} or {\"approved\": false}",
            )
        })?;
        answers.push(Answer {
            action,
            hash: hash.to_owned(),
            yes,
            given_up: entry.status == Status::Cancelled,
        });
    }
    Ok(answers)
}

fn approved(payload: Option<&Value>) -> Option<bool> {
    let payload = payload?;
    payload
        .as_bool()
        .or_else(|| payload.get("approved")?.as_bool())
}

/// Gives the answers, if they cover all cards that are open. Returns the last turn that asked for one of them. The same answers may be
/// given again.
pub(super) async fn give(
    app: &App,
    conversation: &Conversation,
    answers: &[Answer],
) -> Result<Option<TurnNumber>, ApiError> {
    let mut tools = app.engine.team().tools();
    // Without cards nothing is read.
    if !tools.any(|tool| tool.confirm.is_some()) {
        return Ok(None);
    }
    let open = conversation.open_cards().await?;
    let is_covered = |card: &ActionId| answers.iter().any(|answer| answer.action == *card);
    if !open.iter().all(is_covered) {
        return Err(conflict(
            "interrupts of this thread are open: resume must answer all of them",
        ));
    }
    let mut asked = None;
    for answer in answers {
        match conversation
            .confirm(&answer.action, &answer.hash, answer.yes)
            .await
        {
            Ok(()) => asked = asked.max(Some(answer.action.turn)),
            // An answer that was never asked for does not fail a run.
            Err(CannotConfirm::NotFound) => {
                tracing::warn!("an answer to an unknown interrupt is left out");
            }
            Err(CannotConfirm::Stale(stale)) => {
                if !is_over(stale, answer) {
                    return Err(conflict(stale.to_string()));
                }
                asked = asked.max(Some(answer.action.turn));
            }
            Err(CannotConfirm::Store(error)) => return Err(error.into()),
        }
    }
    Ok(asked)
}

/// Whether nothing is left to decline of a card that was given up.
fn is_over(stale: Stale, answer: &Answer) -> bool {
    match stale {
        Stale::Expired | Stale::Withdrawn | Stale::Decided => answer.given_up,
        Stale::OtherArguments | Stale::NotAsked | Stale::Confirmed | Stale::Declined => false,
    }
}

fn conflict(sentence: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, sentence)
}
