//! The function with everything in one file, its pool inside it, as under `cargo lambda watch`.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_kit::lambda::event::Request;
use baton_kit::lambda::process::Process;
use baton_kit::lambda::{Answer, Api, LONG, PATIENCE};
use baton_rehearsal::scripted::ScriptedModel;
use serde_json::Value;

/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(20);

/// A running function, and the API that it asks.
pub(crate) struct Function {
    pub(crate) api: Api,
    process: Option<Process>,
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Function {
    /// One invocation at a time.
    pub(crate) async fn start(model: &ScriptedModel) -> Self {
        Self::start_with(model, &[]).await
    }

    pub(crate) async fn start_with(
        model: &ScriptedModel,
        settings: &[(&'static str, String)],
    ) -> Self {
        let mut function = Self::of(Api::start().await, model);
        function.rise(settings);
        function
    }

    /// No process of it is there yet.
    pub(crate) fn of(api: Api, model: &ScriptedModel) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("lambda-{}-{number}", std::process::id()));
        let settings = vec![
            ("BATON_MODEL_URL", model.url()),
            ("BATON_MODEL", "scripted".to_owned()),
            // The tests choose the names of conversations.
            ("BATON_AUTH", "open".to_owned()),
            ("BATON_DATA", folder.join("baton.db").display().to_string()),
        ];
        Self {
            api,
            process: None,
            folder,
            settings,
        }
    }

    /// Starts a process with these settings besides.
    pub(crate) fn rise(&mut self, settings: &[(&'static str, String)]) {
        let settings = [self.settings.as_slice(), settings].concat();
        let binary = Path::new(env!("CARGO_BIN_EXE_chat"));
        self.process = Some(Process::start(binary, &self.api, &settings));
    }

    /// The file with everything. Its folder is there.
    pub(crate) fn data(&self) -> PathBuf {
        std::fs::create_dir_all(&self.folder).unwrap();
        self.folder.join("baton.db")
    }

    /// A request by the function's URL, with time enough.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.api.invoke(&request.by_url(), LONG)
    }

    /// The answer of the agent in this turn, once the history has it whole.
    pub(crate) async fn recorded(&self, conversation: &str, turn: u32) -> String {
        let look = async {
            loop {
                let history = Request::get(&format!("/conversations/{conversation}"));
                let (_, body) = self.ask(&history).whole().await;
                if let Some(text) = answer_in(&body, turn) {
                    return text;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("the turn ends")
    }

    /// Asks the process to end, as an environment that is taken down does.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let process = self.process.take().expect("it runs");
        process.terminate();
        process.ended().await
    }
}

impl Function {
    /// Waits for the process to end by itself. Whoever waited for its answers is told that it died.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = self.process.take().expect("it runs").ended().await;
        self.api.break_off();
        status
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        drop(self.process.take());
        // The process may still be writing; what is left lies in the build's own folder.
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

/// What the agent said in a turn that is committed.
fn answer_in(history: &str, turn: u32) -> Option<String> {
    let history: Value = serde_json::from_str(history).unwrap();
    let items = history["items"].as_array()?;
    let of_turn = |item: &&Value| item["turn"] == turn;
    items
        .iter()
        .filter(of_turn)
        .find(|item| item["type"] == "turn" && item["status"] == "committed")?;
    let said = items
        .iter()
        .filter(of_turn)
        .filter(|item| item["role"] == "agent");
    Some(said.filter_map(|item| item["text"].as_str()).collect())
}

/// The lines of an answer in the original's format, without heartbeats.
pub(crate) fn lines(body: &str) -> Vec<Value> {
    assert!(body.ends_with('\n'), "half a line: {body:?}");
    let lines = body.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The names and data of typed events.
pub(crate) fn events(body: &str) -> Vec<(String, Value)> {
    assert!(body.ends_with("\n\n"), "half an event: {body:?}");
    let blocks = body
        .split("\n\n")
        .filter(|block| !block.is_empty() && !block.starts_with(':'));
    let event = |block: &str| {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {block:?}"))
                .to_owned()
        };
        (
            field("event: "),
            serde_json::from_str(&field("data: ")).unwrap(),
        )
    };
    blocks.map(event).collect()
}
