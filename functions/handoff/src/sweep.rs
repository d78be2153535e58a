//! Finds what nobody is at: conversations whose owner died, actions whose message was lost. And sends them on their way again.

use std::sync::Arc;

use crate::action::RESEND;
use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId};
use crate::ports::{Change, Index, Lane, Millis, StoreError, Stored};
use crate::record::{ActionRecord, ActionState, Meta, decode};

/// Records looked at in one sweep; the next sweep goes on.
const MAX_FOUND: usize = 500;

const PAGE: usize = 100;

/// Records that a process looks at when it starts, for what the dead have left. The sweeps find the rest when it is due.
const MAX_LEFT: usize = 20_000;

/// No lease and no claim of an action lasts longer than this from now.
const LONGEST_LEASE: Millis = 3_600_000;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Conversations that were sent on their way.
    pub conversations: usize,
    /// Actions that were sent on their way.
    pub actions: usize,
}

impl Engine {
    /// Sends everything that is due on its way again. Any number of processes may sweep at once.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, StoreError> {
        self.sweep_until(self.env.now(), MAX_FOUND, |_| true).await
    }

    /// Sends on its way what is in the hands of processes that have certainly ended, though their leases still run: for the
    /// start of a process, which may be that of one that was killed.
    pub async fn inherit(self: &Arc<Self>) -> Result<Swept, StoreError> {
        if self.env.process().is_none() {
            return Ok(Swept::default());
        }
        let moment = self.env.now() + LONGEST_LEASE;
        self.sweep_until(moment, MAX_LEFT, |stored| {
            holder_of(stored).is_some_and(|holder| self.has_ended(&holder))
        })
        .await
    }

    async fn sweep_until(
        self: &Arc<Self>,
        moment: Millis,
        most: usize,
        concerns: impl Fn(&Stored) -> bool + Send,
    ) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        if sabotage!(NoSweeper) {
            return Ok(swept);
        }
        let mut after = None;
        let index = Index::Due(moment);
        for _ in 0..most / PAGE {
            let page = self.store.index(&index, after.as_ref(), PAGE).await?;
            for stored in page.records.iter().filter(|stored| concerns(stored)) {
                match self.sweep_record(stored).await {
                    Ok(Found::Conversation) => swept.conversations += 1,
                    Ok(Found::Action) => swept.actions += 1,
                    Ok(Found::Nothing) => {}
                    Err(error) => {
                        tracing::warn!(sort = %stored.key.sort, %error, "a due record could not be looked at");
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(swept)
    }

    async fn sweep_record(self: &Arc<Self>, stored: &Stored) -> Result<Found, StoreError> {
        let Some(conversation) = stored.key.partition.strip_prefix("C#") else {
            return Ok(Found::Nothing);
        };
        if stored.key.sort == "META" {
            let Ok(conversation) = ConversationId::parse(conversation) else {
                return Ok(Found::Nothing);
            };
            let owner = decode::<Meta>(stored)?.owner;
            if let Err(error) = self
                .queue
                .send(Lane::Turns, &owner, conversation.as_str())
                .await
            {
                return Err(StoreError::Unavailable(error.to_string()));
            }
            return Ok(Found::Conversation);
        }
        if !stored.key.sort.starts_with("T#") {
            return Ok(Found::Nothing);
        }
        let action: ActionRecord = decode(stored)?;
        self.sweep_action(stored, action).await
    }

    async fn sweep_action(
        &self,
        stored: &Stored,
        mut action: ActionRecord,
    ) -> Result<Found, StoreError> {
        let version = if sabotage!(SweeperOverwrites) {
            self.read_action(&action.id)
                .await?
                .map_or(stored.version, |(now, _)| now)
        } else {
            stored.version
        };
        if action.state == ActionState::Proposed {
            action.state = ActionState::Rejected;
            action.result = Some("Nobody approved it in time.".to_owned());
            // The version decides: a decision that came first stands.
            let change = Change::Replace(stored.key.clone(), version, action.record());
            let _decided = self.store.commit(vec![change]).await;
            self.send_turns(&action.owner, &action.id).await;
            return Ok(Found::Action);
        }
        let id: ActionId = action.id.clone();
        let owner = action.owner.clone();
        if action.state == ActionState::Queued {
            // A claim that came first stands; then the message does no harm.
            action.look_at = self.env.now() + RESEND;
            let change = Change::Replace(stored.key.clone(), version, action.record());
            let _moved = self.store.commit(vec![change]).await;
        }
        self.send_action(&owner, &id).await;
        Ok(Found::Action)
    }

    /// Tells whoever drives the conversation that an action has ended.
    pub(crate) async fn send_turns(&self, owner: &str, id: &ActionId) {
        self.hub.poke(&id.conversation);
        self.send_conversation(owner, &id.conversation).await;
    }

    /// Asks a worker to see to a conversation. When that fails the sweeper finds it.
    pub(crate) async fn send_conversation(&self, owner: &str, conversation: &ConversationId) {
        if let Err(error) = self
            .queue
            .send(Lane::Turns, owner, conversation.as_str())
            .await
        {
            tracing::warn!(%conversation, %error, "a conversation was not queued; the sweeper will send it");
        }
    }
}

/// Who has the lease of a conversation, or the claim of an action.
fn holder_of(stored: &Stored) -> Option<String> {
    if stored.key.sort == "META" {
        let meta: Meta = decode(stored).ok()?;
        return meta.running.map(|running| running.holder);
    }
    let action: ActionRecord = decode(stored).ok()?;
    (action.state == ActionState::Running).then_some(action.holder)
}

enum Found {
    Conversation,
    Action,
    Nothing,
}
