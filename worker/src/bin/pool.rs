//! The pool as a process of its own: works on the queue of a file or of AWS until it is asked to end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_setup::settings::{Settings, Values};
use baton_setup::signals::Signals;
use baton_setup::{Services, check_team, log, use_default_chain};
use baton_worker::{EngineWork, Lanes, Pool, sweep_until};
use tokio_util::sync::CancellationToken;

/// The time for running work after a request to end; unfinished work is found again.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::read_explicit(&Values::from_environment(Some(Path::new(".env")))?)?;
    log::start(&settings.log)?;
    let mut signals = Signals::listen()?;
    use_default_chain(&settings).await?;
    let opened = Services::open(&settings).await?;
    check_team(&opened.team)?;
    let queue = opened.ports().queue;
    let engine = opened.engine();
    let pool = Pool::start(
        queue,
        Arc::new(EngineWork(engine.clone())),
        Lanes::default(),
    );
    let stop = CancellationToken::new();
    tokio::spawn(sweep_until(
        engine.clone(),
        opened.sweep_every(),
        stop.clone(),
    ));
    tracing::info!(model = opened.model_info.name, "the pool works");
    signals.received().await;
    stop.cancel();
    engine.drain();
    if tokio::time::timeout(GRACE, pool.drain()).await.is_err() {
        tracing::info!("unfinished work is left to other processes");
    }
    opened.close().await;
    Ok(())
}
