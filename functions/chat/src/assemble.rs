//! Puts the parts of one machine together: SQLite, the back office, a model, the pool, the sweeper.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use baton_backends::env::SystemEnv;
use baton_backends::model::{Endpoint, ModelSettings, OpenAiModel};
use baton_backends::office::BackOffice;
use baton_backends::presence::{Presence, PresentEnv};
use baton_backends::sqlite::SqliteStore;
use baton_handoff::ports::{Env, Model, Queue, Store};
use baton_handoff::team::{Runs, Team};
use baton_handoff::{Engine, Ports};
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::router::ModelInfo;
use crate::settings::{ModelChoice, Settings};

/// How often the local server looks for what nobody is at.
const SWEEP: Duration = Duration::from_secs(3);

/// How long work at hand may take when the server ends.
const POOL_GRACE: Duration = Duration::from_secs(1);

/// An engine and what works for it beside the HTTP server: the pool and the sweeper.
pub struct Works {
    /// Where conversations go on.
    pub engine: Arc<Engine>,
    pool: Pool,
    stop: CancellationToken,
}

impl Works {
    /// Starts them on these ports, whatever is behind the ports.
    pub fn start(team: Arc<Team>, ports: Ports) -> Self {
        let queue = ports.queue.clone();
        Self::of(Engine::new(team, ports), queue)
    }

    /// Starts them for this engine, on its queue.
    pub fn of(engine: Arc<Engine>, queue: Arc<dyn Queue>) -> Self {
        let stop = CancellationToken::new();
        let pool = Pool::start(
            queue,
            Arc::new(EngineWork(engine.clone())),
            Lanes::default(),
        );
        tokio::spawn(sweep_until(engine.clone(), SWEEP, stop.clone()));
        Self { engine, pool, stop }
    }

    /// Ends them; what was not finished is found again at the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(POOL_GRACE, self.pool.drain())
            .await
            .is_err()
        {
            tracing::info!("some work was left to the next start");
        }
    }
}

/// The parts of one machine, running.
pub struct House {
    /// Where conversations go on.
    pub engine: Arc<Engine>,
    /// Orders and refunds.
    pub office: Arc<BackOffice>,
    /// What to say of the model.
    pub model: ModelInfo,
    store: Arc<SqliteStore>,
    works: Works,
    /// Ends the rehearsal model.
    stop: CancellationToken,
}

impl House {
    /// Opens the store and starts everything but the HTTP server.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        let team = Arc::new(read_team(settings.team.as_deref())?);
        let store = Arc::new(SqliteStore::open(&settings.data, env.clone())?);
        let queue: Arc<dyn Queue> = Arc::new(store.queue());
        let records: Arc<dyn Store> = store.clone();
        let stop = CancellationToken::new();
        let (model, info) = build_model(&settings.model, &env, &stop).await?;
        let office = Arc::new(BackOffice::new(records.clone(), env.clone()));
        let ports = Ports {
            store: records,
            queue: queue.clone(),
            model,
            tools: office.clone(),
            env: present_env(&settings.data),
        };
        let works = Works::of(Engine::with_lease(team, ports, settings.lease), queue);
        Ok(Self {
            engine: works.engine.clone(),
            office,
            model: info,
            store,
            works,
            stop,
        })
    }

    /// Ends the pool and closes the store; what was not finished is found again at the next start.
    pub async fn close(self) {
        self.works.stop().await;
        self.stop.cancel();
        self.store.close().await;
    }
}

/// Without a name in the folder this process is like one of another machine: what it leaves behind is waited for.
fn present_env(data: &Path) -> Arc<dyn Env> {
    match Presence::beside(data) {
        Ok(presence) => Arc::new(PresentEnv(presence)),
        Err(error) => {
            tracing::warn!(%error, "after a crash, turns will wait for the end of their leases: the data's folder has no file locks");
            Arc::new(SystemEnv)
        }
    }
}

fn read_team(path: Option<&Path>) -> anyhow::Result<Team> {
    let Some(path) = path else {
        return Ok(Team::acme());
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("BATON_TEAM={name} cannot be read"))?;
    let team = Team::parse(&name, &text)?;
    if let Some(tool) = team.tools().find(|tool| matches!(tool.runs, Runs::Http(_))) {
        anyhow::bail!(
            "{name}: tool \"{}\" calls out by [tool.http], which this version of Baton does not carry out yet",
            tool.name
        );
    }
    Ok(team)
}

async fn build_model(
    choice: &ModelChoice,
    env: &Arc<dyn Env>,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<dyn Model>, ModelInfo)> {
    let (settings, rehearsal) = match choice {
        ModelChoice::Service(settings) => (settings.as_ref().clone(), false),
        ModelChoice::Rehearsal { word_delay_ms } => {
            let base_url =
                start_rehearsal(Duration::from_millis(*word_delay_ms), stop.clone()).await?;
            let endpoint = Endpoint::OpenAi {
                base_url,
                model: "rehearsal".to_owned(),
                key: None,
            };
            (ModelSettings::new(endpoint), true)
        }
    };
    let name = match &settings.endpoint {
        Endpoint::OpenAi { model, .. } => model.clone(),
        Endpoint::Azure { deployment, .. } => deployment.clone(),
    };
    let model = OpenAiModel::new(&settings, env.clone())?;
    Ok((model, ModelInfo { name, rehearsal }))
}

/// The rehearsal model on a free port of loopback, reached like any other service.
async fn start_rehearsal(word_delay: Duration, stop: CancellationToken) -> anyhow::Result<String> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("the rehearsal model found no free port on loopback")?;
    let address = listener.local_addr()?;
    let settings = baton_rehearsal::Settings { word_delay };
    tokio::spawn(async move {
        let stopped = async move { stop.cancelled().await };
        if let Err(error) = baton_rehearsal::serve(listener, settings, stopped).await {
            tracing::error!(%error, "the rehearsal model ended");
        }
    });
    Ok(format!("http://{address}/v1"))
}
