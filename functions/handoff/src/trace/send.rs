//! Reads the trace of a turn. What must be sent of it, and when, stands beside the notices for other endpoints.

use super::action;
use super::span::{Span, Trace};
use super::turn::{ModelNames, Turn};
use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::{Delivered, StoreError};
use crate::principal::Owner;
use crate::record::journal::{JournaledTurn, read_actions, read_meta, read_turn};

impl Engine {
    /// The trace of a turn with all actions that it accepted, as they are now, for people. None: there is no such turn.
    ///
    /// # Errors
    /// The store's, and that a record cannot be read.
    pub async fn trace(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
    ) -> Result<Option<Trace>, StoreError> {
        let Some((owner, journal)) = self.journal_of(conversation, turn).await? else {
            return Ok(None);
        };
        let mut spans = self.spans_of_turn(conversation, &owner, &journal);
        let now = self.env.now();
        let actions = journal.actions.iter();
        spans.extend(actions.flat_map(|action| action::all(action, now)));
        Ok(Some(Trace {
            conversation: conversation.clone(),
            turn,
            spans,
        }))
    }

    /// Sends what is sent of a turn that has ended, once more. None: traces are sent nowhere, or there is no such turn that has ended.
    ///
    /// # Errors
    /// The store's, and that a record cannot be read.
    pub async fn send_trace(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
    ) -> Result<Option<Delivered>, StoreError> {
        let Some(traces) = &self.traces else {
            return Ok(None);
        };
        let Some((owner, journal)) = self.journal_of(conversation, turn).await? else {
            return Ok(None);
        };
        if journal.record.ended_at.is_none() {
            return Ok(None);
        }
        let trace = self.trace_of_ended(conversation, &owner, &journal).await?;
        Ok(Some(traces.send(&trace).await))
    }

    /// Whether traces are sent anywhere.
    pub fn sends_traces(&self) -> bool {
        self.traces.is_some()
    }

    /// The number of the conversation's last turn.
    ///
    /// # Errors
    /// The store's.
    pub async fn last_turn(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<TurnNumber>, StoreError> {
        let meta = read_meta(&*self.store, conversation).await?;
        Ok(meta.map(|(_, meta)| meta.next_turn.saturating_sub(1)))
    }

    /// What is sent of a turn that has ended. None: it was erased.
    pub(crate) async fn trace_to_send(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        turn: TurnNumber,
    ) -> Result<Option<Trace>, StoreError> {
        match read_turn(&*self.store, conversation, turn).await? {
            Some(journal) => {
                let trace = self.trace_of_ended(conversation, owner, &journal);
                trace.await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn journal_of(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
    ) -> Result<Option<(Owner, JournaledTurn)>, StoreError> {
        let meta = read_meta(&*self.store, conversation).await?;
        let Some((_, meta)) = meta.filter(|(_, meta)| turn >= meta.erased_below) else {
            return Ok(None);
        };
        let journal = read_turn(&*self.store, conversation, turn).await?;
        Ok(journal.map(|journal| (meta.owner, journal)))
    }

    /// With the actions of whose end it was told, whichever turn accepted them: over all turns each of them is there once.
    async fn trace_of_ended(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        journal: &JournaledTurn,
    ) -> Result<Trace, StoreError> {
        let mut spans = self.spans_of_turn(conversation, owner, journal);
        let actions = read_actions(&*self.store, &told(journal)).await?;
        // One that an operator has had tried again meanwhile is told again.
        let ended = actions.iter().filter(|action| action.state.is_terminal());
        spans.extend(ended.flat_map(action::told));
        Ok(Trace {
            conversation: conversation.clone(),
            turn: journal.number,
            spans,
        })
    }

    fn spans_of_turn(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        journal: &JournaledTurn,
    ) -> Vec<Span> {
        let model = |name: &str| self.model_names(name);
        let turn = Turn {
            conversation,
            owner,
            journal,
            model: &model,
        };
        turn.spans()
    }

    /// The service's names behind that of a step.
    fn model_names(&self, name: &str) -> ModelNames {
        let named = self.model.named(name);
        let own = Some(&*self.model).filter(|own| name.is_empty() || own.name() == name);
        match named.as_deref().or(own) {
            Some(model) => ModelNames {
                name: model.name().to_owned(),
                provider: model.provider(),
            },
            // The team does not name it any more.
            None => ModelNames {
                name: name.to_owned(),
                provider: "",
            },
        }
    }
}

/// The actions of whose end a turn's models were told.
fn told(turn: &JournaledTurn) -> Vec<ActionId> {
    let steps = turn.steps.iter();
    let results = steps.flat_map(|step| &step.results);
    let results = results.chain(&turn.record.results);
    let ended = results.filter_map(|result| result.ended.as_ref());
    let late = turn.steps.iter().flat_map(|step| &step.late_results);
    let ended = ended.map(|ended| &ended.action);
    ended
        .chain(late.map(|late| &late.action))
        .cloned()
        .collect()
}
