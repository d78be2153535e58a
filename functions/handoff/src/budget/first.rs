//! The reservation for the next call of a turn that begins, in the commit that begins it.

use super::{Posted, Posting, Spent, Ticket};
use crate::engine::Engine;
use crate::engine::models::Chosen;
use crate::ids::ConversationId;
use crate::ports::StoreError;
use crate::principal::Owner;
use crate::record::{Caller, Meta};

/// Whether a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    No,
    InDoubt,
}

/// What the commit that begins a turn does to budgets.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) posted: Posted,
    /// Whether the call may begin beside the commit: it is reserved for, or there are no budgets.
    pub(crate) covers: bool,
    ticket: Option<Ticket>,
}

impl Default for Reserved {
    fn default() -> Self {
        Self {
            posted: Posted::default(),
            covers: true,
            ticket: None,
        }
    }
}

impl Reserved {
    /// Nothing could be reserved now.
    pub(crate) fn not_now() -> Self {
        Self {
            covers: false,
            ..Self::default()
        }
    }
}

impl Engine {
    /// Reads and draws beside other reads what the commit of a message needs of budgets.
    pub(crate) async fn ready_budgets(
        &self,
        owner: &Owner,
        conversation: &ConversationId,
        begins: bool,
    ) {
        if begins && !self.team.budgets.are_off() {
            let account = self.read_ahead(owner);
            let slice = self.draw_ahead(owner, conversation);
            futures_util::join!(account, slice);
        }
    }

    /// Settles what META has reserved, and reserves for a call of this model with so much input, in the same commit. Where that is not possible now,
    /// the turn tries again before it calls the model, and ends if that fails as well.
    pub(crate) async fn reserve_call(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
        next: Option<(&Chosen, u64)>,
    ) -> Result<Reserved, StoreError> {
        self.reserve_call_for(Caller::Turn, conversation, meta, next)
            .await
    }

    /// The same for this caller.
    pub(crate) async fn reserve_call_for(
        &self,
        caller: Caller,
        conversation: &ConversationId,
        meta: &mut Meta,
        next: Option<(&Chosen, u64)>,
    ) -> Result<Reserved, StoreError> {
        let amount = next.and_then(|(next, input)| self.most_of_call(&*next.model, input));
        let owner = meta.owner.clone();
        let ticket = match amount {
            Some(amount) => self
                .ticket(&owner, conversation, amount)
                .await
                .inspect_err(
                    |error| tracing::debug!(%conversation, %error, "no slice of a budget now"),
                )
                .ok()
                .flatten(),
            None => None,
        };
        let posting = Posting {
            spent: Spent::Unknown,
            reserve: ticket.clone(),
        };
        let callers = [caller];
        match self.post_for(&callers, conversation, meta, &posting).await {
            Ok(posted) => Ok(Reserved {
                covers: amount.is_none() || posted.reserves,
                posted,
                ticket,
            }),
            Err(error) => {
                if let Some(ticket) = &ticket {
                    self.return_ticket(ticket);
                }
                Err(error)
            }
        }
    }

    /// What became of the commit. In doubt, the slice keeps the reservation: it counts as used until the sweep knows.
    pub(crate) fn reserved(&self, reserved: Reserved, written: Written) {
        let Reserved {
            posted,
            covers,
            ticket,
        } = reserved;
        match written {
            Written::Yes => self.posted(posted),
            Written::No | Written::InDoubt => self.not_posted(&posted),
        }
        let is_free = match written {
            Written::Yes => !covers,
            Written::No => true,
            Written::InDoubt => false,
        };
        if let Some(ticket) = ticket.filter(|_| is_free) {
            self.return_ticket(&ticket);
        }
    }
}
