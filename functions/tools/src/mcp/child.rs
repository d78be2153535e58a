//! A server that is a program of this machine: one process, started at the first call, which speaks over its standard input and
//! output. Bounded in memory, lines and restarts; ended with this process. Knows messages as lines; never a tool.

mod group;
mod lines;

use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis};
use baton_http::suspended::{self, Late};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use self::group::Group;
use self::lines::{Lines, log_lines};
use super::answer::{Answer, Failed, MAX_MESSAGE};
use super::error::McpError;
use super::message::{
    Ask, Era, Message, Reply, UNSUPPORTED, chosen, common, declined, notification,
};
use crate::outgoing::secrets::Secrets;
use crate::outside::Outside;

/// Starts in a minute. A program that ends as often is not started again until the minute is over.
const MAX_STARTS: usize = 5;
const MINUTE: Millis = 60_000;

/// How long a program may leave the question for its revision unanswered: an older one may know no such question.
const DISCOVERY: Duration = Duration::from_secs(3);

/// How long a program may take to read a line.
const READS: Duration = Duration::from_secs(5);

/// The variables that every program gets, where they are set.
const USUAL_VARIABLES: &[&str] = &["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER"];

/// The limit in front of a program counts what it writes to (`-d`), and not the addresses that it reserves (`-v`): engines such as V8
/// reserve hundreds of times what they use. Where a shell cannot set it, the program runs all the same.
const LIMITED: &str = r#"ulimit -d "$0" 2>/dev/null; exec "$@""#;

/// How long a program may take until it can be asked: some are fetched from a registry first. Calls do not wait so long, and the
/// start goes on without them.
const STARTS: Duration = Duration::from_mins(1);

/// A program, and its process while there is one.
pub(super) struct Program {
    /// The values of its variables, which no model must see.
    pub(super) secrets: Arc<Secrets>,
    starter: Arc<Starter>,
    /// The last start: still going on, or how it ended.
    started: Mutex<Option<watch::Receiver<Option<Started>>>>,
}

type Started = Result<Arc<Running>, Failed>;

/// How a program is started.
struct Starter {
    name: String,
    command: Vec<String>,
    variables: Vec<(String, String)>,
    memory_kb: u64,
    secrets: Arc<Secrets>,
    env: Arc<dyn Env>,
    ids: AtomicU64,
    starts: Mutex<VecDeque<Millis>>,
}

struct Running {
    era: Era,
    pipe: Arc<Pipe>,
    /// Dropped with it, which ends the process.
    _stop: watch::Sender<()>,
}

/// The way to a process.
struct Pipe {
    input: tokio::sync::Mutex<ChildStdin>,
    /// The requests without an answer; `None` after the process has ended.
    waiting: Mutex<Option<BTreeMap<u64, oneshot::Sender<Reply>>>>,
}

impl Program {
    pub(super) fn new(
        server: &str,
        command: &[String],
        variables: &[String],
        memory_mb: u64,
        outside: &Outside<'_>,
    ) -> Result<Self, McpError> {
        let mut secrets = Secrets::default();
        let mut own = Vec::new();
        for variable in variables {
            let value = (outside.variables)(variable).ok_or_else(|| McpError::Variable {
                server: server.to_owned(),
                variable: variable.clone(),
            })?;
            // A shorter one would be found where it is not.
            if value.len() >= 8 {
                secrets.add(&value);
            }
            own.push((variable.clone(), value));
        }
        let secrets = Arc::new(secrets);
        Ok(Self {
            secrets: secrets.clone(),
            starter: Arc::new(Starter {
                name: server.to_owned(),
                command: command.to_vec(),
                variables: own,
                memory_kb: memory_mb * 1024,
                secrets,
                env: outside.env.clone(),
                ids: AtomicU64::new(1),
                starts: Mutex::default(),
            }),
            started: Mutex::default(),
        })
    }

