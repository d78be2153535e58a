//! The backend of the router: an engine on the services of this process, and the pool and the sweeper if they run in this
//! process.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Env, Queue};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Ports};
use baton_setup::{ModelInfo, Services, check_team};
use baton_tools::office::BackOffice;
use baton_tools::tokens::ToolTokens;
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// How often workers beside the HTTP server sweep, on any store: no other process may do it.
const SWEEP: Duration = Duration::from_secs(3);

/// How long running work may take when the server ends.
const POOL_GRACE: Duration = Duration::from_secs(1);

/// An engine, and the workers beside the HTTP server: the pool and the sweeper.
pub struct Workers {
    /// The engine of the workers.
    pub engine: Arc<Engine>,
    pool: Pool,
    stop: CancellationToken,
}

impl Workers {
    /// Starts them on these ports.
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

    /// Ends them; the next start finds unfinished work.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(POOL_GRACE, self.pool.drain())
            .await
            .is_err()
        {
            tracing::info!("unfinished work is left to the next start");
        }
    }
}

/// The services of this process with an engine on them.
pub struct Backend {
    /// The engine of all conversations.
    pub engine: Arc<Engine>,
    /// Orders and refunds.
    pub office: Arc<BackOffice>,
    /// The model's description for people.
    pub model: ModelInfo,
    /// The public keys of the tokens that tools' services get.
    pub tool_tokens: Option<Arc<ToolTokens>>,
    services: Services,
    workers: Option<Workers>,
}

impl Backend {
    /// Opens the services, and starts workers beside the HTTP server on any store.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn with_workers(settings: &Settings) -> anyhow::Result<Self> {
        let services = Services::open(settings).await?;
        check_team(&services.team)?;
        Ok(Self::of(services, true))
    }

    /// Opens the services, and starts workers only if no other program works on the store's queue.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let services = Services::open(settings).await?;
        let workers = !services.workers_elsewhere();
        if workers {
            check_team(&services.team)?;
        }
        Ok(Self::of(services, workers))
    }

    fn of(services: Services, workers: bool) -> Self {
        let engine = services.engine();
        let workers = workers.then(|| Workers::of(engine.clone(), services.ports().queue));
        Self {
            engine,
            office: services.office.clone(),
            model: services.model_info.clone(),
            tool_tokens: services.tool_tokens.clone(),
            services,
            workers,
        }
    }

    /// The clock and the randomness of the services.
    pub fn env(&self) -> Arc<dyn Env> {
        self.services.ports().env
    }

    /// Whether other programs work on the queue.
    pub fn workers_elsewhere(&self) -> bool {
        self.workers.is_none()
    }

    /// Ends the workers and closes the store; the next start finds unfinished work.
    pub async fn close(self) {
        if let Some(workers) = self.workers {
            workers.stop().await;
        }
        self.services.close().await;
    }
}
