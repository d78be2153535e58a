//! A process of the real binary.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::suite::support::{Client, MODEL, OPERATOR, Service, soon};

/// So much of a server's log is printed when a test fails, in bytes.
const LOG_SHOWN: usize = 16 * 1024;

/// A running server. Killed when dropped; its log is printed when a test fails.
pub(super) struct Local {
    child: Child,
    log: Log,
    pub(super) base: String,
}

/// What a server logs, read as it comes: one whose log nobody reads stands still once the pipe is full.
struct Log {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    /// What was read already, and all that is to come.
    fn read(read: String, mut pipe: BufReader<ChildStderr>) -> Self {
        let text = Arc::new(Mutex::new(read));
        let read = text.clone();
        let reader = tokio::spawn(async move {
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|bytes| bytes > 0)
            {
                read.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader }
    }
}

/// How a server ended.
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) log: String,
}

/// The command, with nothing of this machine's settings in it.
pub(super) fn command(file: &Path, model: &str) -> Command {
    let service = Service::played();
    let model = service.url(model);
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .env_clear()
        .env("BATON_OPERATOR_TOKEN", OPERATOR)
        .env("BATON_MODEL_API", service.api)
        .env("BATON_MODEL", MODEL)
        .envs(service.key.map(|key| ("BATON_MODEL_KEY", key)))
        .current_dir(file.parent().unwrap())
        .args(["--addr", &address(file), "--model-url", &model, "--data"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// An address of its own for the servers of each file, and any port. With one address for all, the port of a server that was
/// killed may be that of another test's server a moment later, and a customer who tries again would talk to that one.
fn address(file: &Path) -> String {
    if !cfg!(target_os = "linux") {
        return "127.0.0.1:0".to_owned();
    }
    let mut hasher = DefaultHasher::new();
    file.hash(&mut hasher);
    let [a, b, c, ..] = hasher.finish().to_le_bytes();
    // From 127.1.0.1 to 127.254.255.254.
    format!("127.{}.{b}.{}:0", 1 + a % 254, 1 + c % 254)
}

impl Local {
    /// Starts it and waits until it says that it is ready.
    pub(super) async fn start(file: &Path, model: &str) -> Self {
        Self::run(command(file, model)).await
    }

    pub(super) async fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut base = None;
        let mut said = String::new();
        while base.is_none() {
            let mut line = String::new();
            let read = soon("the server's start", log.read_line(&mut line))
                .await
                .unwrap();
            assert!(read > 0, "the server ended instead of starting:\n{said}");
            base = line
                .trim()
                .strip_prefix("Baton is ready on ")
                .map(|url| url.replace("localhost", "127.0.0.1"));
            said += &line;
        }
        Self {
            child,
            log: Log::read(said, log),
            base: base.unwrap(),
        }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// The process's number.
    #[cfg_attr(test, allow(dead_code, reason = "another suite has no use for it"))]
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let id = self.child.id().unwrap();
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Whether each of its threads is stopped, as the kernel says: `T` behind the name in brackets.
    #[cfg_attr(test, allow(dead_code, reason = "another suite has no use for it"))]
    pub(super) fn stands_still(&self) -> bool {
        let tasks = format!("/proc/{}/task", self.child.id().unwrap());
        let mut tasks = std::fs::read_dir(tasks).unwrap();
        tasks.all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            stat.is_ok_and(|stat| {
                stat.rsplit_once(')')
                    .is_some_and(|(_, rest)| rest.starts_with(" T"))
            })
        })
    }

    /// Ends it as `kill -9` does.
    pub(super) async fn kill(mut self) {
        self.kill_now().await;
    }

    /// The same, for who starts another in its place.
    pub(super) async fn kill_now(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end.
    pub(super) async fn ended(mut self) -> Ended {
        soon("the end of the log", &mut self.log.reader)
            .await
            .unwrap();
        let status = soon("the process's end", self.child.wait()).await.unwrap();
        Ended {
            success: status.success(),
            log: self.log.text.lock().unwrap().clone(),
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.text.lock().unwrap_or_else(PoisonError::into_inner);
            let from = log.len().saturating_sub(LOG_SHOWN);
            let from = log.ceil_char_boundary(from);
            eprintln!("the end of the log of {}:\n{}", self.base, &log[from..]);
        }
    }
}
