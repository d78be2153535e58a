//! The function: the same router as the local server's, behind a Lambda function URL or a streaming REST API.

use std::sync::Arc;
use std::time::Duration;

use baton_chat::lambda::{self, Runtime};
use baton_chat::settings::Settings;
use baton_chat::{App, Exposure, router};
use baton_handoff::Engine;
use baton_worker::log;
use baton_worker::parts::{Parts, function_settings};
use tokio::signal::unix::{SignalKind, signal};

/// AWS gives a function half a second between SIGTERM and SIGKILL.
const LAST_WORDS: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = function_settings().await?;
    log::start(&settings.log)?;
    let kept = Kept::build(&settings).await?;
    let (engine, office, model) = match &kept {
        Kept::Cloud(parts, engine) => (
            engine.clone(),
            parts.office.clone(),
            parts.model_info.clone(),
        ),
        #[cfg(feature = "embedded")]
        Kept::Machine(house) => (
            house.engine.clone(),
            house.office.clone(),
            house.model.clone(),
        ),
    };
    let app = App {
        engine: engine.clone(),
        exposure: Arc::new(Exposure {
            loopback: !settings.routed_by_aws,
            origins: settings.origins.clone(),
            operator_token: settings.operator_token.clone(),
        }),
        model: Arc::new(model),
        office,
        // Function URLs take the encoding's name away and leave the bytes.
        compress: false,
        static_dir: None,
    };
    let runtime = Runtime {
        routed_by_aws: settings.routed_by_aws,
        workers_elsewhere: matches!(kept, Kept::Cloud(..)),
    };
    tokio::spawn(drain_when_told(engine.clone()));
    let served = lambda::serve(router(app), engine.clone(), runtime).await;
    // Nobody asks for anything any more; what still runs here is left to others.
    engine.drain();
    tokio::time::sleep(LAST_WORDS).await;
    kept.close().await;
    served.map_err(|error| anyhow::anyhow!(error))
}

/// What the function keeps its conversations in.
enum Kept {
    /// A table and queues: workers are functions of their own.
    Cloud(Parts, Arc<Engine>),
    /// A file, for `cargo lambda watch`: the pool runs in here.
    #[cfg(feature = "embedded")]
    Machine(baton_chat::assemble::House),
}

impl Kept {
    async fn build(settings: &Settings) -> anyhow::Result<Self> {
        #[cfg(feature = "embedded")]
        if settings.cloud.is_none() {
            let house = baton_chat::assemble::House::build(settings).await?;
            return Ok(Self::Machine(house));
        }
        let parts = Parts::open(settings).await?;
        let engine = parts.engine();
        Ok(Self::Cloud(parts, engine))
    }

    async fn close(self) {
        match self {
            Self::Cloud(parts, _) => parts.close().await,
            #[cfg(feature = "embedded")]
            Self::Machine(house) => house.close().await,
        }
    }
}

/// Leaves what runs to others when the environment is taken down.
async fn drain_when_told(engine: Arc<Engine>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    terminate.recv().await;
    engine.drain();
    tokio::time::sleep(LAST_WORDS).await;
    std::process::exit(0);
}
