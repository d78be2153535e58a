//! The common parts of every program of Baton: a store and a queue, the back office, a model, the team.
//! Knows the settings and the implementations of the ports; never HTTP routes.

#[cfg(feature = "embedded")]
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use baton_handoff::ports::{Env, Model, NoWebhooks, Provider, Store, Tools, Traces, Webhooks};
use baton_handoff::team::Team;
use baton_handoff::{Engine, EngineSettings, Ports};
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_stores::env::SystemEnv;
use baton_tools::http_tools::HttpProvider;
use baton_tools::mcp::{McpProvider, McpTools};
use baton_tools::office::BackOffice;
use baton_tools::outside::{Outside, SystemNames};
use baton_tools::tokens::ToolTokens;
use baton_tools::toolbox::{KINDS, Toolbox, providers};
use baton_tools::webhooks::HttpWebhooks;
use tokio_util::sync::CancellationToken;

use crate::kept_secret::secret_beside;
use crate::models;
use crate::records::{self, Records};
#[cfg(any(feature = "aws", test))]
use crate::settings::Values;
use crate::settings::{ModelChoice, Settings, ToolTokenSettings};
use crate::signed::signed;
use crate::traces;

/// The model's description for people.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// Its name, or the deployment's.
    pub name: String,
    /// Scripted, not a language model.
    pub rehearsal: bool,
}

/// The services of one process, opened and started.
pub struct Services {
    /// The language model.
    pub team: Arc<Team>,
    /// Orders and refunds.
    pub office: Arc<BackOffice>,
    /// The description of the model.
    pub model_info: ModelInfo,
    /// Signs the tokens that tools' services get.
    pub tool_tokens: Option<Arc<ToolTokens>>,
    records: Records,
    model: Arc<dyn Model>,
    tools: Arc<dyn Tools>,
    webhooks: Arc<dyn Webhooks>,
    traces: Option<Arc<dyn Traces>>,
    engine: EngineSettings,
    /// Ends the rehearsal model.
    stop: CancellationToken,
}

/// Compiles the parts that a function leaves to its first calls, and logs warnings about the team.
///
/// # Errors
/// The first mistake in a schema, as one sentence with file and line.
pub fn check_team(team: &Team) -> anyhow::Result<()> {
    for warning in team.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(team.compile_all()?)
}