    /// Asks the process, which is started if there is none.
    pub(super) async fn request(&self, ask: &Ask, deadline: Instant) -> Result<Answer, Failed> {
        let started = tokio::time::timeout_at(deadline, self.running()).await;
        let late = || Failed::NotSent("its program is not ready yet".to_owned());
        let running = started.map_err(|_| late())?.map_err(Failed::before_call)?;
        let message = |id| ask.message(id, Some(running.era));
        let reply = self.starter.ask(&running.pipe, message, deadline).await?;
        Ok(Answer::plain(reply))
    }

    async fn running(&self) -> Started {
        let mut started = self.last_start();
        let ended = started.wait_for(Option::is_some).await;
        let ended = ended.ok().and_then(|ended| ended.clone());
        ended.unwrap_or_else(|| Err(Failed::NotSent("its program did not start".to_owned())))
    }

    /// The start that goes on or has led to a process that is still there; a new one otherwise.
    fn last_start(&self) -> watch::Receiver<Option<Started>> {
        let mut last = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |started: &watch::Receiver<Option<Started>>| match &*started.borrow() {
            None => started.has_changed().is_ok(),
            Some(Ok(running)) => running.pipe.lock().is_some(),
            Some(Err(_)) => false,
        };
        if let Some(good) = last.as_ref().filter(|started| is_good(started)) {
            return good.clone();
        }
        let (tell, told) = watch::channel(None);
        let starter = self.starter.clone();
        self.starter.env.spawn(Box::pin(async move {
            let running = starter.start(Instant::now() + STARTS).await;
            let _nobody_waits = tell.send(Some(running.map(Arc::new)));
        }));
        *last = Some(told.clone());
        told
    }
}

impl Starter {
    async fn start(&self, deadline: Instant) -> Result<Running, Failed> {
        let now = self.env.now();
        {
            let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
            while starts.front().is_some_and(|at| at + MINUTE <= now) {
                starts.pop_front();
            }
            if starts.len() >= MAX_STARTS {
                return Err(Failed::NotSent(
                    "its program ended too often, and is not started again for a minute".to_owned(),
                ));
            }
            starts.push_back(now);
        }
        let cannot = |error: &dyn std::fmt::Display| {
            tracing::error!(server = self.name, %error, "the program of an MCP server cannot be started");
            Failed::NotSent("its program cannot be started".to_owned())
        };
        let mut child = self.command().spawn().map_err(|error| cannot(&error))?;
        let group = Group::of(&child);
        let parts = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = parts else {
            return Err(cannot(&"it has no pipes"));
        };
        let pipe = Arc::new(Pipe {
            input: tokio::sync::Mutex::new(input),
            waiting: Mutex::new(Some(BTreeMap::new())),
        });
        let (stop, stopped) = watch::channel(());
        let name = self.name.clone();
        let logging = log_lines(name.clone(), errors, self.secrets.clone());
        self.env.spawn(Box::pin(logging));
        let reading = read(name, child, group, output, pipe.clone(), stopped);
        self.env.spawn(Box::pin(reading));
        let era = self.handshake(&pipe, deadline).await?;
        tracing::info!(
            server = self.name,
            "the program of an MCP server was started"
        );
        Ok(Running {
            era,
            pipe,
            _stop: stop,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LIMITED])
            .arg(self.memory_kb.to_string())
            .args(&self.command)
            // The keys of models and stores are none of its business.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: what it starts is ended with it, and an interrupt at the terminal is ours alone.
            .process_group(0)
            .kill_on_drop(true);
        for name in USUAL_VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// Finds the revision that the program speaks (specification 2026-07-28, stdio, Backward Compatibility).
    async fn handshake(&self, pipe: &Arc<Pipe>, deadline: Instant) -> Result<Era, Failed> {
        let soon = deadline.min(Instant::now() + DISCOVERY);
        let ask = Ask::new("server/discover", &json!({}));
        let message = |id| ask.message(id, Some(Era::Modern));
        let supported = match self.ask(pipe, message, soon).await {
            Ok(Reply::Result(result)) => result.get("supportedVersions").cloned(),
            Ok(Reply::Error(error)) if error.code == UNSUPPORTED => {
                error.data.get("supported").cloned()
            }
            Ok(Reply::Error(error)) if error.is_modern() => return Ok(Era::Modern),
            Err(failed) if pipe.lock().is_none() => return Err(failed),
            Ok(Reply::Error(_)) | Err(_) => None,
        };
        match supported.as_ref().map(common) {
            Some(Some(Era::Modern)) => return Ok(Era::Modern),
            Some(None) => {
                return Err(Failed::Refused(
                    "it speaks no revision of the protocol that Baton does".to_owned(),
                ));
            }
            Some(Some(Era::Legacy(_))) | None => {}
        }
        let ask = Ask::initialize();
        let reply = self.ask(pipe, |id| ask.message(id, None), deadline).await?;
        if let Reply::Error(error) = &reply
            && error.is_modern()
        {
            // It was slow to start, and has found the question for its revisions since.
            return Ok(Era::Modern);
        }
        let era = chosen(&Answer::plain(reply).result()?).map_err(Failed::Refused)?;
        let ready = notification("notifications/initialized", &json!({}));
        pipe.write(ready).await?;
        Ok(era)
    }

    async fn ask(
        &self,
        pipe: &Arc<Pipe>,
        message: impl FnOnce(u64) -> String,
        deadline: Instant,
    ) -> Result<Reply, Failed> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        match &mut *pipe.lock() {
            Some(waiting) => waiting.insert(id, tell),
            None => return Err(Failed::NotSent("its program has just ended".to_owned())),
        };
        let _waiting = Waiting { pipe, id };
        let asking = async {
            pipe.write(message(id)).await?;
            let ended = || Failed::Cut("its program ended before it answered".to_owned());
            told.await.map_err(|_| ended())
        };
        if let Ok(answered) = suspended::until(deadline, asking).await {
            return answered;
        }
        let params = json!({"requestId": id, "reason": "no answer came in time"});
        let cancelled = notification("notifications/cancelled", &params);
        let _unheard = pipe.write(cancelled).await;
        Err(Failed::Cut("no answer came in time".to_owned()))
    }
}

