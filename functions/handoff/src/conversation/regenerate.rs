//! Regenerates the last answer: a new turn from the same message that replaces the old turn in the window. It may refer to the
//! old turn's actions, and may not accept new ones.

use super::follow::Followed;
use super::message::Accepted;
use super::open::Conversation;
use crate::bounds::OverBound;
use crate::engine::MAX_TRIES;
use crate::ids::TurnNumber;
use crate::ports::{Change, CommitError, StoreError};
use crate::principal::Access;
use crate::record::journal::read_turn;
use crate::record::{FromClient, Origin, TurnRecord, Window, keys};

/// Why an answer was not regenerated.
#[derive(Debug, thiserror::Error)]
pub enum CannotRegenerate {
    /// There is no such turn.
    #[error("no such turn")]
    NotFound,
    /// A later turn exists, or the turn is still running.
    #[error("only the last answer can be regenerated, when it is over")]
    NotTheLast,
    /// The turn did not begin with a customer's message.
    #[error("this turn answered no message of the customer")]
    NoMessage,
    /// It would be over a bound.
    #[error(transparent)]
    OverBound(#[from] OverBound),
    /// The store failed; a later attempt may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Conversation {
    /// Begins a turn that replaces `turn`. A repeated request returns that same turn, even when the first response was lost.
    pub async fn regenerate(&self, turn: TurnNumber) -> Result<Accepted, CannotRegenerate> {
        // While another task drives the conversation, the last turn is not over; or it was, and this is a repeated request.
        let mut place = if self.engine.hub.is_driving(&self.id) {
            None
        } else {
            Some(self.engine.admission.enter(self.party())?)
        };
        for attempt in 0..MAX_TRIES {
            let (meta, old) = futures_util::join!(
                self.meta(Access::Speak),
                read_turn(&*self.engine.store, &self.id, turn),
            );
            let ((version, mut meta), old) = meta?.zip(old?).ok_or(CannotRegenerate::NotFound)?;
            if turn < meta.erased_below {
                return Err(CannotRegenerate::NotFound);
            }
            let of = match old.record.origin {
                Origin::Customer => turn,
                Origin::Regenerated { of } => of,
                Origin::LateResult => return Err(CannotRegenerate::NoMessage),
            };
            if turn + 2 == meta.next_turn
                && let Some(again) = self.regenerated(turn + 1, of).await?
            {
                return Ok(again);
            }
            let idle = meta.running.is_none() && meta.waiting.is_empty();
            if turn + 1 != meta.next_turn || !idle {
                return Err(CannotRegenerate::NotTheLast);
            }
            if let Some(over) = self.room(Some(&meta)).await? {
                return Err(over.into());
            }
            let number = meta.next_turn;
            let now = self.engine.env.now();
            let origin = Origin::Regenerated { of };
            let record = TurnRecord {
                speaker: old.record.speaker,
                lookups_only: old.record.lookups_only,
                caller: self.caller,
                // Nothing is offered again: the client may be gone.
                client: FromClient {
                    tools: Vec::new(),
                    results: old.record.client.results,
                },
                // The same window: what is said anew follows the same words.
                window: old.record.window.map(|window| Window { rate: 0, ..window }),
                ..TurnRecord::accepted(origin, old.record.message, now)
            };
            meta.next_turn += 1;
            meta.last_activity = now;
            // The calls of the old answer are replaced with it.
            meta.waiting_for_client = None;
            meta.waiting.push(number);
            let changes = vec![
                Change::Replace(keys::meta(&self.id), version, meta.record()),
                Change::Create(keys::turn(&self.id, number), record.record()),
            ];
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    return Ok(Accepted {
                        turn: number,
                        log: self.listen(number, place.take()),
                    });
                }
                // If it was written, the next read finds it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.engine.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(
            StoreError::Unavailable("the conversation is written to all the time".to_owned())
                .into(),
        )
    }

    /// Turn `number`, if it regenerates `of`.
    async fn regenerated(
        &self,
        number: TurnNumber,
        of: TurnNumber,
    ) -> Result<Option<Accepted>, StoreError> {
        let turn = read_turn(&*self.engine.store, &self.id, number).await?;
        if turn.is_none_or(|turn| turn.record.origin != (Origin::Regenerated { of })) {
            return Ok(None);
        }
        Ok(match self.follow(number, None).await? {
            Followed::Log(log) => Some(Accepted { turn: number, log }),
            Followed::NothingLeft(_) | Followed::NoSuchTurn => None,
        })
    }
}