impl Services {
    /// Opens and starts the services in the settings.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let system: Arc<dyn Env> = Arc::new(SystemEnv);
        let opening = records::open(settings, &system)?;
        let stop = CancellationToken::new();
        // Concurrent, because each of the three uses a processor fully, and a function's first customer waits for them.
        let team = settings.team.clone();
        let team = tokio::task::spawn_blocking(move || read_team(team.as_deref()));
        let build = |choice: ModelChoice| {
            let (env, stop) = (system.clone(), stop.clone());
            tokio::spawn(async move { build_model(&choice, &env, &stop).await })
        };
        let service = match &settings.model {
            ModelChoice::Service(_) => Some(build(settings.model.clone())),
            ModelChoice::Rehearsal { .. } => None,
        };
        let team = Arc::new(team.await.context("reading the team panicked")??);
        if let Some(agent) = team.needs_own_model() {
            settings.check_explicit(agent)?;
        }
        let own = match team.needs_own_model() {
            Some(_) => service.or_else(|| Some(build(settings.model.clone()))),
            None => service,
        };
        let (named_team, values, env) = (team.clone(), settings.values.clone(), system.clone());
        let named = tokio::task::spawn_blocking(move || models::named(&named_team, &values, &env));
        let records = opening.await?;
        check_lease(settings.keeping.lease, records.longest_answer)?;
        let tool_tokens = tool_tokens(&team, settings, &*records.env)?;
        let signer = tool_tokens.clone();
        let tools = toolbox(&team, settings, &records.env, &records.store, signer)?;
        let webhooks = webhooks(&team, settings, &records.env, &records.store)?;
        let traces = traces::traces(settings, &records.env)?;
        let own = match own {
            Some(own) => Some(
                own.await
                    .context("building the model's client panicked")??,
            ),
            None => None,
        };
        let named = named
            .await
            .context("building the models' clients panicked")??;
        let asked = own.iter().filter(|_| team.needs_own_model().is_some());
        let asked = asked.map(|(own, _)| own).chain(named.values());
        models::check_prices(&team, asked.map(|model| model.name()), system.now())?;
        let (own, info) = own.unzip();
        let model = models::all(&team, own, named).context("the team has no model")?;
        let model_info = info.unwrap_or_else(|| ModelInfo {
            name: model.name().to_owned(),
            rehearsal: false,
        });
        let office = Arc::new(BackOffice::new(records.store.clone(), records.env.clone()));
        Ok(Self {
            team,
            office,
            model_info,
            tool_tokens,
            records,
            model,
            tools: Arc::new(tools),
            webhooks,
            traces,
            engine: EngineSettings {
                lease: settings.keeping.lease,
                four_eyes_above_cents: settings.access.four_eyes_above_cents,
                retention: settings.keeping.retention,
                bounds: settings.bounds,
                is_one_of_many: settings.serving.routed_by_aws,
            },
            stop,
        })
    }

    /// The ports of an engine.
    pub fn ports(&self) -> Ports {
        Ports {
            store: self.records.store.clone(),
            queue: self.records.queue.clone(),
            model: self.model.clone(),
            tools: self.tools.clone(),
            webhooks: self.webhooks.clone(),
            traces: self.traces.clone(),
            env: self.records.env.clone(),
        }
    }

    /// How often a pool sweeps on this store.
    pub fn sweep_every(&self) -> Duration {
        self.records.sweep_every
    }

    /// Whether other programs than the HTTP server work on the queue.
    pub fn workers_elsewhere(&self) -> bool {
        self.records.workers_elsewhere
    }

    /// An engine on them.
    pub fn engine(&self) -> Arc<Engine> {
        Engine::with(self.team.clone(), self.ports(), self.engine)
    }

    /// Ends the rehearsal model and closes the file.
    pub async fn close(&self) {
        self.stop.cancel();
        if let Some(file) = &self.records.file {
            file.close().await;
        }
    }
}

/// The settings of a function: its environment, completed by its secrets.
///
/// # Errors
/// A sentence for the operator that started the program.
#[cfg(feature = "aws")]
pub async fn function_settings() -> anyhow::Result<Settings> {
    let mut values = Values::from_environment(None)?;
    let (secrets, tool_secrets) = (values.secrets(), values.tool_secrets());
    // Boxed, because reading is a large future; and concurrent, because a customer may wait.
    let (settings, variables) = futures_util::try_join!(
        Box::pin(records::read_secrets(&secrets)),
        Box::pin(records::read_secrets(&tool_secrets))
    )?;
    values.add_under(settings)?;
    values.add_for_tools(variables)?;
    Ok(Settings::read_explicit(&values)?)
}

/// Looks for region and credentials in all places of the AWS SDK, including profiles and metadata services, if the store is on
/// AWS: no network is used without need. For processes that run anywhere. A function has everything in its environment and does
/// not call this.
///
/// # Errors
/// A sentence for the operator that started the program.
pub async fn use_default_chain(settings: &Settings) -> anyhow::Result<()> {
    records::use_default_chain(settings).await
}

/// How much the clocks of two processes may differ.
const CLOCKS: Duration = Duration::from_secs(1);

/// A lease is renewed after a third of it. The store must then answer before the lease is over; otherwise a slow moment of the
/// store would cost leases, and three lost leases a turn.
fn check_lease(lease: Duration, longest_answer: Duration) -> anyhow::Result<()> {
    let shortest = (longest_answer + CLOCKS) * 3 / 2;
    anyhow::ensure!(
        lease >= shortest,
        "BATON_LEASE_SECONDS={} is too short for the store, which may take {} s to answer: the least is {}",
        lease.as_secs(),
        longest_answer.as_secs(),
        shortest.as_secs()
    );
    Ok(())
}

