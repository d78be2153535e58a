//! The models of a deployment: its own, and those that the team file names.
//! Knows clients and settings; never what an agent asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_handoff::ports::{Env, Millis, Model, ModelError, ModelRequest, ModelStream};
use baton_handoff::team::{Team, TeamModel};
use baton_models::ModelClient;
use futures_util::future::BoxFuture;

use crate::settings::{Values, team_model};
use crate::signed::signed;

/// The deployment's own model, which knows the others.
struct Models {
    own: Arc<dyn Model>,
    named: Named,
}

/// Models by the names that the team file has for them.
pub(crate) type Named = BTreeMap<String, Arc<dyn Model>>;

impl Model for Models {
    fn name(&self) -> &str {
        self.own.name()
    }

    fn provider(&self) -> &'static str {
        self.own.provider()
    }

    fn output_tokens(&self) -> u32 {
        self.own.output_tokens()
    }

    fn named(&self, name: &str) -> Option<Arc<dyn Model>> {
        self.named.get(name).cloned()
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        self.own.clone().stream(request)
    }
}

/// The clients of the models that the team names.
///
/// # Errors
/// The first mistake, as one sentence with file and line.
pub(crate) fn named(team: &Team, values: &Values, env: &Arc<dyn Env>) -> anyhow::Result<Named> {
    let mut named = Named::new();
    for model in team.models() {
        named.insert(model.name.clone(), client(team, model, values, env)?);
    }
    Ok(named)
}

fn client(
    team: &Team,
    model: &TeamModel,
    values: &Values,
    env: &Arc<dyn Env>,
) -> anyhow::Result<Arc<dyn Model>> {
    let settings = team_model::read(values, model)
        .map_err(|bad| team.model_mistake(model, bad.key, bad.sentence))?;
    let settings = signed(&settings, env)?;
    let client = ModelClient::new(&settings, env.clone()).map_err(|error| {
        let sentence = format!("model {:?} cannot be used: {error}", model.name);
        team.model_mistake(model, "url", sentence)
    })?;
    Ok(client)
}

/// The model of the engine. A team whose agents all name models has no use for another: then the first of them stands in its place.
pub(crate) fn all(
    team: &Team,
    own: Option<Arc<dyn Model>>,
    named: Named,
) -> Option<Arc<dyn Model>> {
    let first = || named.get(team.entry_agent().models.first()?).cloned();
    let own = own.or_else(first)?;
    if named.is_empty() {
        return Some(own);
    }
    Some(Arc::new(Models { own, named }))
}

/// Money can only be counted where every model has a price: without one no call would ever fit a budget.
pub(crate) fn check_prices<'a>(
    team: &Team,
    models: impl IntoIterator<Item = &'a str>,
    now: Millis,
) -> anyhow::Result<()> {
    for model in models {
        anyhow::ensure!(
            !team.budgets.count_money() || team.price(model, now).is_some(),
            "the team file has a budget in US dollars and no price that holds today for the model {model:?}: add a [[price]]"
        );
    }
    Ok(())
}
