//! Text turns at full speed: Baton beside the relay, in turns, so that both meet the same weather.

use std::time::Duration;

use anyhow::Result;

use crate::client::{Kind, Target};
use crate::commit::Disk;
use crate::launch::{Launcher, ModelProtocol};
use crate::load::{Crowd, Outcome};
use crate::model;
use crate::quantiles::{median, millis, percentile};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::usage::{Cpu, megabytes};

const CONVERSATIONS: [usize; 4] = [1, 32, 128, 512];
/// What Baton's processor time may be, in relays.
const CPU_RATIO: f64 = 2.0;
/// What the first text may take beside the relay's and a durable commit.
const FIRST_TEXT_EXTRA_MS: f64 = 1.0;
const COMMITS_PER_ROUND: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it is measured.
struct Effort {
    rounds: usize,
    lasting: Duration,
}

impl Effort {
    fn new(quick: bool) -> Self {
        let (rounds, millis) = if quick { (2, 500) } else { (7, 2000) };
        Self {
            rounds,
            lasting: Duration::from_millis(millis),
        }
    }
}

/// What one server did in one round.
struct Round {
    turns_per_second: f64,
    cpu_ms: f64,
    user_ms: f64,
    system_ms: f64,
    first_p50_ms: f64,
    first_p99_ms: f64,
    whole_p50_ms: f64,
    resident_mb: f64,
}

/// A value of a round, and its decimals.
type Column = (fn(&Round) -> f64, usize);

const COLUMNS: [Column; 8] = [
    (|round| round.turns_per_second, 0),
    (|round| round.cpu_ms, 3),
    (|round| round.user_ms, 3),
    (|round| round.system_ms, 3),
    (|round| round.first_p50_ms, 2),
    (|round| round.first_p99_ms, 2),
    (|round| round.whole_p50_ms, 2),
    (|round| round.resident_mb, 1),
];

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let effort = Effort::new(quick);
    let disk = Disk::open(&launcher.file("db"))?;
    let mut commits = Vec::new();
    say(&format!(
        "\ntext turns, answers of {} tokens; medians of {} rounds of {:?}",
        model::WORDS,
        effort.rounds,
        effort.lasting
    ));
    for conversations in CONVERSATIONS {
        let mut pair = Pair::start(launcher, conversations).await?;
        pair.round(&effort, 0).await?;
        pair.forget_rounds();
        for number in 1..=effort.rounds {
            pair.round(&effort, number).await?;
            commits.extend(disk.commits(COMMITS_PER_ROUND)?);
        }
        say(&pair.table().to_string());
        pair.judge(report);
        if conversations == 1 {
            judge_first_text(&pair, &mut commits, report);
        }
    }
    Ok(())
}

/// The acceptance is for one conversation, so the commits are those between its rounds.
fn judge_first_text(pair: &Pair, commits: &mut [Duration], report: &mut Report) {
    let commit_ms = millis(percentile(commits, 50));
    let first_p50_ms = |rounds: &[Round]| of_rounds(rounds, |round| round.first_p50_ms);
    let relay_ms = first_p50_ms(&pair.relay.rounds);
    say(&format!(
        "one durable commit (SQLite, WAL, FULL), p50 of {}: {commit_ms:.2} ms\n",
        commits.len()
    ));
    report.at_most(
        format!("first text p50, 1 conversation (relay {relay_ms:.2} + commit {commit_ms:.2} + {FIRST_TEXT_EXTRA_MS} ms)"),
        first_p50_ms(&pair.baton.rounds),
        relay_ms + commit_ms + FIRST_TEXT_EXTRA_MS,
        " ms",
    );
}

/// Both servers under the same load. The model is shared: only one of them is asked at a time.
struct Pair {
    conversations: usize,
    relay: Contender,
    baton: Contender,
    _model: Server,
}

struct Contender {
    name: &'static str,
    server: Server,
    target: Target,
    rounds: Vec<Round>,
    errors: Vec<String>,
}

impl Pair {
    async fn start(launcher: &Launcher, conversations: usize) -> Result<Self> {
        let model = launcher.model(model::WORDS, Duration::ZERO).await?;
        let relay = launcher.relay(&model, ModelProtocol::Http1).await?;
        let baton = launcher.baton(&model, ModelProtocol::Http1).await?;
        Ok(Self {
            conversations,
            relay: Contender::new("relay", Kind::Relay, relay),
            baton: Contender::new("Baton", Kind::Baton, baton),
            _model: model,
        })
    }

