//! `cargo lambda watch` as the README says it, for real: no AWS account, the page, both formats, a history that lasts.
//!
//! The model withholds each word until the one before it was heard, so that an answer which is collected anywhere on its way
//! never comes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test"
)]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use baton_http::builder;
use baton_rehearsal::scripted::{Answer, Gate, ScriptedModel, says, stream};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

const README: &str = include_str!("../../../README.md");

/// Ends a test that would hang. Long, because the first request may wait for a build.
const PATIENCE: Duration = Duration::from_mins(5);

/// What the tools need to know of this machine. Nothing of AWS and no setting of ours is among it.
const INHERITED: [&str; 6] = [
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_JOBS",
];

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The command that the README gives: its settings and its arguments.
fn readme_command() -> (Vec<(String, String)>, Vec<String>) {
    let line = README
        .lines()
        .find(|line| line.contains(" cargo lambda watch "))
        .expect("README.md says how to start `cargo lambda watch`");
    let mut settings = Vec::new();
    let mut words = line.split_whitespace().peekable();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        settings.push((name.to_owned(), value.to_owned()));
        words.next();
    }
    (settings, words.map(str::to_owned).collect())
}

/// A running `cargo lambda watch`. Ends with what it started when it is stopped, or dropped.
struct Watch {
    process: Child,
    _log: BufReader<ChildStdout>,
    http: reqwest::Client,
    base: String,
}

impl Watch {
    async fn start(model: &ScriptedModel, data: &Path) -> Self {
        let tools = std::env::var_os("BATON_CARGO_LAMBDA")
            .map(PathBuf::from)
            .expect("BATON_CARGO_LAMBDA is the folder of cargo-lambda; ./infra/test watch sets it");
        let (mut settings, words) = readme_command();
        for (name, value) in [
            ("BATON_MODEL_URL", model.url()),
            ("BATON_DATA", data.display().to_string()),
        ] {
            let setting = settings.iter_mut().find(|(known, _)| known == name);
            setting.expect("the README sets it").1 = value;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .unwrap()
            .port();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path: OsString =
            std::env::join_paths([tools].into_iter().chain(std::env::split_paths(&path))).unwrap();
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--invoke-address", "127.0.0.1"])
            .args(["--invoke-port", &port.to_string()])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .env("PATH", path)
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("starting Runtime server") {
            line.clear();
            let read = soon("the start of watch", log.read_line(&mut line))
                .await
                .unwrap();
            assert!(read > 0, "watch ended instead of starting");
        }
        // It says so before it listens.
        soon("watch to listen", async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let base = format!("http://127.0.0.1:{port}");
        let http = builder(&base.parse().unwrap(), &[], false)
            .unwrap()
            .build()
            .unwrap();
        Self {
            process,
            _log: log,
            http,
            base,
        }
    }

    fn tell(&self, signal: Signal) {
        if let Some(id) = self.process.id() {
            // It may be gone already.
            let _told = kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal);
        }
    }

    /// As Ctrl-C does; its functions end with it.
    async fn stop(mut self) {
        self.tell(Signal::INT);
        soon("the end of watch", self.process.wait()).await.unwrap();
    }

    async fn get(&self, path: &str) -> String {
        let response = soon(path, self.http.get(format!("{}{path}", self.base)).send())
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{path}");
        soon(path, response.text()).await.unwrap()
    }

    async fn say(&self, message: &str, media_type: &str) -> Listening {
        let request = self
            .http
            .post(format!("{}/chat/completions", self.base))
            .header("accept", media_type)
            .json(&json!({"message": message, "conversation_id": "watched"}));
        let response = soon("an answer", request.send()).await.unwrap();
        assert_eq!(response.status(), 200);
        Listening {
            response,
            lines: VecDeque::new(),
            begun: Vec::new(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tell(Signal::INT);
    }
}

/// An answer that is being heard, line by line as it comes.
struct Listening {
    response: reqwest::Response,
    lines: VecDeque<String>,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

impl Listening {
    async fn line(&mut self) -> Option<String> {
        while self.lines.is_empty() {
            let chunk = soon("the next chunk", self.response.chunk())
                .await
                .unwrap()?;
            for byte in chunk {
                if byte == b'\n' {
                    let line = String::from_utf8(std::mem::take(&mut self.begun)).unwrap();
                    self.lines.push_back(line);
                } else {
                    self.begun.push(byte);
                }
            }
        }
        self.lines.pop_front()
    }

    /// Hears lines until one has this in it.
    async fn until(&mut self, part: &str) {
        while let Some(line) = self.line().await {
            if line.contains(part) {
                return;
            }
        }
        panic!("the answer ended before {part}");
    }

    async fn last(mut self) -> String {
        let mut last = String::new();
        while let Some(line) = self.line().await {
            if !line.is_empty() {
                last = line;
            }
        }
        last
    }
}

const WORDS: [&str; 4] = ["Beep ", "beep, ", "said ", "it."];

/// An answer that says a word when the gate before it is opened.
fn word_by_word() -> (Answer, Vec<Gate>) {
    let gates: Vec<_> = WORDS.iter().map(|_| Gate::new()).collect();
    let answer = WORDS
        .iter()
        .zip(&gates)
        .fold(stream(), |answer, (word, gate)| {
            answer.gate(gate).says(word)
        });
    (answer, gates)
}

async fn hear_word_by_word(watch: &Watch, media_type: &str, gates: &[Gate]) -> String {
    let message = "I want to catch a roadrunner";
    let mut answer = watch.say(message, media_type).await;
    for (word, gate) in WORDS.iter().zip(gates) {
        gate.open();
        answer.until(word.trim_end()).await;
    }
    answer.last().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs cargo-lambda: ./infra/test watch installs it"]
async fn watch_serves_the_page_and_streams_and_remembers() {
    let ((lines, line_gates), (events, event_gates)) = (word_by_word(), word_by_word());
    let model = ScriptedModel::start([lines, events, says("It said beep.")]).await;
    // In the checkout, as the README has it: a watch that takes the file for source would start the function again and again.
    let folder = format!(".baton/watch-{}", std::process::id());
    let data = Path::new(&folder).join("baton.db");

    let watch = Watch::start(&model, &data).await;
    assert!(watch.get("/").await.contains("<html"));
    assert!(!watch.get("/static/app/main.js").await.is_empty());
    let done: Value =
        serde_json::from_str(&hear_word_by_word(&watch, "application/x-ndjson", &line_gates).await)
            .unwrap();
    assert_eq!(done["content"]["status"], "committed");
    let data_line = hear_word_by_word(&watch, "text/event-stream", &event_gates).await;
    assert!(data_line.starts_with("data:"), "{data_line}");
    // By the function's name too, where watch starts it a second time, on the same file.
    let history = watch.get("/lambda-url/chat/conversations/watched").await;
    watch.stop().await;

    let watch = Watch::start(&model, &data).await;
    assert_eq!(watch.get("/conversations/watched").await, history);
    let done = watch
        .say("What did it say?", "application/x-ndjson")
        .await
        .last()
        .await;
    assert!(done.contains("committed"), "{done}");
    watch.stop().await;
    let asked = model.requests().pop().unwrap().body;
    assert_eq!(asked.matches("Beep beep, said it.").count(), 2, "{asked}");
    std::fs::remove_dir_all(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(folder),
    )
    .unwrap();
}
