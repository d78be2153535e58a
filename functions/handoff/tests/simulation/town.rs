//! Everything of one simulation: the shared outside, and the processes that run Baton on it.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{Delivery, Env, Lane, Millis, Queue};
use baton_handoff::team::Team;
use baton_handoff::{Bound, Bounds, Engine, EngineSettings, Executed, NoticeLane, Ports};

use crate::audit::Audit;
use crate::budgets::{Teams, ample, teams_with};
use crate::cast::Cast;
use crate::ledger::{Ledger, SimTools};
use crate::model::SimModel;
use crate::operators::FOUR_EYES_ABOVE_CENTS;
use crate::queue::{Post, SimQueue};
use crate::records::Records;
use crate::script::Script;
use crate::store::SimStore;
use crate::weather::Weather;
use crate::world::{OUTSIDE, SimEnv, World, lock};

/// The team of every simulation, without budgets.
pub(crate) static TEAM: LazyLock<Arc<Team>> =
    LazyLock::new(|| teams_with(0, false, false).first.clone());

/// As the pool has them.
const VISIBILITY: Duration = Duration::from_mins(1);
const LONGEST_POLL: Duration = Duration::from_secs(20);

const SWEEP_EVERY: Millis = 5_000;

#[derive(Default)]
struct Process {
    engine: Option<Arc<Engine>>,
}

pub(crate) struct Town {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) records: Arc<Mutex<Records>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) script: Arc<Mutex<Script>>,
    post: Arc<Mutex<Post>>,
    processes: Mutex<Vec<Process>>,
    cast: OnceLock<Cast>,
    /// What processes that start are given.
    team: Mutex<Arc<Team>>,
    teams: Mutex<&'static Teams>,
}

impl Town {
    pub(crate) fn new(seed: u64, prints: bool) -> Arc<Self> {
        let world = World::new(seed, 3, prints);
        let weather = Weather::of(&world);
        Self::with(world, weather)
    }

    /// A town with this weather.
    pub(crate) fn with(world: Arc<World>, weather: Weather) -> Arc<Self> {
        world.note(|| format!("{weather:?}"));
        let mut records = Records::default();
        records.bury_relics(weather.relics);
        let audit = Audit::new(world.clone());
        let teams = teams_with(weather.budgets, weather.several_models, weather.summaries);
        audit.limit(&teams.first.budgets);
        let processes = (0..=weather.processes)
            .map(|_| Process::default())
            .collect();
        Arc::new(Self {
            weather: Arc::new(Mutex::new(weather)),
            records: Arc::new(Mutex::new(records)),
            script: Arc::default(),
            team: Mutex::new(teams.first.clone()),
            teams: Mutex::new(teams),
            ledger: Ledger::new(world.clone(), audit.clone()),
            audit,
            post: Arc::default(),
            processes: Mutex::new(processes),
            cast: OnceLock::new(),
            world,
        })
    }

    pub(crate) fn weather(&self) -> Weather {
        lock(&self.weather).clone()
    }

    /// The numbers of the processes, up or down.
    pub(crate) fn process_numbers(&self) -> std::ops::RangeInclusive<usize> {
        1..=lock(&self.processes).len() - 1
    }

    pub(crate) fn engine(&self, process: usize) -> Option<Arc<Engine>> {
        lock(&self.processes)[process].engine.clone()
    }

    /// Everybody, once a process is there to tell the ids of their conversations.
    pub(crate) fn cast(&self) -> &Cast {
        self.cast.get_or_init(|| {
            let engine = self.engine(1).expect("the first process has begun");
            Cast::gather(&self.world, &self.weather(), &engine)
        })
    }

    /// A process that is up, if any is.
    pub(crate) fn any_process(&self) -> Option<(usize, Arc<Engine>)> {
        let up: Vec<_> = self
            .process_numbers()
            .filter_map(|process| Some((process, self.engine(process)?)))
            .collect();
        if up.is_empty() {
            None
        } else {
            up.get(self.world.index(up.len())).cloned()
        }
    }

