//! What a turn knows of the conversation before it: the last turns, and a summary of those before them.

use std::sync::Arc;

use super::fill;
use crate::engine::Engine;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Order, Range, StoreError, Stored};
use crate::record::journal::JournaledTurn;
use crate::record::{Meta, SummaryRecord, TurnRecord, TurnState, decode, keys};

/// The conversation before a turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// The last turns, oldest first: as many as a window may need.
    pub(crate) turns: Vec<JournaledTurn>,
    /// The summary before them, if the turn's window has one.
    pub(crate) summary: Option<Arc<SummaryRecord>>,
}

impl Past {
    /// Without turns that were erased.
    pub(crate) fn visible(mut self, meta: &Meta) -> Self {
        self.turns.retain(|turn| turn.number >= meta.erased_below);
        self
    }

    /// Without this turn and later ones: they were read beside a META that does not know them.
    pub(crate) fn before(mut self, number: TurnNumber) -> Self {
        self.turns.retain(|turn| turn.number < number);
        self
    }

    /// Whether it may have been read before another process ended the last turn of this META, in which no turn runs or waits: that
    /// turn is missing then, or has not ended.
    pub(crate) fn may_be_older_than(&self, meta: &Meta) -> bool {
        let open = |turn: &JournaledTurn| turn.record.state == TurnState::Accepted;
        !self.reaches(meta.next_turn) || self.turns.iter().any(open)
    }

    /// Whether it has the turn before this one.
    pub(crate) fn reaches(&self, next: TurnNumber) -> bool {
        let last = self.turns.last();
        last.is_some_and(|last| last.number.saturating_add(1) == next)
    }

    /// The summary that a turn with this record begins with.
    pub(crate) fn summary_of(&self, turn: &TurnRecord) -> Option<&SummaryRecord> {
        let upto = turn.window?.summary;
        self.summary
            .as_deref()
            .filter(|summary| summary.upto == upto)
    }
}

impl Engine {
    /// Whether what leaves a window is summarised.
    pub(crate) fn remembers(&self) -> bool {
        self.team.limits.summary_model.is_some()
    }

    /// The newest summary of a conversation, read beside its META: which one counts, META says. Without a model for summaries
    /// nothing is read.
    pub(crate) async fn newest_summary(
        &self,
        conversation: &ConversationId,
    ) -> Option<Arc<SummaryRecord>> {
        if !self.remembers() {
            return None;
        }
        let range = Range {
            partition: keys::partition(conversation),
            prefix: keys::SUMMARIES.to_owned(),
            after: None,
            order: Order::Descending,
            limit: 1,
        };
        // Where it fails, it is read by its key.
        let page = self.store.range(&range).await.ok()?;
        page.records.first().and_then(readable).map(Arc::new)
    }

    /// Gives a turn that begins its window, if its team has a model for summaries, and sees to it that `past` has the summary of
    /// the turn's window. Returns whether the turn's record has changed.
    pub(crate) async fn open_window(
        &self,
        conversation: &ConversationId,
        meta: &Meta,
        turn: &mut TurnRecord,
        past: &mut Past,
    ) -> Result<bool, StoreError> {
        if turn.window.is_some() || !self.remembers() {
            self.find_summary(conversation, turn, past).await?;
            return Ok(false);
        }
        self.find(conversation, meta.summarised, past).await?;
        turn.window = Some(fill::window(past, turn, &self.team.limits));
        Ok(true)
    }

    /// Sees to it that `past` has the summary of this turn's window.
    pub(crate) async fn find_summary(
        &self,
        conversation: &ConversationId,
        turn: &TurnRecord,
        past: &mut Past,
    ) -> Result<(), StoreError> {
        let upto = turn.window.map_or(0, |window| window.summary);
        self.find(conversation, upto, past).await
    }

    /// The summary of the turns up to this one, in place of another.
    async fn find(
        &self,
        conversation: &ConversationId,
        upto: TurnNumber,
        past: &mut Past,
    ) -> Result<(), StoreError> {
        if past.summary.as_ref().map_or(0, |summary| summary.upto) == upto {
            return Ok(());
        }
        past.summary = self.summary_at(conversation, upto).await?.map(Arc::new);
        Ok(())
    }

    /// The summary of the turns up to this one.
    pub(crate) async fn summary_at(
        &self,
        conversation: &ConversationId,
        upto: TurnNumber,
    ) -> Result<Option<SummaryRecord>, StoreError> {
        if upto == 0 {
            return Ok(None);
        }
        let stored = self.store.get(&keys::summary(conversation, upto)).await?;
        Ok(stored.as_ref().and_then(readable))
    }
}

/// Without one that cannot be read a conversation goes on, as if its beginning were forgotten.
fn readable(stored: &Stored) -> Option<SummaryRecord> {
    let read = decode(stored);
    read.inspect_err(|error| tracing::error!(%error, "a summary cannot be read"))
        .ok()
}
