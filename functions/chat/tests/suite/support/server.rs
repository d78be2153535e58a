//! The whole server but its process: router, accept loop, engine, pool and sweeper on a runtime of its own, which can be
//! stopped in good order or from one moment to the next.

use std::sync::Arc;
use std::time::Duration;

use baton_chat::auth::jwt::{Mint, Verifiers};
use baton_chat::backend::Workers;
use baton_chat::serve::{Bounds, Ending};
use baton_chat::settings::{Issuers, Proxies, Strangers};
use baton_chat::{App, Auth, Exposure, ModelInfo, router, serve};
use baton_handoff::ports::{Env, NoWebhooks, Store, Webhooks};
use baton_handoff::team::{BackOfficeTools, Team};
use baton_handoff::{Engine, EngineSettings, Operator, Ports, Role, Subject, Tenant};
use baton_http::Secret;
use baton_models::{ModelClient, ModelSettings, Retries};
use baton_rehearsal::scripted::ScriptedModel;
use baton_tools::office::BackOffice;
use baton_tools::outside::{Outside, SystemNames};
use baton_tools::webhooks::{HttpWebhooks, PushHost};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Client, OPERATOR};
use super::faults::Faulty;
use super::tool_faults::FaultyTools;
use super::{Clock, Faults, Service, ToolFaults, soon};
use crate::backend::Backend;

/// More than a lease and what comes on top of it.
const PAST_THE_LEASE: Duration = Duration::from_secs(45);

/// Signs the tokens of the tests' visitors and widgets.
pub(crate) const SESSIONS: &str = "a secret of the tests with 32 bytes or more";

/// Everything that stays when a server is started again.
pub(crate) struct Setup {
    pub(crate) model: ModelSettings,
    pub(crate) team: Arc<Team>,
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<Clock>,
    pub(crate) desk: Arc<ToolFaults>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) origins: Vec<String>,
    pub(crate) strangers: Strangers,
    pub(crate) issuers: Issuers,
    pub(crate) engine: EngineSettings,
    pub(crate) proxies: Proxies,
    /// Where clients may have endpoints.
    pub(crate) push_hosts: Vec<PushHost>,
}

impl Setup {
    /// The ACME team on an empty store, with a model that is asked once per answer.
    pub(crate) fn new(model: &ScriptedModel) -> Self {
        Self::of_url(&model.url())
    }

    /// The same with a model at this address, were it one of Chat Completions.
    pub(crate) fn of_url(chat: &str) -> Self {
        let mut model = ModelSettings::new(Service::played().endpoint(chat));
        model.retries = Retries {
            tries: 1,
            ..Retries::default()
        };
        Self {
            model,
            team: Arc::new(Team::acme()),
            backend: Backend::fresh(),
            clock: Arc::default(),
            desk: ToolFaults::new(),
            faults: Arc::default(),
            origins: Vec::new(),
            strangers: Strangers::Open,
            issuers: Issuers::default(),
            engine: EngineSettings::default(),
            proxies: Proxies::None,
            push_hosts: Vec::new(),
        }
    }

    /// With the ACME team's file changed: each `from` must be in it.
    pub(crate) fn with_team(mut self, changes: &[(&str, &str)]) -> Self {
        let mut text = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../handoff/teams/acme.toml"
        ))
        .to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from:?} is not in the team file");
            text = text.replace(from, to);
        }
        self.team = Arc::new(Team::parse("acme.toml", &text, &[&BackOfficeTools]).unwrap());
        self
    }

    pub(crate) async fn open(self) -> Server {
        Server::start(self).await
    }
}

/// A running server.
pub(crate) struct Server {
    setup: Setup,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    shutdown: CancellationToken,
    crashed: CancellationToken,
    served: JoinHandle<()>,
    base: String,
    engine: Arc<Engine>,
}

impl Server {
    /// The ACME team with this model.
    pub(crate) async fn open(model: &ScriptedModel) -> Self {
        Setup::new(model).open().await
    }

    async fn start(setup: Setup) -> Self {
        let running = Some(run(&setup).await);
        Self { setup, running }
    }

