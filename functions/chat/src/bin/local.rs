//! The local server: the whole of Baton in one process, on <http://localhost:8501>.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use baton_chat::backend::Backend;
use baton_chat::serve::{Bounds, Ending};
use baton_chat::settings::{Settings, Values};
use baton_chat::{App, Auth, Exposure, router, serve};
use baton_setup::signals::{Signals, StopSignal};
use baton_setup::{log, use_default_chain};
use tokio::net::TcpListener;

/// A turn makes some three hundred small allocations, and its task moves between threads: with the system's allocator that is an
/// eighth of all its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Baton: a team of agents that answers customers by chat.

Usage: local [--addr ADDRESS:PORT] [--data FILE] [--team FILE] [--model-url URL] [--static-dir FOLDER]

  --addr        where to listen              BATON_ADDR, default 127.0.0.1:8501
  --data        the SQLite file              BATON_DATA, default .baton/baton.db
  --team        a team.toml                  BATON_TEAM, default the built-in ACME team
  --model-url   an OpenAI-compatible service BATON_MODEL_URL, default the built-in rehearsal model
  --static-dir  serve the page from here     BATON_STATIC_DIR, default the page in this binary

  BATON_IDLE_SECONDS   how long a connection may be idle between two requests, default 75
  BATON_DRAIN_SECONDS  how long /health answers 503 before SIGTERM closes the listener, default 0

Every other setting is an environment variable, or a line of .env in this folder: see .env.example.
";

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("baton: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut values = Values::from_environment(Some(Path::new(".env")))?;
    if !take_flags(&mut values)? {
        return Ok(());
    }
    let mut settings = Settings::read(&values)?;
    log::start(&settings.log)?;
    if let Some(descriptors) = raise_descriptor_limit() {
        settings.fit_to(descriptors);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        runtime.worker_threads(worker_threads());
    }
    runtime
        .enable_all()
        .build()?
        .block_on(serve_until_signal(settings))
}

/// Half of the cores, at least one. A turn waits most of its time, and commits run on the store's own thread beside these: with as many
/// workers as cores they spend a tenth to a fifth of a turn's processor time on waking and parking each other.
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Flags override the environment. `false`: the user asked for help or the version.
#[expect(
    clippy::print_stdout,
    reason = "help and version are what the user asked to be printed"
)]
fn take_flags(values: &mut Values) -> anyhow::Result<bool> {
    use lexopt::prelude::*;
    let mut flags = lexopt::Parser::from_env();
    while let Some(flag) = flags.next()? {
        let name = match flag {
            Long("addr") => "BATON_ADDR",
            Long("data") => "BATON_DATA",
            Long("team") => "BATON_TEAM",
            Long("model-url") => "BATON_MODEL_URL",
            Long("static-dir") => "BATON_STATIC_DIR",
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(false);
            }
            Long("version") | Short('V') => {
                println!("baton {}", env!("CARGO_PKG_VERSION"));
                return Ok(false);
            }
            other @ (Long(_) | Short(_) | Value(_)) => return Err(other.unexpected().into()),
        };
        let value = flags
            .value()?
            .into_string()
            .map_err(|_| anyhow::anyhow!("the value of a flag is not text"))?;
        values.set(name, value);
    }
    Ok(true)
}

/// Each open stream is a descriptor; the usual soft limit of 1,024 exists for programs that use `select`.
/// Returns the limit; `None` if there is none.
fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open descriptors could not be raised");
    }
    getrlimit(Resource::Nofile).current
}

async fn serve_until_signal(settings: Settings) -> anyhow::Result<()> {
    // Bound first: a port in use is the likeliest mistake, and it must not touch the store.
    let listener = TcpListener::bind(settings.serving.addr)
        .await
        .with_context(|| {
            format!(
                "cannot listen on {}; is another server running there? Choose another with --addr",
                settings.serving.addr
            )
        })?;
    let address = listener.local_addr()?;
    let signals = Signals::listen()?;
    use_default_chain(&settings).await?;
    let backend = Backend::with_workers(&settings).await?;
    let app = App {
        engine: backend.engine.clone(),
        exposure: Arc::new(Exposure {
            origins: settings.serving.origins.clone(),
        }),
        auth: Arc::new(Auth::of(&settings, &backend.env()).await?),
        proxies: Arc::new(settings.serving.proxies.clone()),
        model: Arc::new(backend.model.clone()),
        office: backend.office.clone(),
        tool_tokens: backend.tool_tokens.clone(),
        compress: true,
        static_dir: settings.serving.static_dir.as_deref().map(Arc::from),
    };
    tell(&settings, address, &backend, &app.auth);
    let bounds = Bounds {
        connections: settings.serving.connections,
        idle: settings.serving.idle,
    };
    let ending = Ending::default();
    tokio::spawn(end_on_signal(
        signals,
        settings.serving.drain,
        ending.clone(),
    ));
    serve::serve(
        listener,
        router(app),
        backend.engine.clone(),
        bounds,
        ending,
    )
    .await;
    backend.close().await;
    Ok(())
}

/// The time for balancers to see that the server ends. At a terminal there is no balancer, and a second signal ends the wait.
async fn end_on_signal(mut signals: Signals, drain: Duration, ending: Ending) {
    let received = signals.received().await;
    ending.leaving.cancel();
    if received == StopSignal::Terminate && !drain.is_zero() {
        tracing::info!(
            seconds = drain.as_secs(),
            "about to shut down; until then /health answers 503"
        );
        tokio::select! {
            () = tokio::time::sleep(drain) => {}
            _ = signals.received() => {}
        }
    }
    ending.closing.cancel();
}

/// The lines for a person at the terminal.
fn tell(settings: &Settings, address: SocketAddr, backend: &Backend, auth: &Auth) {
    let model = if backend.model.rehearsal {
        "the rehearsal model: scripted answers, no language model (set BATON_MODEL_URL for a real one)".to_owned()
    } else {
        backend.model.name.clone()
    };
    let here = address.to_string().replace("127.0.0.1", "localhost");
    eprintln!("Baton is ready on http://{here}");
    eprintln!("  team   {}", backend.engine.team().name);
    eprintln!("  model  {model}");
    eprintln!("  data   {}", settings.keeping.data.display());
    match &auth.operator_token {
        // A secret that is kept elsewhere is not repeated; and no other machine's log gets one.
        Some(made) if settings.access.operator_token.is_none() && address.ip().is_loopback() => {
            eprintln!("  desk   http://{here}/desk#token={}", made.expose());
        }
        Some(_) if settings.access.operator_token.is_none() => {
            let file = settings.keeping.data.with_file_name("operator");
            eprintln!(
                "  desk   http://{here}/desk, with the token in {}",
                file.display()
            );
        }
        Some(_) => eprintln!("  desk   http://{here}/desk, with the token of BATON_OPERATOR_TOKEN"),
        None => eprintln!("  desk   http://{here}/desk, with the token of an operator"),
    }
}
