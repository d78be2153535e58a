//! A team with its models, apart from a deployment's records: each scratch has a store and a queue of its own, in memory.
//! For tests of conversations. Knows how parts are put together; never what is tested.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use baton_handoff::ports::{
    Env, Millis, Model, ModelError, ModelRequest, ModelStream, NoWebhooks, Queue, Store,
    ToolChoice, Tools,
};
use baton_handoff::team::Team;
use baton_handoff::{Bounds, Engine, EngineSettings, Ports};
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_stores::env::SystemEnv;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_tools::office::BackOffice;
use baton_tools::tokens::ToolTokens;
use baton_tools::toolbox::Toolbox;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::models::{self, Named};
use crate::services::{check_team, read_team, start_rehearsal, toolbox};
use crate::settings::{ModelChoice, Settings, ToolTokenSettings, team_model};
use crate::signed::signed;

/// The name of the rehearsal model, for people.
const REHEARSAL: &str = "the rehearsal model: scripted answers, no language model";

/// Who answers as the team's models.
#[derive(Debug, Clone)]
pub enum Actors {
    /// The models of the settings and of the team file.
    OfSettings,
    /// The rehearsal model in the place of every model, with these scenes before its own.
    Rehearsal {
        /// The text of a file of scenes.
        scenes: Option<String>,
    },
}

/// A team and its models, without records.
pub struct Sandbox {
    /// The team.
    pub team: Arc<Team>,
    /// The models of its agents.
    pub models: Vec<CastModel>,
    clients: Clients,
    model: Arc<dyn Model>,
    /// Ends the rehearsal model.
    stop: CancellationToken,
}

/// A model of the team's agents, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastModel {
    /// Its name in the team file, or a phrase.
    pub role: String,
    /// Its service's name for it, and the host of the service.
    pub model: String,
}

/// What clients of models are built from.
struct Clients {
    team: Arc<Team>,
    settings: Settings,
    env: Arc<dyn Env>,
    /// The address of the rehearsal model, where it is started.
    rehearsal: Option<String>,
    /// Whether it plays every model.
    plays_all: bool,
}

/// A store and a queue in memory, with an empty back office.
pub struct Scratch {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The messages to workers.
    pub queue: Arc<dyn Queue>,
    /// Orders and refunds, in this store.
    pub office: Arc<BackOffice>,
}

/// The rehearsal model by another name, so that the team's own names lead to it.
struct ForEachName(Arc<dyn Model>);

impl Model for ForEachName {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn output_tokens(&self) -> u32 {
        self.0.output_tokens()
    }

    fn named(&self, _: &str) -> Option<Arc<dyn Model>> {
        Some(self.0.clone())
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        self.0.clone().stream(request)
    }
}

impl Sandbox {
    /// Reads the team and prepares its models. The data of the settings is not touched.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn open(settings: Settings, actors: Actors) -> anyhow::Result<Self> {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        let stop = CancellationToken::new();
        let team = Arc::new(read_team(settings.team.as_deref())?);
        check_team(&team)?;
        let needs_own = team.needs_own_model().is_some();
        let plays_all = matches!(actors, Actors::Rehearsal { .. });
        let scenes = match actors {
            Actors::Rehearsal { scenes } => Some(scenes),
            Actors::OfSettings => {
                let is_rehearsal = matches!(settings.model, ModelChoice::Rehearsal { .. });
                (needs_own && is_rehearsal).then_some(None)
            }
        };
        let rehearsal = match &scenes {
            None => None,
            Some(scenes) => {
                let url = start_rehearsal(Duration::ZERO, scenes.as_deref(), stop.clone());
                Some(url.await?)
            }
        };
        let clients = Clients {
            team,
            settings,
            env,
            rehearsal,
            plays_all,
        };
        let (model, models) = clients.cast(needs_own)?;
        Ok(Self {
            team: clients.team.clone(),
            models,
            clients,
            model,
            stop,
        })
    }

    /// A client of the team's model of this name, or of the deployment's own. `must_call`: each first response calls a tool.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub fn client(&self, name: Option<&str>, must_call: bool) -> anyhow::Result<Arc<dyn Model>> {
        self.clients.client(name, must_call)
    }

    /// Whether that client is one of the rehearsal model, which can neither judge nor play a customer.
    pub fn is_rehearsal(&self, name: Option<&str>) -> bool {
        let Clients {
            rehearsal,
            plays_all,
            ..
        } = &self.clients;
        rehearsal.is_some() && (*plays_all || name.is_none())
    }

    /// A store and a queue that nothing else has.
    pub fn scratch(&self) -> Scratch {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(self.clients.env.clone()));
        Scratch {
            queue: Arc::new(MemoryQueue::new(self.clients.env.clone())),
            office: Arc::new(BackOffice::new(store.clone(), self.clients.env.clone())),
            store,
        }
    }

    /// The team's tools as a deployment has them: their calls reach real services. Only on request.
    ///
    /// # Errors
    /// The first unusable tool, as one sentence.
    pub fn real_tools(&self, scratch: &Scratch) -> anyhow::Result<Toolbox> {
        let ToolTokenSettings { issuer, secrets } = &self.clients.settings.tools.tokens;
        let signer = match secrets {
            Some(secrets) => Some(Arc::new(ToolTokens::new(issuer, secrets.expose())?)),
            None => None,
        };
        toolbox(
            &self.team,
            &self.clients.settings,
            &self.clients.env,
            &scratch.store,
            signer,
        )
    }

    /// An engine on these records, whose calls go to these tools. Other systems are told nothing.
    pub fn engine(&self, scratch: &Scratch, tools: Arc<dyn Tools>) -> Arc<Engine> {
        let ports = Ports {
            store: scratch.store.clone(),
            queue: scratch.queue.clone(),
            model: self.model.clone(),
            tools,
            webhooks: Arc::new(NoWebhooks),
            traces: None,
            env: self.clients.env.clone(),
        };
        let settings = EngineSettings {
            four_eyes_above_cents: self.clients.settings.access.four_eyes_above_cents,
            // A test writes faster than a customer may.
            bounds: Bounds::off(),
            ..EngineSettings::default()
        };
        Engine::with(self.team.clone(), ports, settings)
    }

    /// The time, in milliseconds since 1970.
    pub fn now(&self) -> Millis {
        self.clients.env.now()
    }

    /// Ends the rehearsal model.
    pub fn close(&self) {
        self.stop.cancel();
    }
}