    /// A customer's client, of this start of the server.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.running.as_ref().unwrap().base)
    }

    /// A client of an operator with these roles.
    pub(crate) async fn operator(&self, name: &str, tenant: &str, roles: &[&str]) -> Client {
        let roles = roles.iter().map(|role| Role::parse(role).unwrap());
        let operator = Operator {
            name: Subject::parse(name).unwrap(),
            tenant: Tenant::parse(tenant).unwrap(),
            roles: roles.collect(),
        };
        let engine = &self.running.as_ref().unwrap().engine;
        let token = engine.add_operator(operator).await.unwrap();
        self.client().with_operator(&token)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.running
            .as_ref()
            .unwrap()
            .base
            .strip_prefix("http://")
            .unwrap()
    }

    pub(crate) fn desk(&self) -> &ToolFaults {
        &self.setup.desk
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.setup.faults
    }

    /// The next thing that a thread of this name does is to panic.
    #[allow(dead_code, reason = "for stores that have a thread of their own")]
    pub(crate) fn break_thread(&self, name: &'static str) {
        self.setup.clock.break_for(name);
    }

    /// Whoever asks for a random number next panics: for example whoever takes a message.
    pub(crate) fn break_dice(&self) {
        self.setup.clock.break_dice();
    }

    /// So much time passes.
    pub(crate) fn time_passes(&self, by: Duration) {
        self.setup.clock.set_ahead(by);
    }

    /// Ends in good order, and starts again on the same store.
    pub(crate) async fn restart(mut self) -> Self {
        let Running {
            runtime,
            shutdown,
            served,
            ..
        } = self.running.take().unwrap();
        shutdown.cancel();
        soon("the server's end", served).await.unwrap();
        runtime.shutdown_background();
        self.running = Some(run(&self.setup).await);
        self
    }

    /// Loses everything that is not in the store, at whatever await each task is.
    pub(crate) fn crash(&mut self) {
        let running = self.running.take().unwrap();
        running.crashed.cancel();
        running.runtime.shutdown_background();
    }

    /// Starts again after a crash, when the leases of the dead have run out.
    pub(crate) async fn rise(&mut self) {
        self.setup.clock.set_ahead(PAST_THE_LEASE);
        self.running = Some(run(&self.setup).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.runtime.shutdown_background();
        }
    }
}

/// What tells endpoints of clients, also on this machine.
fn webhooks(
    team: &Team,
    hosts: Vec<PushHost>,
    store: &Arc<dyn Store>,
    env: &Arc<dyn Env>,
) -> Arc<dyn Webhooks> {
    if hosts.is_empty() {
        return Arc::new(NoWebhooks);
    }
    let outside = Outside {
        store: store.clone(),
        env: env.clone(),
        tokens: None,
        variables: &|_| None,
        networks: vec!["127.0.0.1".parse().unwrap()],
        plain_hosts: Vec::new(),
        extra_roots: Vec::new(),
        names: Arc::new(SystemNames),
        runs_programs: false,
    };
    Arc::new(HttpWebhooks::new(team, hosts, &outside).unwrap())
}

async fn run(setup: &Setup) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let env: Arc<dyn Env> = setup.clock.clone();
    let (store, queue) = setup.backend.open(env.clone()).await;
    let crashed = CancellationToken::new();
    let store: Arc<dyn Store> = Arc::new(Faulty {
        store,
        faults: setup.faults.clone(),
        crashed: crashed.clone(),
    });
    let (team, model, desk) = (setup.team.clone(), setup.model.clone(), setup.desk.clone());
    let settings = setup.engine;
    let proxies = Arc::new(setup.proxies.clone());
    let exposure = Arc::new(Exposure {
        origins: setup.origins.clone(),
    });
    let mint = Mint::new(SESSIONS.as_bytes(), env.clone()).unwrap();
    let auth = Arc::new(Auth::new(
        setup.strangers,
        Verifiers::new(setup.issuers.clone(), &env),
        Some(mint),
        Some(Secret::new(OPERATOR)),
    ));
    let hosts = setup.push_hosts.clone();
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let started = runtime.spawn(async move {
        let model = ModelClient::new(&model, env.clone()).unwrap();
        let office = Arc::new(BackOffice::new(store.clone(), env.clone()));
        let tools = Arc::new(FaultyTools {
            office: office.clone(),
            desk,
        });
        let ports = Ports {
            webhooks: webhooks(&team, hosts, &store, &env),
            traces: None,
            store,
            queue: queue.clone(),
            model,
            tools,
            env,
        };
        let works = Workers::of(Engine::with(team, ports, settings), queue);
        let engine = works.engine.clone();
        let app = App {
            engine: engine.clone(),
            exposure,
            auth,
            office,
            tool_tokens: None,
            proxies,
            model: Arc::new(ModelInfo {
                name: "scripted".to_owned(),
                rehearsal: false,
            }),
            compress: true,
            static_dir: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let ending = Ending {
                leaving: told.clone(),
                closing: told,
            };
            let bounds = Bounds {
                connections: 4_096,
                idle: Duration::from_secs(75),
            };
            serve::serve(listener, router(app), works.engine.clone(), bounds, ending).await;
            works.stop().await;
        });
        (base, served, engine)
    });
    let (base, served, engine) = started.await.unwrap();
    Running {
        runtime,
        shutdown,
        crashed,
        served,
        base,
        engine,
    }
}
