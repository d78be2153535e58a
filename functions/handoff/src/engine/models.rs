//! The models of an agent: which one is asked first, and which one next. Knows names, the team and circuits; never a request.

use std::sync::Arc;

use crate::engine::Engine;
use crate::ports::Model;
use crate::record::StepRecord;
use crate::team::Agent;

/// A model under the name by which steps know it.
#[derive(Clone)]
pub(crate) struct Chosen {
    /// Its name in the team file, or that of the deployment's own model.
    pub(crate) name: Arc<str>,
    pub(crate) model: Arc<dyn Model>,
    /// Whether its agent has others, so that a circuit is kept for it.
    pub(crate) has_others: bool,
}

impl Engine {
    /// The model of an agent's next response. `last`: the turn's last step.
    ///
    /// After a fallback the turn stays with that model, also with the next agent, if that one has it too.
    pub(crate) fn first_model(&self, agent: &Agent, last: Option<&StepRecord>) -> Chosen {
        if let Some(last) = last
            && (last.agent == agent.name || self.was_a_fallback(last))
            && agent.models.contains(&last.asked.model)
            && let Some(model) = self.model_of(agent, &last.asked.model)
        {
            return model;
        }
        self.next_model(agent, &[]).unwrap_or_else(|| Chosen {
            name: Arc::from(self.model.name()),
            model: self.model.clone(),
            has_others: false,
        })
    }

    /// The agent's first model that was not tried. One whose circuit is open comes last.
    pub(crate) fn next_model(&self, agent: &Agent, tried: &[Arc<str>]) -> Option<Chosen> {
        let names = || {
            let names = agent.models.iter();
            names.filter(|name| tried.iter().all(|tried| **tried != ***name))
        };
        let closed = names().find(|name| agent.models.len() == 1 || self.lets_through(name));
        let mut names = closed.into_iter().chain(names());
        names.find_map(|name| self.model_of(agent, name))
    }

    fn model_of(&self, agent: &Agent, name: &str) -> Option<Chosen> {
        let model = self.model.named(name);
        if model.is_none() {
            tracing::error!(model = name, "no model has this name");
        }
        Some(Chosen {
            name: Arc::from(name),
            model: model?,
            has_others: agent.models.len() > 1,
        })
    }

    /// Whether this step's model was not the preferred one of its agent.
    fn was_a_fallback(&self, step: &StepRecord) -> bool {
        let agent = self.team.agent(&step.agent);
        let preferred = agent.and_then(|agent| agent.models.first());
        preferred.is_some_and(|preferred| *preferred != step.asked.model)
    }
}
