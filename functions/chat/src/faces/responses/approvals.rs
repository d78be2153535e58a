//! The customer's answers to cards, as items of a request.

use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::{CannotConfirm, Conversation};
use http::StatusCode;

use super::ids::ResponseId;
use super::input::Approval;
use crate::edge::error::ApiError;
use crate::faces::door::Knock;
use crate::faces::must_be_few;

/// Records the answers. Returns the response in which the last of them was asked for; none if there are none.
pub(super) async fn record(
    knock: &Knock,
    name: Option<&ConversationId>,
    approvals: &[Approval],
) -> Result<Option<(Conversation, ResponseId)>, ApiError> {
    must_be_few(approvals.len())?;
    let mut asked = None;
    for approval in approvals {
        let name = name.ok_or_else(|| {
            ApiError::bad_request(
                "mcp_approval_response needs conversation or previous_response_id",
            )
        })?;
        let opened = knock.look(name)?.ok_or_else(no_such_request)?;
        let (action, hash) = parse(opened.id(), &approval.request).ok_or_else(no_such_request)?;
        match opened.confirm(&action, hash, approval.approve).await {
            Ok(()) => {}
            Err(CannotConfirm::NotFound) => return Err(no_such_request()),
            Err(CannotConfirm::Stale(stale)) => {
                return Err(ApiError::new(StatusCode::CONFLICT, stale.to_string()));
            }
            Err(CannotConfirm::Store(error)) => return Err(error.into()),
        }
        let response = ResponseId {
            conversation: opened.id().clone(),
            turn: action.turn,
        };
        asked = Some((opened, response));
    }
    Ok(asked)
}

/// The action and the hash of its arguments, of `mcpr_TURN_ACTION_HASH`.
fn parse<'a>(conversation: &ConversationId, request: &'a str) -> Option<(ActionId, &'a str)> {
    let (turn, rest) = request.strip_prefix("mcpr_")?.split_once('_')?;
    let (action, hash) = rest.split_once('_')?;
    let action = ActionId::parse(&format!("{conversation}.{turn}.{action}")).ok()?;
    Some((action, hash))
}

fn no_such_request() -> ApiError {
    ApiError::not_found("no such approval request")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::responses::ids;

    #[test]
    fn a_request_names_its_action_and_what_was_shown() {
        let action = ActionId::parse("c.7.0a").unwrap();
        let request = ids::approval(&action, "ff");
        let conversation = ConversationId::parse("c").unwrap();
        assert_eq!(parse(&conversation, &request), Some((action, "ff")));
        for bad in ["", "mcpr_7", "mcpr_x_0a_ff", "mcpr_7_0a"] {
            assert_eq!(parse(&conversation, bad), None, "{bad}");
        }
    }
}