    /// Another team from the next start of each process on.
    pub(crate) fn change_team(&self) {
        self.world.note(|| "the team is another one".to_owned());
        self.audit.teams_differ();
        self.audit.forgets_endpoints();
        *lock(&self.team) = lock(&self.teams).later.clone();
    }

    /// The budgets are ample from now on: all processes end, and begin with other ones.
    fn raise_budgets(&self) {
        self.world.note(|| "the budgets are raised".to_owned());
        let tight = *lock(&self.teams);
        let is_later = Arc::ptr_eq(&lock(&self.team), &tight.later);
        let weather = self.weather();
        let teams = ample(weather.several_models, weather.summaries);
        let team = if is_later { &teams.later } else { &teams.first };
        *lock(&self.team) = team.clone();
        *lock(&self.teams) = teams;
        self.audit.limit(&team.budgets);
        self.process_numbers()
            .for_each(|process| self.crash(process));
    }

    pub(crate) fn start(self: &Arc<Self>, process: usize) {
        let (env, queue) = self.start_idle(process);
        let Some(engine) = self.engine(process) else {
            return;
        };
        for lane in [Lane::Turns, Lane::Actions] {
            let worker = Worker {
                env: env.clone(),
                queue: queue.clone(),
                engine: engine.clone(),
                world: self.world.clone(),
                process,
            };
            self.world.spawn(process, worker.run(lane));
        }
        if !self.weather().calm {
            self.world.spawn(process, sweep(self.world.clone(), engine));
        }
    }

    /// From now on all processes sweep.
    pub(crate) fn start_sweepers(&self) {
        for process in self.process_numbers() {
            if let Some(engine) = self.engine(process) {
                self.world.spawn(process, sweep(self.world.clone(), engine));
            }
        }
    }

    /// A process whose workers and sweeper nobody has started.
    pub(crate) fn start_idle(self: &Arc<Self>, process: usize) -> (Arc<dyn Env>, Arc<SimQueue>) {
        self.world.note(|| format!("process {process} starts"));
        let (world, weather, audit) =
            (self.world.clone(), self.weather.clone(), self.audit.clone());
        let weather_now = self.weather();
        let env: Arc<dyn Env> = Arc::new(SimEnv {
            world: world.clone(),
            process,
            name: Some(world.begin_life(process)).filter(|_| weather_now.names),
        });
        let queue = Arc::new(SimQueue {
            world: world.clone(),
            weather: weather.clone(),
            post: self.post.clone(),
            audit: audit.clone(),
            process,
        });
        let bounds = match weather_now.few_turns {
            0 => Bounds::default(),
            few => Bounds::default().with(Bound::TurnsAll, few),
        };
        let tools = Arc::new(SimTools {
            world: world.clone(),
            weather: weather.clone(),
            ledger: self.ledger.clone(),
            audit: audit.clone(),
            script: self.script.clone(),
            process,
        });
        let ports = Ports {
            store: Arc::new(SimStore {
                world: world.clone(),
                weather: weather.clone(),
                records: self.records.clone(),
                audit: audit.clone(),
                script: self.script.clone(),
                process,
            }),
            queue: queue.clone(),
            model: Arc::new(SimModel {
                name: "sim",
                bounds,
                running: Arc::default(),
                world: world.clone(),
                weather: weather.clone(),
                script: self.script.clone(),
                audit: audit.clone(),
                process,
                sums_up: false,
            }),
            webhooks: tools.clone(),
            traces: None,
            tools,
            env: env.clone(),
        };
        let team = lock(&self.team).clone();
        let settings = EngineSettings {
            four_eyes_above_cents: Some(FOUR_EYES_ABOVE_CENTS),
            bounds,
            ..EngineSettings::default()
        };
        lock(&self.processes)[process].engine = Some(Engine::with(team, ports, settings));
        (env, queue)
    }

    /// Everything that the process was at is dropped where it stands.
    pub(crate) fn crash(&self, process: usize) {
        let engine = lock(&self.processes)[process].engine.take();
        self.world.kill(process);
        drop(engine);
    }