impl Clients {
    /// The engine's model, and what each model is, for people.
    fn cast(&self, needs_own: bool) -> anyhow::Result<(Arc<dyn Model>, Vec<CastModel>)> {
        let mut models = Vec::new();
        let mut cast = |role: &str, model: &str| {
            models.push(CastModel {
                role: role.to_owned(),
                model: model.to_owned(),
            });
        };
        let mut asked = Vec::new();
        if self.plays_all {
            let own = self.client(None, false)?;
            models::check_prices(&self.team, [own.name()], self.env.now())?;
            cast("every agent", REHEARSAL);
            return Ok((Arc::new(ForEachName(own)), models));
        }
        let mut named = Named::new();
        let own = needs_own.then(|| self.client(None, false)).transpose()?;
        if let Some(own) = &own {
            let what = match &self.rehearsal {
                Some(_) => REHEARSAL.to_owned(),
                None => self.at(None, own.name())?,
            };
            cast("the deployment's own", &what);
            asked.push(own.name().to_owned());
        }
        for model in self.team.models() {
            let client = self.client(Some(&model.name), false)?;
            cast(&model.name, &self.at(Some(&model.name), client.name())?);
            asked.push(client.name().to_owned());
            named.insert(model.name.clone(), client);
        }
        let asked = asked.iter().map(String::as_str);
        models::check_prices(&self.team, asked, self.env.now())?;
        let model = models::all(&self.team, own, named).context("the team has no model")?;
        Ok((model, models))
    }

    /// A client of the team's model of this name, or of the deployment's own. `must_call`: each first response calls a tool.
    fn client(&self, name: Option<&str>, must_call: bool) -> anyhow::Result<Arc<dyn Model>> {
        let mut settings = self.model_settings(name)?;
        if must_call {
            settings.options.tool_choice = Some(ToolChoice::Required);
        }
        let settings = signed(&settings, &self.env)?;
        Ok(ModelClient::new(&settings, self.env.clone())?)
    }

    /// A model and the host of its service.
    fn at(&self, name: Option<&str>, model: &str) -> anyhow::Result<String> {
        let url = match self.model_settings(name)?.endpoint {
            Endpoint::OpenAi { base_url, .. } | Endpoint::Service { base_url, .. } => base_url,
            Endpoint::Azure { resource, .. } => resource,
        };
        let (_, place) = url.split_once("://").unwrap_or(("", &url));
        let host = place.split(['/', '?']).next().unwrap_or_default();
        // What stands before an @ may be a password.
        let host = host.rsplit('@').next().unwrap_or_default();
        Ok(format!("{model} at {host}"))
    }

    fn model_settings(&self, name: Option<&str>) -> anyhow::Result<ModelSettings> {
        match (&self.rehearsal, name, &self.settings.model) {
            (Some(base_url), None, _) => Ok(scripted(base_url)),
            (Some(base_url), Some(_), _) if self.plays_all => Ok(scripted(base_url)),
            (_, Some(name), _) => {
                let mut models = self.team.models().iter();
                let model = models.find(|model| model.name == name);
                let model = model.with_context(|| {
                    format!("the team file has no [[model]] with the name {name:?}")
                })?;
                let read = team_model::read(&self.settings.values, model);
                Ok(read.map_err(|bad| self.team.model_mistake(model, bad.key, bad.sentence))?)
            }
            (None, None, ModelChoice::Service(settings)) => Ok((**settings).clone()),
            (None, None, ModelChoice::Rehearsal { .. }) => anyhow::bail!(
                "no model is set for this: set BATON_MODEL_URL, or name a [[model]] of the team file"
            ),
        }
    }
}

/// The settings of a client of the rehearsal model.
fn scripted(base_url: &str) -> ModelSettings {
    ModelSettings::new(Endpoint::OpenAi {
        base_url: base_url.to_owned(),
        model: "rehearsal".to_owned(),
        key: None,
    })
}