    async fn round(&mut self, effort: &Effort, number: usize) -> Result<()> {
        self.relay
            .round(self.conversations, effort.lasting, number)
            .await?;
        self.baton
            .round(self.conversations, effort.lasting, number)
            .await
    }

    /// The first is for connections, caches and allocators to grow to their size. Its errors count.
    fn forget_rounds(&mut self) {
        self.relay.rounds.clear();
        self.baton.rounds.clear();
    }

    fn table(&self) -> Table {
        let heads = [
            "turns/s",
            "CPU ms/turn",
            "user",
            "system",
            "first text p50 ms",
            "p99",
            "whole p50 ms",
            "RSS MB",
            "errors",
        ];
        let title = match self.conversations {
            1 => "1 conversation".to_owned(),
            many => format!("{many} conversations"),
        };
        let heads: Vec<&str> = std::iter::once(title.as_str()).chain(heads).collect();
        let mut table = Table::new(&heads);
        table.row(self.relay.row());
        table.row(self.baton.row());
        table.row(self.ratios());
        table
    }

    fn ratios(&self) -> Vec<String> {
        let ratios = COLUMNS
            .iter()
            .map(|(value, _)| format!("{:.2}", self.ratio(*value)));
        std::iter::once("Baton / relay".to_owned())
            .chain(ratios)
            .collect()
    }

    /// Round by round, so that a disturbance spoils one round and not the result.
    fn ratio(&self, value: fn(&Round) -> f64) -> f64 {
        let rounds = self.baton.rounds.iter().zip(&self.relay.rounds);
        median(
            &mut rounds
                .map(|(baton, relay)| value(baton) / value(relay))
                .collect::<Vec<_>>(),
        )
    }

    fn judge(&self, report: &mut Report) {
        let conversations = self.conversations;
        report.at_most(
            format!("CPU per turn, Baton / relay, conversations: {conversations}"),
            self.ratio(|round| round.cpu_ms),
            CPU_RATIO,
            "",
        );
        report.exactly(
            format!("errors of Baton, conversations: {conversations}"),
            self.baton.errors.len(),
            0,
        );
        for contender in [&self.relay, &self.baton] {
            report.errors(contender.name, &contender.errors);
        }
    }
}

impl Contender {
    fn new(name: &'static str, kind: Kind, server: Server) -> Self {
        Self {
            name,
            target: Target {
                addr: server.addr,
                kind,
                expected: model::text(model::WORDS),
                patience: PATIENCE,
            },
            server,
            rounds: Vec::new(),
            errors: Vec::new(),
        }
    }

    async fn round(
        &mut self,
        conversations: usize,
        lasting: Duration,
        number: usize,
    ) -> Result<()> {
        let mut crowd =
            Crowd::connect(&self.target, conversations, &format!("round-{number}")).await?;
        let before = self.server.cpu()?;
        let mut outcome = crowd.talk_for(lasting).await?;
        let cpu = self.server.cpu()? - before;
        self.errors.append(&mut outcome.errors);
        self.rounds.push(Round::new(
            &outcome,
            cpu,
            megabytes(self.server.memory()?.now_bytes),
        ));
        Ok(())
    }

    fn row(&self) -> Vec<String> {
        let medians = COLUMNS
            .iter()
            .map(|(value, decimals)| format!("{:.*}", *decimals, of_rounds(&self.rounds, *value)));
        let errors = self.errors.len().to_string();
        std::iter::once(self.name.to_owned())
            .chain(medians)
            .chain([errors])
            .collect()
    }
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that many turns")]
    fn new(outcome: &Outcome, cpu: Cpu, resident_mb: f64) -> Self {
        let turns = outcome.answers.len() as f64;
        let mut first: Vec<_> = outcome
            .answers
            .iter()
            .map(|answer| answer.first_text)
            .collect();
        let mut whole: Vec<_> = outcome.answers.iter().map(|answer| answer.whole).collect();
        Self {
            turns_per_second: turns / outcome.elapsed.as_secs_f64(),
            cpu_ms: millis(cpu.total()) / turns,
            user_ms: millis(cpu.user) / turns,
            system_ms: millis(cpu.system) / turns,
            first_p50_ms: millis(percentile(&mut first, 50)),
            first_p99_ms: millis(percentile(&mut first, 99)),
            whole_p50_ms: millis(percentile(&mut whole, 50)),
            resident_mb,
        }
    }
}

fn of_rounds(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    median(&mut rounds.iter().map(value).collect::<Vec<_>>())
}
