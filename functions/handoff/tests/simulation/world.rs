//! Time, chance, tasks and processes of one simulation. Nothing here is real: time passes when nobody can run.
//! Knows nothing of Baton.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use baton_handoff::ports::{Env, Millis};
use futures_util::future::BoxFuture;

use crate::chance::Chance;

/// The process of customers, operators and networks: it never crashes.
pub(crate) const OUTSIDE: usize = 0;

/// When a simulation begins. Milliseconds since 1970.
pub(crate) const DAWN: Millis = 1_700_000_000_000;

/// No simulation needs more; one that does runs in circles.
const MOST_POLLS: u64 = 3_000_000;

pub(crate) type TaskId = u64;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `SIM_OVERLOOK` names is known already, and whoever mends the engine wants to see what else there is: sentences, or parts
/// of them, with a bar between.
fn overlooked(what: &str) -> bool {
    static KNOWN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("SIM_OVERLOOK").ok());
    let known = KNOWN.as_deref();
    known.is_some_and(|known| known.split('|').any(|known| what.contains(known)))
}

struct Task {
    process: usize,
    future: BoxFuture<'static, ()>,
    waker: Waker,
}

/// Tasks that can run, by process. A set, so that the order in which they were woken does not matter.
struct Ready(Mutex<Vec<BTreeSet<TaskId>>>);

struct TaskWaker {
    ready: Arc<Ready>,
    process: usize,
    task: TaskId,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.ready.0)[self.process].insert(self.task);
    }
}

#[derive(Default)]
struct Timers {
    by_time: BTreeMap<(Millis, u64), Waker>,
    next: u64,
}

/// A simulated machine's state.
#[derive(Debug, Clone, Copy, Default)]
struct Host {
    /// How far its clock is off.
    offset: i64,
    paused_until: Millis,
    /// How often it was started.
    lives: u64,
    alive: bool,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    now: AtomicU64,
    chance: Mutex<Chance>,
    tasks: Mutex<BTreeMap<TaskId, Task>>,
    next_task: AtomicU64,
    current: AtomicU64,
    ready: Arc<Ready>,
    timers: Mutex<Timers>,
    hosts: Mutex<Vec<Host>>,
    polls: AtomicU64,
    violation: Mutex<Option<String>>,
    badges: Mutex<BTreeMap<TaskId, usize>>,
    hash: AtomicU64,
    prints: AtomicBool,
}

impl World {
    pub(crate) fn new(seed: u64, processes: usize, prints: bool) -> Arc<Self> {
        Arc::new(Self {
            seed,
            now: AtomicU64::new(DAWN),
            chance: Mutex::new(Chance::new(seed)),
            tasks: Mutex::default(),
            next_task: AtomicU64::new(1),
            current: AtomicU64::new(0),
            ready: Arc::new(Ready(Mutex::new(vec![BTreeSet::new(); processes + 1]))),
            timers: Mutex::default(),
            hosts: Mutex::new(vec![Host::default(); processes + 1]),
            polls: AtomicU64::new(0),
            violation: Mutex::default(),
            badges: Mutex::default(),
            hash: AtomicU64::new(0xCBF2_9CE4_8422_2325),
            prints: AtomicBool::new(prints),
        })
    }

    // --- chance ---

