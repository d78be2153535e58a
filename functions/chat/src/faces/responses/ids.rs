//! Names of responses and items. Each says where its thing is: a response is a turn of a conversation, an item stands in a turn.

use std::fmt;

use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};

use crate::edge::error::ApiError;

/// `resp_TURN_CONVERSATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseId {
    pub(super) conversation: ConversationId,
    pub(super) turn: TurnNumber,
}

impl ResponseId {
    pub(super) fn parse(raw: &str) -> Result<Self, ApiError> {
        let parts = raw
            .strip_prefix("resp_")
            .and_then(|rest| rest.split_once('_'));
        let parsed = parts.and_then(|(turn, conversation)| {
            Some(Self {
                conversation: ConversationId::parse(conversation).ok()?,
                turn: number(turn)?,
            })
        });
        parsed.ok_or_else(no_such_response)
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "resp_{}_{}", self.turn, self.conversation)
    }
}

/// An item of a turn: the customer's message, or one of the answer's items by its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemId {
    pub(super) turn: TurnNumber,
    /// None: the customer's message.
    pub(super) place: Option<usize>,
}

impl ItemId {
    /// Of `msg_TURN_u` and `msg_TURN_PLACE`, and of calls, which begin with `mcp_` or `fc_`. What stands behind that tells apart
    /// texts of which one was taken back.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let mut parts = raw.split('_').skip(1);
        let turn = number(parts.next()?)?;
        let place = match parts.next()? {
            "u" => None,
            place => Some(place.parse().ok()?),
        };
        Some(Self { turn, place })
    }
}

pub(super) fn users_message(turn: TurnNumber) -> String {
    format!("msg_{turn}_u")
}

/// `retracted`: how many texts of the response were taken back before this one.
pub(super) fn message(turn: TurnNumber, place: usize, retracted: u64) -> String {
    match retracted {
        0 => format!("msg_{turn}_{place}"),
        _ => format!("msg_{turn}_{place}_r{retracted}"),
    }
}

pub(super) fn server_call(turn: TurnNumber, place: usize) -> String {
    format!("mcp_{turn}_{place}")
}

pub(super) fn client_call(turn: TurnNumber, place: usize) -> String {
    format!("fc_{turn}_{place}")
}

/// The customer's card of an action, as it was shown.
pub(super) fn approval(action: &ActionId, arguments_hash: &str) -> String {
    format!("mcpr_{}_{}_{arguments_hash}", action.turn, action.hash())
}

/// A thing has one name: neither `01` nor `+1` is another one of the first.
fn number(raw: &str) -> Option<TurnNumber> {
    let number = raw.parse::<TurnNumber>().ok()?;
    (number > 0 && number.to_string() == raw).then_some(number)
}

pub(super) fn no_such_response() -> ApiError {
    ApiError::not_found("no such response")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_names_turn_and_conversation_whatever_the_conversation_is_called() {
        for conversation in ["c_00ff", "c", "_", "a_7_b-c"] {
            let id = ResponseId {
                conversation: ConversationId::parse(conversation).unwrap(),
                turn: 12,
            };
            assert_eq!(ResponseId::parse(&id.to_string()).unwrap(), id);
        }
        for bad in [
            "resp_0_c",
            "resp_01_c",
            "resp_1",
            "resp_1_",
            "resp_x_c",
            "msg_1_c",
            "",
            "resp_1_a/b",
        ] {
            assert!(ResponseId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_item_names_its_place_in_a_turn() {
        let of = |turn, place| Some(ItemId { turn, place });
        for (raw, id) in [
            (users_message(3), of(3, None)),
            (message(3, 1, 0), of(3, Some(1))),
            (message(3, 1, 2), of(3, Some(1))),
            (server_call(3, 0), of(3, Some(0))),
            (client_call(3, 4), of(3, Some(4))),
            ("msg".to_owned(), None),
            ("msg_0_1".to_owned(), None),
            ("msg_1_x".to_owned(), None),
        ] {
            assert_eq!(ItemId::parse(&raw), id, "{raw}");
        }
    }
}
