//! The function `chat` beside a bare one, from spawn to its first words and warm. Both build the same clients when they start,
//! both on the same stand-ins of Lambda, DynamoDB and a model, which answer at once: what is seen is the programs' own time.

mod cloud;
mod prompt;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use baton_rehearsal::paced;
use serde_json::json;

use crate::launch::{self, Launcher};
use crate::quantiles::{median, millis};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::usage::{Memory, megabytes};
use cloud::{Answered, Cloud};

const STARTS: usize = 61;
const WARM_TURNS: usize = 40;
/// Of the time to the first text, beside the bare function's.
const FIRST_TEXT_RATIO: f64 = 1.3;
const SIZE_OVER_MB: f64 = 4.0;
/// A function that has not polled or answered by then never will.
const PATIENCE: Duration = Duration::from_secs(15);

/// One of the two programs and what was seen of it.
struct Subject {
    name: &'static str,
    program: PathBuf,
    poll_ms: Vec<f64>,
    poll_mb: Vec<f64>,
    text_ms: Vec<f64>,
    text_mb: Vec<f64>,
    warm_ms: Vec<f64>,
}

/// The medians of one.
struct Medians {
    poll_ms: f64,
    poll_mb: f64,
    text_ms: f64,
    text_mb: f64,
    warm_ms: f64,
    stripped_mb: f64,
}

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let (bare, baton) = launcher.functions()?;
    let mut bare = Subject::new("bare", bare);
    let mut baton = Subject::new("Baton", baton);
    let model = launcher.model(paced::WORDS, Duration::ZERO).await?;
    let (starts, turns) = if quick { (5, 5) } else { (STARTS, WARM_TURNS) };
    // The first ones bring the programs into memory and are not counted.
    for subject in [&mut bare, &mut baton] {
        subject.start(&model, 1).await?;
        subject.forget();
    }
    for _ in 0..starts {
        bare.start(&model, turns).await?;
        baton.start(&model, turns).await?;
    }
    let (bare, baton) = (bare.medians(launcher)?, baton.medians(launcher)?);
    say(&format!(
        "\nthe function beside a bare one, medians of {starts} starts each, {turns} warm turns a start"
    ));
    say(&table(&bare, &baton).to_string());
    report.at_most(
        "function, spawn to first text, beside the bare one",
        baton.text_ms / bare.text_ms,
        FIRST_TEXT_RATIO,
        "",
    );
    report.at_most(
        "function, stripped size over the bare one",
        baton.stripped_mb - bare.stripped_mb,
        SIZE_OVER_MB,
        " MB",
    );
    Ok(())
}

fn table(bare: &Medians, baton: &Medians) -> Table {
    let mut table = Table::new(&["", "bare", "Baton", "ratio", "difference"]);
    let mut row = |what: &str, bare: f64, baton: f64| {
        table.row(vec![
            what.to_owned(),
            format!("{bare:.2}"),
            format!("{baton:.2}"),
            format!("{:.2}", baton / bare),
            format!("{:+.2}", baton - bare),
        ]);
    };
    row("spawn to first poll, ms", bare.poll_ms, baton.poll_ms);
    row("spawn to first text, ms", bare.text_ms, baton.text_ms);
    row("memory at the first poll, MB", bare.poll_mb, baton.poll_mb);
    row("memory at the first text, MB", bare.text_mb, baton.text_mb);
    row("a warm turn, ms", bare.warm_ms, baton.warm_ms);
    row("stripped size, MB", bare.stripped_mb, baton.stripped_mb);
    table
}

impl Subject {
    fn new(name: &'static str, program: PathBuf) -> Self {
        Self {
            name,
            program,
            poll_ms: Vec::new(),
            poll_mb: Vec::new(),
            text_ms: Vec::new(),
            text_mb: Vec::new(),
            warm_ms: Vec::new(),
        }
    }

    fn forget(&mut self) {
        *self = Self::new(self.name, std::mem::take(&mut self.program));
    }

