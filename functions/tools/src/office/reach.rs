//! The orders that a call reaches: those of its conversation's owner, or of the conversation alone where it has no owner.
//! An order outside the reach is treated like none, so that no answer tells that it exists.

use std::fmt;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{StoreError, ToolRequest};
use baton_handoff::{Owner, same_owners};

use super::BackOffice;
use super::books::Order;

/// A buyer, as keys of records carry it: an owner, or the id of a conversation without an owner. Every owner has a `/`, and no id
/// of a conversation has one, so the two never meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buyer(String);

impl Buyer {
    /// The buyer of what is ordered in this conversation of this owner.
    pub(super) fn of(owner: &Owner, conversation: &ConversationId) -> Self {
        if owner.is_none() {
            Self(conversation.to_string())
        } else {
            Self::named(owner)
        }
    }

    /// An owner with a name.
    pub(super) fn named(owner: &Owner) -> Self {
        Self(owner.to_string())
    }
}

impl fmt::Display for Buyer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The buyers whose orders a call reaches: the conversation's own one, and the others that are the same customer.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) own: Buyer,
    pub(super) others: Vec<Buyer>,
}

impl Reach {
    /// All buyers, the conversation's own one first.
    pub(super) fn buyers(&self) -> impl Iterator<Item = &Buyer> {
        std::iter::once(&self.own).chain(&self.others)
    }

    /// Whether an order is one of these buyers'. An order without a buyer is nobody's.
    pub(super) fn has(&self, order: &Order) -> bool {
        order
            .buyer()
            .is_some_and(|buyer| self.buyers().any(|reached| *reached == buyer))
    }
}

impl BackOffice {
    /// The reach of a call. Costs no read without an owner, and one for most owners.
    pub(super) async fn reach(&self, request: &ToolRequest) -> Result<Reach, StoreError> {
        let context = &request.context;
        self.reach_of(&context.owner, &context.conversation).await
    }

    /// The reach of a conversation of this owner.
    pub(super) async fn reach_of(
        &self,
        owner: &Owner,
        conversation: &ConversationId,
    ) -> Result<Reach, StoreError> {
        let own = Buyer::of(owner, conversation);
        let same = if owner.is_none() {
            Vec::new()
        } else {
            same_owners(&*self.store, owner).await?
        };
        let others = same.iter().map(|owner| Buyer::of(owner, conversation));
        let others = others.filter(|other| *other != own).collect();
        Ok(Reach { own, others })
    }
}