    /// The process is told to end, and ends a little later.
    pub(crate) async fn drain(self: Arc<Self>, process: usize) {
        let Some(engine) = self.engine(process) else {
            return;
        };
        self.world.note(|| format!("process {process} drains"));
        engine.drain();
        drop(engine);
        self.world.sleep(self.world.below(10_000)).await;
        self.crash(process);
    }

    pub(crate) fn restart_later(self: &Arc<Self>, process: usize, milliseconds: Millis) {
        let town = self.clone();
        self.world.spawn(OUTSIDE, async move {
            town.world.sleep(milliseconds).await;
            if town.engine(process).is_none() {
                town.start(process);
            }
        });
    }

    /// How often the queue was given this body.
    pub(crate) fn letters_to(&self, body: &str) -> usize {
        lock(&self.post).copies_of(body)
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm_down(self: &Arc<Self>) {
        self.world.note(|| "the weather calms down".to_owned());
        let before = self.weather();
        *lock(&self.weather) = Weather {
            calm: before.calm,
            processes: before.processes,
            names: before.names,
            budgets: before.budgets,
            several_models: before.several_models,
            has_blurred: before.has_blurred,
            summaries: before.summaries,
            ..Weather::default()
        };
        {
            let mut records = lock(&self.records);
            (records.away_until, records.blurred) = (0, None);
        }
        self.world.resume_all();
        if before.budgets > 0 {
            self.raise_budgets();
        }
        for process in self.process_numbers() {
            if self.engine(process).is_none() {
                self.start(process);
            }
        }
    }
}

async fn sweep(world: Arc<World>, engine: Arc<Engine>) {
    // What it does not find is found when its lease has run out.
    let _inherited = engine.inherit().await;
    loop {
        // The next sweep goes on where this one failed.
        let _swept = engine.sweep().await;
        world.sleep(SWEEP_EVERY + world.below(200)).await;
    }
}

/// What the pool does with messages.
#[derive(Clone)]
struct Worker {
    env: Arc<dyn Env>,
    queue: Arc<SimQueue>,
    engine: Arc<Engine>,
    world: Arc<World>,
    process: usize,
}

impl Worker {
    async fn run(self, lane: Lane) {
        loop {
            match self.queue.receive(lane, 4, VISIBILITY, LONGEST_POLL).await {
                Ok(deliveries) => {
                    for delivery in deliveries {
                        let worker = self.clone();
                        self.world
                            .spawn(self.process, worker.work_on(lane, delivery));
                    }
                }
                Err(_) => self.world.sleep(500).await,
            }
        }
    }

    async fn work_on(self, lane: Lane, delivery: Delivery) {
        #[cfg(feature = "sabotage")]
        if baton_handoff::sabotage::is(baton_handoff::sabotage::Sabotage::AckBeforeRecord) {
            let _acked = self.queue.ack(lane, &delivery.receipt).await;
        }
        let later = {
            let work = self.work(lane, &delivery.body);
            let mut work = std::pin::pin!(work);
            loop {
                let third = self.env.now() + 20_000;
                tokio::select! {
                    biased;
                    later = &mut work => break later,
                    () = self.env.sleep_until(third) => {
                        let _kept = self.queue.defer(lane, &delivery.receipt, VISIBILITY).await;
                    }
                }
            }
        };
        // What could not be settled comes again.
        let _settled = match later {
            None => self.queue.ack(lane, &delivery.receipt).await,
            Some(delay) => self.queue.defer(lane, &delivery.receipt, delay).await,
        };
    }

    /// `None`: nothing is left to do.
    async fn work(&self, lane: Lane, body: &str) -> Option<Duration> {
        match lane {
            Lane::Actions => {
                let executed = match NoticeLane::parse(body) {
                    Some(notices) => self.engine.deliver(&notices).await,
                    None => {
                        let action = self.engine.action(&ActionId::parse(body).ok()?);
                        action.execute().await
                    }
                };
                match executed {
                    Executed::Over => None,
                    Executed::Later(delay) => Some(delay),
                }
            }
            Lane::Turns => {
                self.engine
                    .look_after(&ConversationId::parse(body).ok()?)
                    .await
            }
        }
    }
}