    /// One life of the function: its start, its first turn, some more.
    async fn start(&mut self, model: &Server, warm_turns: usize) -> Result<()> {
        let mut cloud = Cloud::start().await?;
        let mut command = Command::new(&self.program);
        command.env_clear().envs(environment(&cloud, model));
        let spawned_at = Instant::now();
        let process = Process::spawn(command)?;
        let polled_at = self.within(cloud.polled()).await?;
        self.poll_ms.push(millis(polled_at - spawned_at));
        self.poll_mb.push(resident_mb(&process)?);

        let invoked = cloud.invoke(&event(0)).await?;
        let first_text_at = self.within(cloud.first_text()).await?;
        self.text_mb.push(resident_mb(&process)?);
        // Reading its memory before the invocation is not the function's time.
        let answering = first_text_at - invoked;
        self.text_ms
            .push(millis(polled_at - spawned_at) + millis(answering));
        self.check(&self.within(cloud.answered()).await?)?;

        for turn in 1..=warm_turns {
            self.within(cloud.polled()).await?;
            let invoked = cloud.invoke(&event(turn)).await?;
            self.within(cloud.first_text()).await?;
            let answered = self.within(cloud.answered()).await?;
            self.check(&answered)?;
            self.warm_ms.push(millis(answered.at - invoked));
        }
        Ok(())
    }

    async fn within<T>(&self, waiting: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("the function {} is silent", self.name))?
    }

    fn check(&self, answered: &Answered) -> Result<()> {
        let lines = answered.body.matches(r#""type":"string""#).count();
        ensure!(
            lines == paced::WORDS && answered.body.contains(r#""status":"committed""#),
            "the function {} answers {}",
            self.name,
            answered.body
        );
        Ok(())
    }

    fn medians(mut self, launcher: &Launcher) -> Result<Medians> {
        Ok(Medians {
            poll_ms: median(&mut self.poll_ms),
            poll_mb: median(&mut self.poll_mb),
            text_ms: median(&mut self.text_ms),
            text_mb: median(&mut self.text_mb),
            warm_ms: median(&mut self.warm_ms),
            stripped_mb: stripped_mb(&self.program, &launcher.file("stripped"))?,
        })
    }
}

/// A process that ends with its measurement.
struct Process(Child);

impl Process {
    fn spawn(mut command: Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the function")?;
        Ok(Self(child))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn resident_mb(process: &Process) -> Result<f64> {
    Ok(megabytes(Memory::of(process.0.id())?.now_bytes))
}

fn environment(cloud: &Cloud, model: &Server) -> Vec<(&'static str, OsString)> {
    let queue = format!("http://{}/1/queue", cloud.addr);
    let mut all: Vec<(&'static str, OsString)> = vec![
        ("AWS_LAMBDA_RUNTIME_API", cloud.addr.to_string().into()),
        ("AWS_ENDPOINT_URL", format!("http://{}", cloud.addr).into()),
        ("BATON_MODEL_URL", launch::url(model).into()),
        ("BATON_QUEUE_URL", queue.clone().into()),
        ("BATON_TURNS_QUEUE_URL", queue.into()),
    ];
    let fixed = [
        ("AWS_LAMBDA_FUNCTION_NAME", "chat"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("BATON_TABLE", "baton"),
        // The load chooses the names of conversations.
        ("BATON_AUTH", "open"),
        ("BATON_LOG", "warn"),
    ];
    all.extend(fixed.map(|(name, value)| (name, value.into())));
    all
}

/// What a function URL makes of a message, each of a conversation of its own.
fn event(turn: usize) -> String {
    let host = "abc.lambda-url.eu-central-1.on.aws";
    let message = json!({"message": "Hello", "conversation_id": format!("bench-{turn}")});
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/chat/completions", "rawQueryString": "",
        "headers": {"host": host, "content-type": "application/json", "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": host, "domainPrefix": "abc", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1,
            "http": {"method": "POST", "path": "/chat/completions", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"},
        },
        "body": message.to_string(), "isBase64Encoded": false,
    })
    .to_string()
}

/// Without the names that the profile leaves in for stack traces.
fn stripped_mb(program: &Path, into: &Path) -> Result<f64> {
    let status = Command::new("strip")
        .arg("-o")
        .args([into, program])
        .status()
        .context("cannot run `strip`, which comes with a C compiler")?;
    if !status.success() {
        bail!("`strip` refuses {}", program.display());
    }
    Ok(megabytes(std::fs::metadata(into)?.len()))
}
