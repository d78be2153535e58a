//! What an operator is shown of an action, and decides by: the one place here that knows how a decision is bound to it.

use std::sync::Arc;

use baton_handoff::record::ActionRecord;
use baton_handoff::{ActionPage, Decision, DecisionError, Engine, Operator, Reasons, Shown};

/// An action as an operator saw it.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) action: ActionRecord,
}

pub(crate) fn cards(page: ActionPage) -> Vec<Card> {
    let actions = page.actions.into_iter();
    actions.map(|action| Card { action }).collect()
}

impl Card {
    /// Decides by what the card shows, or `as_if` it had shown other arguments.
    pub(crate) async fn decide(
        &self,
        engine: &Arc<Engine>,
        operator: &Operator,
        decision: Decision,
        as_if: Option<&str>,
        reason: &str,
    ) -> Result<ActionRecord, DecisionError> {
        let mut shown = Shown::of(&self.action);
        if let Some(other) = as_if {
            other.clone_into(&mut shown.arguments_hash);
        }
        let reasons = Reasons {
            colleagues: Some(reason.to_owned()),
            customer: Some("it is so".to_owned()),
        };
        engine
            .action(&self.action.id)
            .decide(decision, &shown, operator, reasons)
            .await
    }
}
