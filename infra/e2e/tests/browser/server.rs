//! The binary `local` as a process, which a test may kill and start again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

use crate::PATIENCE;
use crate::folder::Folder;

pub(crate) struct Server {
    model_url: String,
    settings: Vec<(&'static str, String)>,
    address: String,
    folder: Folder,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// With a model that the test writes.
    pub(crate) async fn start(model_url: &str) -> Self {
        Self::over(Folder::new("data"), model_url).await
    }

    /// With these settings besides.
    pub(crate) async fn with(model_url: &str, settings: &[(&'static str, &str)]) -> Self {
        let owned = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self::run(Folder::new("data"), model_url, owned.collect()).await
    }

    /// With the rehearsal model, as fast as it speaks.
    pub(crate) async fn rehearsal() -> Self {
        Self::start("rehearsal").await
    }

    /// Over a folder that may already hold a data file (see [`data_file`]).
    pub(crate) async fn over(folder: Folder, model_url: &str) -> Self {
        Self::run(folder, model_url, Vec::new()).await
    }

    async fn run(folder: Folder, model_url: &str, settings: Vec<(&'static str, String)>) -> Self {
        let log = Arc::new(Mutex::new(String::new()));
        let (child, address) = run(folder.path(), "127.0.0.1:0", model_url, &settings, &log).await;
        Self {
            model_url: model_url.to_owned(),
            settings,
            address,
            folder,
            child,
            log,
        }
    }

    /// The address with its port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The desk, with the token that the server has made, as its link has it.
    pub(crate) fn desk(&self) -> String {
        let token = self.token().expect("the server has made a token");
        self.url(&format!("desk#token={token}"))
    }

    fn token(&self) -> Option<String> {
        let kept = std::fs::read_to_string(self.folder.path().join("operator"));
        kept.ok().map(|token| token.trim().to_owned())
    }

    /// A command of `baton` on the server's data. Returns its result.
    pub(crate) async fn baton(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary("baton"));
        let run = command
            .args(arguments)
            .arg("--data")
            .arg(data_file(&self.folder))
            .current_dir(self.folder.path());
        let output = run.output().await.expect("the command runs");
        assert!(output.status.success(), "{output:?}");
        let result = String::from_utf8(output.stdout).expect("it prints text");
        result.trim().to_owned()
    }

    /// As a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// At the same address, with the same data.
    pub(crate) async fn start_again(&mut self) {
        let (child, _same) = run(
            self.folder.path(),
            &self.address,
            &self.model_url,
            &self.settings,
            &self.log,
        )
        .await;
        self.child = child;
    }

    /// What the API answers.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (_, body) = self.ask(path).await;
        serde_json::from_str(&body).expect("the server answers JSON")
    }

    /// Status and body. HTTP/1.0: the answer ends with the connection.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address)
            .await
            .expect("the server listens");
        let operators = ["actions", "orders", "refunds", "audit"];
        let token = self
            .token()
            .filter(|_| operators.iter().any(|route| path.starts_with(route)));
        let credential = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!(
            "GET /{path} HTTP/1.0\r\nHost: {}\r\n{credential}\r\n",
            self.address
        );
        socket
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        let mut answer = String::new();
        let read = tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await;
        read.expect("the server answers in time")
            .expect("the server answers text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("an answer has a status"), body.to_owned())
    }

    /// What customers wrote in a conversation, as the server has it.
    pub(crate) async fn messages_of(&self, conversation: &str) -> Vec<String> {
        let history = self
            .get(&format!("conversations/{conversation}?turns=500"))
            .await;
        let items = history
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let customers = items.iter().filter(|item| item["role"] == "customer");
        customers
            .map(|item| item["text"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("the server said:\n{log}");
        }
    }
}

pub(crate) fn data_file(folder: &Folder) -> PathBuf {
    folder.path().join("baton.db")
}

async fn run(
    folder: &Path,
    address: &str,
    model_url: &str,
    settings: &[(&'static str, String)],
    log: &Arc<Mutex<String>>,
) -> (Child, String) {
    let mut command = Command::new(binary("local"));
    // A folder without a `.env`, and nobody's settings: the test says what holds.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BATON_")) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env_remove("OPENAI_API_KEY")
        .env("BATON_ADDR", address)
        .env("BATON_DATA", folder.join("baton.db"))
        .env("BATON_MODEL_URL", model_url)
        .env("BATON_REHEARSAL_DELAY_MS", "1")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the server starts");
    let stderr = child.stderr.take().expect("its messages are piped");
    let ready = tokio::time::timeout(PATIENCE, ready(stderr, Arc::clone(log))).await;
    let address = ready.expect("the server is ready in time");
    (child, address)
}

/// Reads on to the end, so that the server never waits for its reader.
async fn ready(stderr: ChildStderr, log: Arc<Mutex<String>>) -> String {
    let mut lines = BufReader::new(stderr).lines();
    loop {
        let line = lines.next_line().await.expect("its messages are text");
        let Some(line) = line else {
            panic!(
                "the server ended: {}",
                log.lock().unwrap_or_else(PoisonError::into_inner)
            )
        };
        keep(&log, &line);
        if let Some((_, address)) = line.split_once("ready on http://localhost:") {
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    keep(&log, &line);
                }
            });
            return format!("127.0.0.1:{address}");
        }
    }
}

fn keep(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.push_str(line);
    log.push('\n');
}

/// `target/debug`, in whose `deps` this test is.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    test.ancestors()
        .nth(2)
        .expect("a test is in the target folder")
        .to_owned()
}

/// A program of this workspace, built for the same profile.
pub(crate) fn binary(name: &str) -> PathBuf {
    let binary = profile_folder().join(name);
    assert!(
        binary.exists(),
        "{} is not there: build it first with `cargo build --package baton-chat --features aws --bins`",
        binary.display()
    );
    binary
}

/// Where pictures go.
pub(crate) fn screenshots() -> PathBuf {
    let folder = profile_folder()
        .parent()
        .expect("a profile is in the target folder")
        .join("screenshots");
    std::fs::create_dir_all(&folder).expect("the folder of screenshots can be made");
    folder
}
