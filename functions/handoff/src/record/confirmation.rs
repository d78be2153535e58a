//! The customer's yes that an action needs: what was asked, and what became of it. Knows the question; never the reader.

use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::Millis;

/// What the customer was asked about an action, and the answer. The question never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The question.
    pub title: String,
    /// The arguments on the card, a JSON object.
    pub shown: String,
    /// Until when it can be answered.
    pub expires_at: Millis,
    /// An operator must approve the action too, after the customer.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub approval: bool,
    /// What became of the card. None: it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Millis>,
}

/// What became of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The customer confirmed it.
    Yes,
    /// The customer declined it.
    No,
    /// Nobody answered in time.
    Expired,
    /// A newer card of the same tool took its place.
    Withdrawn,
}

impl Answer {
    /// The answer on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The result of an action that ends with it. A yes ends none.
    pub(crate) fn result(self) -> &'static str {
        match self {
            Self::Yes => "The customer confirmed it.",
            Self::No => "The customer decided against it.",
            Self::Expired => "The customer did not confirm it in time.",
            Self::Withdrawn => "A newer proposal took its place before the customer confirmed it.",
        }
    }
}

/// A card that the conversation's customer may answer: a part of META. What is not here cannot be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCard {
    /// The turn that asked.
    pub turn: TurnNumber,
    /// The rest of the action's id.
    pub hash: String,
    /// The action's tool.
    pub tool: String,
    /// A message of the customer was accepted since: the next one is no answer to this card.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub passed: bool,
}

impl OpenCard {
    /// The card of this action.
    pub(crate) fn of(action: &ActionId, tool: &str) -> Self {
        Self {
            turn: action.turn,
            hash: action.hash().to_owned(),
            tool: tool.to_owned(),
            passed: false,
        }
    }

    /// The action, in its conversation.
    pub(crate) fn action(&self, conversation: &ConversationId) -> ActionId {
        ActionId::known(conversation.clone(), self.turn, &self.hash)
    }

    /// Whether this is the card of the action.
    pub(crate) fn is(&self, action: &ActionId) -> bool {
        self.turn == action.turn && self.hash == action.hash()
    }
}
