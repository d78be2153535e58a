//! Reads the trace of a turn. What must be sent of it, and when, stands beside the notices for other endpoints.

use super::action;
use super::span::Trace;
use super::turn::{ModelNames, Turn};
use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::{Delivered, StoreError};
use crate::principal::Owner;
use crate::record::journal::{JournaledTurn, read_actions, read_meta, read_turn};

/// Which actions are in the trace of a turn.
enum Actions {
    /// Those of whose end it was told, whichever turn accepted them: over all turns each of them is sent once.
    Told,
    /// Those that it accepted, also while they are open.
    Accepted,
}

impl Engine {
    /// The trace of a turn with all its actions as they are now, for people. None: there is no such turn.
    ///
    /// # Errors
    /// The store's, and that a record cannot be read.
    pub async fn trace(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
    ) -> Result<Option<Trace>, StoreError> {
        let Some((_, meta)) = read_meta(&*self.store, conversation).await? else {
            return Ok(None);
        };
        self.read_trace(conversation, &meta.owner, turn, &Actions::Accepted)
            .await
    }

    /// Sends a trace at once. None: traces are sent nowhere.
    pub async fn send_trace(&self, trace: &Trace) -> Option<Delivered> {
        match &self.traces {
            Some(traces) => Some(traces.send(trace).await),
            None => None,
        }
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
        Ok(meta.map(|(_, meta)| meta.next_turn - 1))
    }

    /// What is sent of a turn that has ended.
    pub(crate) async fn trace_to_send(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        turn: TurnNumber,
    ) -> Result<Option<Trace>, StoreError> {
        self.read_trace(conversation, owner, turn, &Actions::Told)
            .await
    }

    async fn read_trace(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        number: TurnNumber,
        which: &Actions,
    ) -> Result<Option<Trace>, StoreError> {
        let Some(journal) = read_turn(&*self.store, conversation, number).await? else {
            return Ok(None);
        };
        let model = |name: &str| self.model_names(name);
        let turn = Turn {
            conversation,
            owner,
            journal: &journal,
            model: &model,
        };
        let mut spans = turn.spans();
        let actions = match which {
            Actions::Told => read_actions(&*self.store, &told(&journal)).await?,
            Actions::Accepted => journal.actions,
        };
        let now = self.env.now();
        for action in &actions {
            spans.extend(action::spans_of(action, now));
        }
        Ok(Some(Trace {
            conversation: conversation.clone(),
            turn: number,
            spans,
        }))
    }

    /// The service's names behind that of a step.
    fn model_names(&self, name: &str) -> ModelNames {
        let model = self.model.named(name);
        let model = model.as_deref().unwrap_or(&*self.model);
        ModelNames {
            name: model.name().to_owned(),
            provider: model.provider(),
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