/// A request that waits; taken out however the waiting ends.
struct Waiting<'a> {
    pipe: &'a Pipe,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *self.pipe.lock() {
            waiting.remove(&self.id);
        }
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<u64, oneshot::Sender<Reply>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line, whole. A failure may have written a part of it.
    async fn write(&self, mut line: String) -> Result<(), Failed> {
        line.push('\n');
        let writing = async {
            let mut input = self.input.lock().await;
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        match suspended::within(READS, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failed::Cut(
                "its program ended before it answered".to_owned(),
            )),
            Err(Late) => Err(Failed::Cut("its program reads nothing".to_owned())),
        }
    }
}

/// Reads what the process says until it ends, breaks the rules, or is not needed any more; then ends it with all that it has started.
async fn read(
    server: String,
    mut child: Child,
    group: Group,
    output: ChildStdout,
    pipe: Arc<Pipe>,
    mut stopped: watch::Receiver<()>,
) {
    let mut lines = Lines::new(output, MAX_MESSAGE);
    let why = loop {
        let line = tokio::select! {
            line = lines.next() => line,
            _ = child.wait() => break "it ended",
            _ = stopped.changed() => break "it is not needed any more",
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => break "it closed its output",
            Err(_) => break "a line was too long or could not be read",
        };
        match Message::read(&line) {
            Message::Answer(Some(id), reply) => {
                let waiting = pipe.lock().as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(waiting) = waiting {
                    let _gone = waiting.send(reply);
                }
            }
            Message::Request { id, method } => {
                if pipe.write(declined(&id, &method)).await.is_err() {
                    break "it reads nothing";
                }
            }
            Message::Answer(None, _) | Message::Other => {}
        }
    };
    // Those who wait learn that no answer comes.
    *pipe.lock() = None;
    drop(group);
    let status = child.wait().await.ok().map(|status| status.to_string());
    tracing::info!(
        server,
        why,
        status,
        "the program of an MCP server has ended"
    );
}