    pub(crate) fn bits(&self) -> u64 {
        lock(&self.chance).bits()
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        lock(&self.chance).below(bound)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) < per_mille
    }

    // --- time ---

    pub(crate) fn now(&self) -> Millis {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn local_now(&self, process: usize) -> Millis {
        self.now()
            .saturating_add_signed(lock(&self.hosts)[process].offset)
    }

    pub(crate) fn set_offset(&self, process: usize, offset: i64) {
        self.note(|| format!("clock of {process} is off by {offset} ms"));
        lock(&self.hosts)[process].offset = offset;
    }

    pub(crate) fn pause(&self, process: usize, milliseconds: Millis) {
        self.note(|| format!("process {process} is paused for {milliseconds} ms"));
        lock(&self.hosts)[process].paused_until = self.now() + milliseconds;
    }

    pub(crate) fn resume_all(&self) {
        for host in lock(&self.hosts).iter_mut() {
            (host.offset, host.paused_until) = (0, 0);
        }
    }

    /// A process begins, under a name that none had before.
    pub(crate) fn begin_life(&self, process: usize) -> String {
        let host = &mut lock(&self.hosts)[process];
        host.lives += 1;
        host.alive = true;
        format!("{process}.{}", host.lives)
    }

    /// Whether the process of this name runs, or could: paused is not dead.
    pub(crate) fn is_alive(&self, name: &str) -> bool {
        let hosts = lock(&self.hosts);
        let mut hosts = hosts.iter().enumerate();
        hosts.any(|(process, host)| host.alive && name == format!("{process}.{}", host.lives))
    }

    /// Time passes while nobody runs.
    pub(crate) fn leap(&self, milliseconds: Millis) {
        self.now.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// Sleeps in the world's own time.
    pub(crate) fn sleep(self: &Arc<Self>, milliseconds: Millis) -> Sleep {
        Sleep {
            world: self.clone(),
            process: OUTSIDE,
            until: self.now() + milliseconds,
            timer: None,
        }
    }

    // --- tasks ---

    pub(crate) fn current_task(&self) -> TaskId {
        self.current.load(Ordering::Relaxed)
    }

    pub(crate) fn spawn(
        &self,
        process: usize,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskId {
        self.spawn_boxed(process, Box::pin(future))
    }

    /// Drops one task at the await where it stands.
    pub(crate) fn cancel(&self, task: TaskId) {
        let dead = lock(&self.tasks).remove(&task);
        drop(dead);
    }

    /// The task of this moment, and all that it begins, are known by this number.
    pub(crate) fn wear(&self, badge: usize) {
        lock(&self.badges).insert(self.current_task(), badge);
    }

    /// The number by which a task is known, or was when it ended.
    pub(crate) fn badge_of(&self, task: TaskId) -> Option<usize> {
        lock(&self.badges).get(&task).copied()
    }

    fn spawn_boxed(&self, process: usize, future: BoxFuture<'static, ()>) -> TaskId {
        let id = self.next_task.fetch_add(1, Ordering::Relaxed);
        if let Some(badge) = self.badge_of(self.current_task()) {
            lock(&self.badges).insert(id, badge);
        }
        let waker = Waker::from(Arc::new(TaskWaker {
            ready: self.ready.clone(),
            process,
            task: id,
        }));
        lock(&self.tasks).insert(
            id,
            Task {
                process,
                future,
                waker,
            },
        );
        lock(&self.ready.0)[process].insert(id);
        id
    }

    /// Drops every task of a process, each at the await where it stands.
    pub(crate) fn kill(&self, process: usize) {
        let dead: Vec<Task> = {
            let mut tasks = lock(&self.tasks);
            let ids: Vec<_> = tasks
                .iter()
                .filter(|(_, task)| task.process == process)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        self.note(|| format!("process {process} dies with {} tasks", dead.len()));
        drop(dead);
        lock(&self.ready.0)[process].clear();
        lock(&self.hosts)[process].alive = false;
    }

    /// Lets tasks run and time pass until `done` says so or the moment comes. `disturb` is called after every poll.
    pub(crate) fn run_until(
        &self,
        moment: Millis,
        done: impl Fn() -> bool,
        disturb: impl Fn(usize),
    ) {
        while self.violation().is_none() {
            if let Some((process, task)) = self.next_ready() {
                self.poll(task);
                disturb(process);
                continue;
            }
            if done() {
                return;
            }
            let Some(next) = self.next_wake() else { return };
            if next > moment {
                self.now.store(moment.max(self.now()), Ordering::Relaxed);
                return;
            }
            self.now.store(next.max(self.now()), Ordering::Relaxed);
            self.fire_timers();
        }
    }

    fn next_ready(&self) -> Option<(usize, TaskId)> {
        let now = self.now();
        let hosts = lock(&self.hosts);
        let mut ready = lock(&self.ready.0);
        let awake = |process: usize| hosts[process].paused_until <= now;
        let count: usize = ready
            .iter()
            .enumerate()
            .filter(|(process, _)| awake(*process))
            .map(|(_, set)| set.len())
            .sum();
        if count == 0 {
            return None;
        }
        let mut nth = usize::try_from(lock(&self.chance).below(count as u64)).unwrap_or(0);
        for (process, set) in ready
            .iter_mut()
            .enumerate()
            .filter(|(process, _)| awake(*process))
        {
            if let Some(task) = set.iter().nth(nth).copied() {
                set.remove(&task);
                return Some((process, task));
            }
            nth -= set.len();
        }
        None
    }

    fn poll(&self, id: TaskId) {
        let Some(mut task) = lock(&self.tasks).remove(&id) else {
            return;
        };
        if self.polls.fetch_add(1, Ordering::Relaxed) > MOST_POLLS {
            self.break_off("the simulation runs in circles".to_owned());
        }
        self.mix(id);
        self.current.store(id, Ordering::Relaxed);
        let waker = task.waker.clone();
        if task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            lock(&self.tasks).insert(id, task);
        }
        self.current.store(0, Ordering::Relaxed);
    }

    /// When the next timer fires or a paused process with something to do wakes up.
    fn next_wake(&self) -> Option<Millis> {
        let hosts = lock(&self.hosts);
        let ready = lock(&self.ready.0);
        let resumed = hosts
            .iter()
            .zip(ready.iter())
            .filter(|(_, set)| !set.is_empty())
            .map(|(host, _)| host.paused_until);
        let timer = lock(&self.timers)
            .by_time
            .first_key_value()
            .map(|((moment, _), _)| *moment);
        resumed.chain(timer).min()
    }

    fn fire_timers(&self) {
        let now = self.now();
        let mut timers = lock(&self.timers);
        while let Some(first) = timers
            .by_time
            .first_entry()
            .filter(|first| first.key().0 <= now)
        {
            first.remove().wake();
        }
    }

    fn set_timer(&self, moment: Millis, waker: Waker) -> (Millis, u64) {
        let mut timers = lock(&self.timers);
        timers.next += 1;
        let key = (moment, timers.next);
        timers.by_time.insert(key, waker);
        key
    }

    // --- what was seen ---

    /// The simulation is over: this must not happen.
    pub(crate) fn break_off(&self, what: String) {
        if overlooked(&what) {
            return;
        }
        self.note(|| format!("VIOLATION: {what}"));
        lock(&self.violation).get_or_insert(what);
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.load(Ordering::Relaxed)
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// A line of the trace; every line counts for the hash, so that two runs of a seed can be compared.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if self.prints.load(Ordering::Relaxed) {
            println!(
                "{:>9} #{:<4} {}",
                self.now() - DAWN,
                self.current_task(),
                line()
            );
        }
    }

    pub(crate) fn mix(&self, value: u64) {
        let hash = self.hash() ^ value ^ self.now();
        self.hash.store(
            hash.wrapping_mul(0x0100_0000_01B3).rotate_left(5),
            Ordering::Relaxed,
        );
    }
}

/// A timer of a process, by that process's clock.
pub(crate) struct Sleep {
    world: Arc<World>,
    process: usize,
    until: Millis,
    timer: Option<(Millis, u64)>,
}

impl Sleep {
    fn forget(&mut self) {
        if let Some(timer) = self.timer.take() {
            lock(&self.world.timers).by_time.remove(&timer);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.forget();
        let now = self.world.local_now(self.process);
        if now >= self.until {
            return Poll::Ready(());
        }
        let at = self.world.now() + (self.until - now);
        self.timer = Some(self.world.set_timer(at, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

/// What one simulated process sees of the world.
pub(crate) struct SimEnv {
    pub(crate) world: Arc<World>,
    pub(crate) process: usize,
    /// None where nobody can tell the living from the dead.
    pub(crate) name: Option<String>,
}

impl Env for SimEnv {
    fn now(&self) -> Millis {
        self.world.local_now(self.process)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            world: self.world.clone(),
            process: self.process,
            until: moment,
            timer: None,
        })
    }

    fn random(&self) -> u128 {
        (u128::from(self.world.bits()) << 64) | u128::from(self.world.bits())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.world.spawn_boxed(self.process, task);
    }

    fn process(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn has_ended(&self, process: &str) -> bool {
        // Not every death is seen at once.
        !self.world.is_alive(process) && self.world.happens(800)
    }
}
