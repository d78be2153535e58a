//! The customer's yes: a client whose person can be asked is asked, by the protocol of 2026-07-28; others are told in the result.

use baton_handoff::event::ConfirmationAsked;
use baton_handoff::ids::ActionId;
use baton_handoff::{CannotConfirm, Conversation, Followed};
use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolResult, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    ProtocolVersion,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::result;
use super::server::Server;
use crate::edge::deadline::answer_end;
use crate::edge::error::ApiError;
use crate::faces::door::Knock;
use crate::faces::must_be_few;
use crate::faces::whole::{self, WholeTurn};
use crate::stream::late;

/// A card that was asked, as the client gives it back. What it says is checked like any other answer.
#[derive(Serialize, Deserialize)]
struct Asked {
    action: ActionId,
    hash: String,
}

/// What a client's person said to the form of a card.
#[derive(Deserialize)]
struct Filled {
    action: Outcome,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Accept,
    Decline,
    Cancel,
}

#[derive(Deserialize)]
struct Content {
    yes: bool,
}

/// Whether the client can ask its person.
pub(super) fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let knows = context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28);
    let elicits = context
        .client_capabilities()
        .and_then(|capabilities| capabilities.elicitation)
        // One that names no kind can show forms.
        .is_some_and(|elicits| elicits.form.is_some() || elicits.url.is_none());
    knows && elicits
}

/// Asks for the cards of this turn that are open. None if there are none.
pub(super) async fn ask(
    conversation: &Conversation,
    turn: &WholeTurn,
) -> Result<Option<InputRequiredResult>, ApiError> {
    let mut cards = turn.cards();
    if !cards.is_empty() {
        let open = conversation.open_cards().await?;
        cards.retain(|card| open.contains(&card.action));
    }
    Ok(form(&cards))
}

fn form(cards: &[&ConfirmationAsked]) -> Option<InputRequiredResult> {
    let asked = cards.iter().map(|card| Asked {
        action: card.action.clone(),
        hash: card.arguments_hash.clone(),
    });
    let state = serde_json::to_string(&asked.collect::<Vec<_>>()).ok()?;
    let mut requests = InputRequests::new();
    for (number, card) in cards.iter().enumerate() {
        let yes = json!({ "type": "boolean", "title": "Yes", "description": card.title });
        let form = json!({ "type": "object", "properties": { "yes": yes }, "required": ["yes"] });
        let request = json!({
            "method": "elicitation/create",
            "params": { "mode": "form", "message": card.title, "requestedSchema": form },
        });
        let request: InputRequest = serde_json::from_value(request).ok()?;
        requests.insert(name(number), request);
    }
    (!requests.is_empty()).then(|| InputRequiredResult::new(Some(requests), Some(state)))
}

fn name(number: usize) -> String {
    format!("card-{number}")
}

/// Records what the client's person said, and waits a while for what comes of it; else for the turn that asked.
pub(super) async fn answer(
    server: &Server,
    parts: Parts,
    echoed: &str,
    responses: &InputResponses,
) -> Result<CallToolResult, ApiError> {
    let bad = || ApiError::bad_request("the answer belongs to no question of this server");
    let asked: Vec<Asked> = serde_json::from_str(echoed).map_err(|_| bad())?;
    must_be_few(asked.len())?;
    let knock = Knock::at(server.app.clone(), server.places.clone(), parts).await?;
    let first = asked.first().ok_or_else(bad)?;
    let conversation = knock.look(&first.action.conversation)?.ok_or_else(bad)?;
    let mut is_answered = false;
    for (number, card) in asked.iter().enumerate() {
        let Some(filled) = responses.get(&name(number)) else {
            continue;
        };
        let filled = Filled::deserialize(filled).map_err(|_| bad())?;
        let yes = match (filled.action, filled.content) {
            (Outcome::Accept, Some(content)) => content.yes,
            (Outcome::Decline, _) => false,
            (Outcome::Accept, None) | (Outcome::Cancel, _) => continue,
        };
        match conversation.confirm(&card.action, &card.hash, yes).await {
            Ok(()) => is_answered |= yes,
            Err(CannotConfirm::NotFound) => return Err(bad()),
            Err(CannotConfirm::Stale(stale)) => {
                return Err(ApiError::bad_request(stale.to_string()));
            }
            Err(CannotConfirm::Store(error)) => return Err(error.into()),
        }
    }
    let turn = first.action.turn;
    if is_answered {
        let until = late::patience().min(answer_end());
        let found = late::find(&server.app.engine, &conversation, turn, until).await?;
        if let Some(log) = found {
            // It may be said still.
            let whole = whole::read(&log).await;
            let turn = whole
                .events
                .last()
                .map_or(turn, |event| event.position.turn);
            return Ok(result(conversation.id(), turn, &whole, None));
        }
    }
    match conversation.follow(turn, None).await? {
        Followed::Log(log) => Ok(result(conversation.id(), turn, &whole::so_far(&log), None)),
        Followed::NothingLeft(_) | Followed::NoSuchTurn => Err(bad()),
    }
}
