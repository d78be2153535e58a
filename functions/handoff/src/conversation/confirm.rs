//! The customer's answer to a card: by its button, or by a word that the team file lists.

use super::message::Stop;
use super::open::Conversation;
use crate::action::confirm::{Answered, Stale};
use crate::engine::MAX_TRIES;
use crate::ids::ActionId;
use crate::ports::{Change, CommitError, Millis, StoreError};
use crate::principal::Access;
use crate::record::journal::{read_action, read_actions};
use crate::record::{ActionRecord, AnsweredCard, Meta, keys};

/// Why an answer to a card was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CannotConfirm {
    /// For this principal there is no such action.
    #[error("no such action")]
    NotFound,
    /// The card is not what it was.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed; a later attempt may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message that answers a card, with what its commit is to write beside it.
pub(super) struct TypedAnswer {
    pub(super) card: AnsweredCard,
    pub(super) action: Box<ActionRecord>,
    pub(super) changes: Vec<Change>,
}

impl Conversation {
    /// Confirms or declines an action that waits for its customer, as it was shown. Only the owner may, and the same answer may be
    /// given again.
    pub async fn confirm(
        &self,
        action: &ActionId,
        arguments_hash: &str,
        yes: bool,
    ) -> Result<(), CannotConfirm> {
        for attempt in 0..MAX_TRIES {
            let found = if sabotage!(StrangersConfirm) {
                self.meta(Access::Oversee).await?
            } else {
                self.meta(Access::Speak).await?
            };
            let (version, mut meta) = found
                .filter(|(_, meta)| {
                    action.conversation == self.id && action.turn >= meta.erased_below
                })
                .ok_or(CannotConfirm::NotFound)?;
            let read = read_action(&*self.engine.store, action).await?;
            let (at, before) = read.ok_or(CannotConfirm::NotFound)?;
            let answered = self
                .engine
                .answer_card(&mut meta, (at, &before), arguments_hash, yes)
                .await??;
            let (after, mut changes) = match answered {
                Answered::Now(after, changes) => (after, changes),
                Answered::Before => {
                    // The first answer may have been written and not sent.
                    self.engine.send_answered(&before).await;
                    return Ok(());
                }
            };
            changes.push(Change::Replace(
                keys::meta(&self.id),
                version,
                meta.record(),
            ));
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    tracing::info!(%action, yes, "a customer answered a card");
                    self.engine.send_answered(&after).await;
                    self.engine.hub.poke(&self.id);
                    return Ok(());
                }
                // Written or not: the next read shows it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.engine.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(StoreError::Unavailable("the action is written to all the time".to_owned()).into())
    }

    /// The actions whose cards can be answered now, in the order in which they asked.
    pub async fn open_cards(&self) -> Result<Vec<ActionId>, StoreError> {
        let Some((_, meta)) = self.meta(Access::Speak).await? else {
            return Ok(Vec::new());
        };
        let open = self.read_open_cards(&meta).await?;
        Ok(open.into_iter().map(|action| action.id).collect())
    }

    /// The open card that this message answers: a listed word, as the whole next message, while exactly one card is open. Changes
    /// META as the answer does. No card is answered by a later message any more.
    pub(super) async fn typed_answer(
        &self,
        meta: &mut Meta,
        message: &str,
    ) -> Result<Option<TypedAnswer>, Stop> {
        let team = &self.engine.team;
        let words = |tool: &str| team.tool(tool)?.confirm.as_ref()?.answer(message);
        let is_answer = |meta: &Meta| {
            let mut next = meta.cards.iter().filter(|card| !card.passed);
            next.any(|card| words(&card.tool).is_some())
        };
        if meta.cards.is_empty() {
            return Ok(None);
        }
        let found = if is_answer(meta) {
            self.only_open_card(meta).await?
        } else {
            None
        };
        let passed: Vec<_> = meta
            .cards
            .iter()
            .filter(|card| card.passed)
            .cloned()
            .collect();
        for card in &mut meta.cards {
            card.passed = true;
        }
        let Some((version, action)) = found else {
            return Ok(None);
        };
        let Some(yes) =
            words(&action.tool).filter(|_| !passed.iter().any(|card| card.is(&action.id)))
        else {
            return Ok(None);
        };
        let hash = action.arguments_hash();
        let answered = self
            .engine
            .answer_card(meta, (version, &action), &hash, yes)
            .await?;
        Ok(match answered {
            Ok(Answered::Now(after, changes)) => Some(TypedAnswer {
                card: AnsweredCard {
                    action: action.id,
                    tool: action.tool,
                    yes,
                },
                action: after,
                changes,
            }),
            // It is a message like any other.
            Ok(Answered::Before) | Err(_) => None,
        })
    }

    /// The actions whose cards can be answered now.
    async fn read_open_cards(&self, meta: &Meta) -> Result<Vec<ActionRecord>, StoreError> {
        let ids: Vec<_> = meta
            .cards
            .iter()
            .map(|card| card.action(&self.id))
            .collect();
        let now = self.engine.env.now();
        let mut actions = read_actions(&*self.engine.store, &ids).await?;
        actions.retain(|action| is_open(action, now));
        Ok(actions)
    }

    /// The action of the one card that can be answered now.
    async fn only_open_card(&self, meta: &Meta) -> Result<Option<(u64, ActionRecord)>, StoreError> {
        let mut open = self.read_open_cards(meta).await?.into_iter();
        let (Some(only), None) = (open.next(), open.next()) else {
            return Ok(None);
        };
        // With its version, which the list does not have.
        let read = read_action(&*self.engine.store, &only.id).await?;
        let now = self.engine.env.now();
        Ok(read.filter(|(_, action)| is_open(action, now)))
    }
}

/// Whether its card can be answered now.
fn is_open(action: &ActionRecord, now: Millis) -> bool {
    let card = action.confirmation.as_ref();
    action.waits_for_customer() && card.is_some_and(|card| card.expires_at > now)
}