pub(crate) fn read_team(path: Option<&Path>) -> anyhow::Result<Team> {
    let Some(path) = path else {
        return Ok(Team::acme());
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("BATON_TEAM={name} cannot be read"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = |file: &str| read_beside(&folder.join(file));
    Ok(Team::parse_with(&name, &text, &providers(KINDS), &beside)?)
}

/// A text that the team file names. It is sent with each request, or is a schema: a larger one is another file by mistake.
fn read_beside(path: &Path) -> Result<String, String> {
    const MOST: u64 = 1024 * 1024;
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if bytes.len() > MOST {
        return Err(format!(
            "it has {} bytes, and {MOST} is the most",
            bytes.len()
        ));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The tools of the team, with their secrets from the environment.
pub(crate) fn toolbox(
    team: &Team,
    settings: &Settings,
    env: &Arc<dyn Env>,
    store: &Arc<dyn Store>,
    tokens: Option<Arc<ToolTokens>>,
) -> anyhow::Result<Toolbox> {
    let variables = |name: &str| settings.values.get(name).map(str::to_owned);
    let outside = outside(settings, env, store, tokens, &variables);
    Toolbox::open(KINDS, team, &outside).map_err(anyhow::Error::from_boxed)
}

/// The MCP servers of the team, for one who asks how their tools stand.
pub(crate) fn mcp_servers(
    team: &Team,
    settings: &Settings,
    env: &Arc<dyn Env>,
    store: &Arc<dyn Store>,
) -> anyhow::Result<McpTools> {
    let variables = |name: &str| settings.values.get(name).map(str::to_owned);
    let outside = outside(settings, env, store, None, &variables);
    Ok(McpTools::new(team, &outside)?)
}

/// The way to the endpoints of the team, with their secrets from the environment, and to those of clients.
pub(crate) fn webhooks(
    team: &Team,
    settings: &Settings,
    env: &Arc<dyn Env>,
    store: &Arc<dyn Store>,
) -> anyhow::Result<Arc<dyn Webhooks>> {
    let hosts = settings.tools.push_hosts.clone();
    if team.webhooks().is_empty() && hosts.is_empty() {
        return Ok(Arc::new(NoWebhooks));
    }
    let variables = |name: &str| settings.values.get(name).map(str::to_owned);
    let outside = outside(settings, env, store, None, &variables);
    Ok(Arc::new(HttpWebhooks::new(team, hosts, &outside)?))
}

fn outside<'a>(
    settings: &Settings,
    env: &Arc<dyn Env>,
    store: &Arc<dyn Store>,
    tokens: Option<Arc<ToolTokens>>,
    variables: &'a dyn Fn(&str) -> Option<String>,
) -> Outside<'a> {
    Outside {
        store: store.clone(),
        env: env.clone(),
        tokens,
        variables,
        networks: settings.tools.networks.clone(),
        plain_hosts: settings.values.plain_hosts(),
        extra_roots: Vec::new(),
        names: Arc::new(SystemNames),
        runs_programs: !settings.serving.routed_by_aws,
    }
}

/// The signer of the tokens that tools' services get, where the team has such tools. Beside a file a missing secret is made at the
/// first start. The instances of a function need theirs from the settings, because each must sign with the published key; without
/// one they send no tokens.
fn tool_tokens(
    team: &Team,
    settings: &Settings,
    env: &dyn Env,
) -> anyhow::Result<Option<Arc<ToolTokens>>> {
    let ToolTokenSettings { issuer, secrets } = &settings.tools.tokens;
    let outside = [HttpProvider.name(), McpProvider.name()];
    let calls_out = team
        .tools()
        .any(|tool| outside.contains(&tool.runs.provider));
    let secrets = match (secrets, &settings.keeping.cloud) {
        (Some(secrets), _) => secrets.clone(),
        (None, None) if calls_out => secret_beside(&settings.keeping.data, "tool-token", env)?,
        (None, _) => return Ok(None),
    };
    let tokens = ToolTokens::new(issuer, secrets.expose());
    let tokens = tokens.context("the secret of tool tokens cannot be used")?;
    Ok(Some(Arc::new(tokens)))
}

async fn build_model(
    choice: &ModelChoice,
    env: &Arc<dyn Env>,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<dyn Model>, ModelInfo)> {
    if let Some(built) = model_client(choice, env)? {
        return Ok(built);
    }
    let word_delay = match choice {
        ModelChoice::Service(_) => Duration::ZERO,
        ModelChoice::Rehearsal { word_delay_ms } => Duration::from_millis(*word_delay_ms),
    };
    let base_url = start_rehearsal(word_delay, None, stop.clone()).await?;
    let endpoint = Endpoint::OpenAi {
        base_url,
        model: "rehearsal".to_owned(),
        key: None,
    };
    let model = ModelClient::new(&ModelSettings::new(endpoint), env.clone())?;
    let info = ModelInfo {
        name: "rehearsal".to_owned(),
        rehearsal: true,
    };
    Ok((model, info))
}

/// The client of the service in the settings; `None` for the rehearsal model.
pub(crate) fn model_client(
    choice: &ModelChoice,
    env: &Arc<dyn Env>,
) -> anyhow::Result<Option<(Arc<dyn Model>, ModelInfo)>> {
    let ModelChoice::Service(settings) = choice else {
        return Ok(None);
    };
    let name = match &settings.endpoint {
        Endpoint::OpenAi { model, .. } | Endpoint::Service { model, .. } => model.clone(),
        Endpoint::Azure { deployment, .. } => deployment.clone(),
    };
    let info = ModelInfo {
        name,
        rehearsal: false,
    };
    let settings = signed(settings, env)?;
    let client = ModelClient::new(&settings, env.clone())?;
    Ok(Some((client, info)))
}

/// The rehearsal model on a free port of loopback, reached like any other service. `scenes`: a text of scenes before its own.
#[cfg(feature = "embedded")]
pub(crate) async fn start_rehearsal(
    word_delay: Duration,
    scenes: Option<&str>,
    stop: CancellationToken,
) -> anyhow::Result<String> {
    let scenes = scenes.map(baton_rehearsal::Scenes::with_first).transpose();
    let scenes = scenes.context("the scenes of the rehearsal model cannot be read")?;
    let scenes = scenes.unwrap_or_default();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("the rehearsal model found no free port on loopback")?;
    let address = listener.local_addr()?;
    let settings = baton_rehearsal::Settings { word_delay, scenes };
    tokio::spawn(async move {
        let stopped = async move { stop.cancelled().await };
        if let Err(error) = baton_rehearsal::serve(listener, settings, stopped).await {
            tracing::error!(%error, "the rehearsal model ended");
        }
    });
    Ok(format!("http://{address}/v1"))
}

#[cfg(not(feature = "embedded"))]
#[expect(clippy::unused_async, reason = "the other one waits for a port")]
pub(crate) async fn start_rehearsal(
    _: Duration,
    _: Option<&str>,
    _: CancellationToken,
) -> anyhow::Result<String> {
    anyhow::bail!(
        "BATON_MODEL_URL names no model's address, and this program was built without the rehearsal model, the feature `embedded`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlasts_the_longest_answer_of_the_store() {
        let check = |lease, answer| {
            check_lease(Duration::from_secs(lease), Duration::from_secs(answer))
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(18, 11), Ok(()));
        assert_eq!(
            check(17, 11).unwrap_err(),
            "BATON_LEASE_SECONDS=17 is too short for the store, which may take 11 s to answer: the least is 18"
        );
        assert_eq!(check(30, 19), Ok(()));
        assert!(check(29, 19).is_err());
    }

    #[cfg(feature = "embedded")]
    #[tokio::test]
    async fn a_server_on_a_file_does_not_start_with_a_lease_that_the_file_may_outlast() {
        let folder = std::env::temp_dir().join(format!("baton-lease-{}", std::process::id()));
        let open = async |lease: &str| {
            let mut values = Values::default();
            values.set("BATON_DATA", folder.join("baton.db").display().to_string());
            values.set("BATON_LEASE_SECONDS", lease.to_owned());
            let settings = Settings::read(&values).unwrap();
            match Services::open(&settings).await {
                Ok(parts) => {
                    parts.close().await;
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            }
        };
        assert_eq!(
            open("3").await.unwrap_err(),
            "BATON_LEASE_SECONDS=3 is too short for the store, which may take 5 s to answer: the least is 9"
        );
        assert_eq!(open("9").await, Ok(()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
