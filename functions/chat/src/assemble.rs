//! Puts the parts of one machine together: SQLite, the back office, a model, the pool, the sweeper.

use std::sync::Arc;
use std::time::Duration;

use baton_backends::office::BackOffice;
use baton_handoff::ports::Queue;
use baton_handoff::team::Team;
use baton_handoff::{Engine, Ports};
use baton_worker::parts::{ModelInfo, Parts};
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

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
    parts: Parts,
    works: Works,
}

impl House {
    /// Opens the store and starts everything but the HTTP server.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let parts = Parts::open(settings).await?;
        let works = Works::of(parts.engine(), parts.ports().queue);
        Ok(Self {
            engine: works.engine.clone(),
            office: parts.office.clone(),
            model: parts.model_info.clone(),
            parts,
            works,
        })
    }

    /// Ends the pool and closes the store; what was not finished is found again at the next start.
    pub async fn close(self) {
        self.works.stop().await;
        self.parts.close().await;
    }
}
