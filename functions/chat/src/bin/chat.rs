//! The function: the same router as the local server's, behind a Lambda function URL or a streaming REST API.

use std::sync::Arc;
use std::time::Duration;

use baton_chat::backend::Backend;
use baton_chat::lambda::{self, Runtime};
use baton_chat::{App, Auth, Exposure, router};
use baton_handoff::Engine;
use baton_setup::{function_settings, log};
use tokio::signal::unix::{SignalKind, signal};

/// AWS gives a function half a second between SIGTERM and SIGKILL.
const LAST_WORDS: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = function_settings().await?;
    log::start(&settings.log)?;
    let backend = Backend::build(&settings).await?;
    let engine = backend.engine.clone();
    let app = App {
        engine: engine.clone(),
        exposure: Arc::new(Exposure {
            origins: settings.serving.origins.clone(),
        }),
        auth: Arc::new(Auth::of(&settings, &backend.env()).await?),
        proxies: Arc::new(settings.serving.proxies.clone()),
        model: Arc::new(backend.model.clone()),
        office: backend.office.clone(),
        tool_tokens: backend.tool_tokens.clone(),
        // Function URLs drop the name of the encoding and keep the bytes.
        compress: false,
        static_dir: None,
    };
    let runtime = Runtime {
        routed_by_aws: settings.serving.routed_by_aws,
        workers_elsewhere: backend.workers_elsewhere(),
    };
    tokio::spawn(drain_on_signal(engine.clone()));
    let served = lambda::serve(router(app), engine.clone(), runtime).await;
    // No request comes any more; running turns are left to other processes.
    engine.drain();
    tokio::time::sleep(LAST_WORDS).await;
    backend.close().await;
    served.map_err(|error| anyhow::anyhow!(error))
}

/// Leaves running turns to other processes when the environment is taken down.
async fn drain_on_signal(engine: Arc<Engine>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    terminate.recv().await;
    engine.drain();
    tokio::time::sleep(LAST_WORDS).await;
    std::process::exit(0);
}
