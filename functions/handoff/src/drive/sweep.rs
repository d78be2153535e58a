//! Finds abandoned work and sends it again: conversations of dead owners, actions whose message was lost.

use std::sync::Arc;

use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId};
use crate::notice::Told;
use crate::ports::{Change, Index, Lane, Millis, Record, StoreError, Stored};
use crate::record::journal::{read_action, read_meta};
use crate::record::notice::NoticeRecord;
use crate::record::{ActionRecord, ActionState, Answer, Meta, RESEND, decode, keys};
use crate::team::NoticeKind;

/// The most records that one sweep sends; the next sweep goes on behind them.
const MAX_FOUND: usize = 500;

/// The most records that one sweep reads, unreadable ones included: those must not hold up the records behind them.
const MAX_READ: usize = 5_000;

const PAGE: usize = 100;

/// The most records that a process reads at its start to find work of dead processes. The sweeps find the rest when it is due.
const MAX_LEFT: usize = 20_000;

/// No record is due later than this by itself. A later time comes from a clock that was set back since.
const LONGEST_PAUSE: Millis = 2 * 3_600_000;

/// The results of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Conversations sent to a worker.
    pub conversations: usize,
    /// Actions sent to a worker.
    pub actions: usize,
    /// Notices sent to a worker.
    pub notices: usize,
    /// Unreadable records, which stay unchanged.
    pub unreadable: usize,
}

impl Engine {
    /// Sends due work to the workers: up to 500 records, and the next sweep goes on behind them. Any number of processes may
    /// sweep at once.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        if sabotage!(NoSweeper) {
            return Ok(swept);
        }
        if let Err(error) = self.give_back_idle().await {
            tracing::warn!(%error, "a slice of a budget was not given back; a later sweep does it");
        }
        let index = Index::Due(self.env.now());
        let mut read = 0;
        while swept.conversations + swept.actions + swept.notices < MAX_FOUND && read < MAX_READ {
            let cursor = self.sweeps.cursor();
            let page = match self.store.index(&index, cursor.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    // The cursor may be bad; the next sweep starts at the beginning.
                    self.sweeps.go_on_behind(None);
                    return Err(error);
                }
            };
            read += page.records.len();
            for stored in &page.records {
                self.sweep_into(&mut swept, stored).await;
                if sabotage!(SweepStopsAtUnreadable) && swept.unreadable > 0 {
                    self.sweeps.go_on_behind(None);
                    return Ok(swept);
                }
            }
            let ends = page.next.is_none();
            self.sweeps.go_on_behind(page.next);
            if ends {
                break;
            }
        }
        if let Err(error) = self.erase_unused().await {
            tracing::warn!(%error, "conversations that are kept no longer could not be erased; the next sweep tries again");
        }
        Ok(swept)
    }

    /// Sends the work of ended processes although their leases still run, and the work that a clock set back since has postponed.
    /// For the start of a process, which may replace a killed one.
    pub async fn inherit(self: &Arc<Self>) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        if self.env.process().is_none() || sabotage!(NoSweeper) {
            return Ok(swept);
        }
        // Ignores the due time: the clock may have been set back while no process ran.
        let index = Index::Due(Millis::MAX);
        let mut after = None;
        for _ in 0..MAX_LEFT / PAGE {
            let page = self.store.index(&index, after.as_ref(), PAGE).await?;
            for stored in &page.records {
                if let Some(left) = self.left_behind(stored) {
                    self.sweep_into(&mut swept, &left).await;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(swept)
    }

    /// The number of unreadable records that the sweeps have met: at most 1,000 in a round.
    pub fn unreadable(&self) -> usize {
        self.sweeps.unreadable()
    }

    async fn sweep_into(self: &Arc<Self>, swept: &mut Swept, stored: &Stored) {
        match self.sweep_record(stored).await {
            Ok(Found::Conversation) => swept.conversations += 1,
            Ok(Found::Action) => swept.actions += 1,
            Ok(Found::Notice) => swept.notices += 1,
            Ok(Found::Nothing) => {}
            Err(error @ StoreError::Damaged(_)) => {
                swept.unreadable += 1;
                if self.sweeps.add_unreadable(&stored.key) {
                    tracing::error!(%error, "a due record cannot be read; it stays unchanged, and the sweep goes on behind it");
                }
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::BadCursor)) => {
                tracing::warn!(sort = %stored.key.sort, %error, "a due record could not be handled; the next sweep tries again");
            }
        }
    }

    /// The record, if no live worker or owner has it and it need not be waited for. A due time that the present clock cannot have
    /// set becomes due now.
    fn left_behind(&self, stored: &Stored) -> Option<Stored> {
        let now = self.env.now();
        let too_late = |moment: Millis| moment > now + LONGEST_PAUSE;
        let with = |record: Record| Stored {
            record,
            ..stored.clone()
        };
        if stored.key.sort == "META" {
            let mut meta: Meta = decode(stored).ok()?;
            if let Some(running) = &meta.running {
                return self.has_ended(&running.holder).then(|| stored.clone());
            }
            if too_late(meta.due_at) {
                meta.due_at = now;
                return Some(with(meta.record()));
            }
            return (!meta.waiting.is_empty()).then(|| stored.clone());
        }
        if stored.key.partition.starts_with("H#") {
            let notice: NoticeRecord = decode(stored).ok()?;
            return self.has_ended(&notice.holder).then(|| stored.clone());
        }
        let mut action: ActionRecord = decode(stored).ok()?;
        match action.state {
            ActionState::Running => self.has_ended(&action.holder).then(|| stored.clone()),
            ActionState::Queued if too_late(action.due_at) => {
                action.due_at = now;
                Some(with(action.record()))
            }
            ActionState::Queued => (action.attempts == 0).then(|| stored.clone()),
            ActionState::Proposed
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown => None,
        }
    }

    async fn sweep_record(self: &Arc<Self>, stored: &Stored) -> Result<Found, StoreError> {
        if stored.key.partition.starts_with("L#") {
            self.settle_pot(&stored.key).await?;
            return Ok(Found::Nothing);
        }
        if stored.key.partition.starts_with("H#") {
            let is_first = self.sweep_notice(stored).await?;
            return Ok(if is_first {
                Found::Notice
            } else {
                Found::Nothing
            });
        }
        let Some(conversation) = stored.key.partition.strip_prefix("C#") else {
            return Ok(Found::Nothing);
        };
        if stored.key.sort == "META" {
            let Ok(conversation) = ConversationId::parse(conversation) else {
                return Ok(Found::Nothing);
            };
            return self.sweep_conversation(stored, &conversation).await;
        }
        if !stored.key.sort.starts_with("T#") {
            return Ok(Found::Nothing);
        }
        let action: ActionRecord = decode(stored)?;
        self.sweep_action(stored, action).await
    }

    async fn sweep_conversation(
        &self,
        stored: &Stored,
        conversation: &ConversationId,
    ) -> Result<Found, StoreError> {
        let owner = decode::<Meta>(stored)?.owner;
        // Due again only after a while, in case the message is lost. A process that writes META meanwhile sets the time anew.
        let record = Record {
            due_at: Some(self.env.now() + RESEND),
            ..stored.record.clone()
        };
        let change = Change::Replace(stored.key.clone(), stored.version, record);
        let _moved = self.store.commit(vec![change]).await;
        match self
            .queue
            .send(Lane::Turns, owner.as_str(), conversation.as_str())
            .await
        {
            Ok(()) => Ok(Found::Conversation),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    async fn sweep_action(
        &self,
        stored: &Stored,
        mut action: ActionRecord,
    ) -> Result<Found, StoreError> {
        let version = if sabotage!(SweeperOverwrites) {
            read_action(&*self.store, &action.id)
                .await?
                .map_or(stored.version, |(now, _)| now)
        } else {
            stored.version
        };
        if action.state == ActionState::Proposed {
            if action.waits_for_customer() {
                action.end_by(Answer::Expired, self.env.now());
            } else {
                action.become_now(ActionState::Rejected, self.env.now());
                action.result = Some("Nobody approved it in time.".to_owned());
            }
            // The version decides: an earlier decision stands.
            let mut changes = vec![Change::Replace(
                stored.key.clone(),
                version,
                action.record(),
            )];
            if action
                .confirmation
                .as_ref()
                .is_none_or(|card| card.answer != Some(Answer::Expired))
            {
                changes.extend(self.tells_expired(&action).await?);
            }
            let _decided = self.store.commit(changes).await;
            self.send_turns(&action.owner, &action.id).await;
            let kind = NoticeKind::ActionDecided;
            self.send_notices(&action.owner, &action.id.conversation, kind)
                .await;
            return Ok(Found::Action);
        }
        let id: ActionId = action.id.clone();
        let owner = action.owner.clone();
        if action.state == ActionState::Queued {
            // An earlier claim stands; then the message is harmless.
            action.due_at = self.env.now() + RESEND;
            let change = Change::Replace(stored.key.clone(), version, action.record());
            let _moved = self.store.commit(vec![change]).await;
        }
        self.send_action(&owner, &id).await;
        Ok(Found::Action)
    }
}

impl Engine {
    /// Tells endpoints that nobody has approved it in time.
    async fn tells_expired(&self, action: &ActionRecord) -> Result<Vec<Change>, StoreError> {
        if self.team.webhooks().is_empty() {
            return Ok(Vec::new());
        }
        let conversation = &action.id.conversation;
        let Some((version, mut meta)) = read_meta(&*self.store, conversation).await? else {
            return Ok(Vec::new());
        };
        let mut changes = self.notices(&mut meta, conversation, &Told::Decided(action));
        if !changes.is_empty() {
            let key = keys::meta(conversation);
            changes.push(Change::Replace(key, version, meta.record()));
        }
        Ok(changes)
    }
}

enum Found {
    Conversation,
    Action,
    Notice,
    Nothing,
}
