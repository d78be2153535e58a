//! Text turns, at full speed and at a model's pace: Baton beside the relay, in turns, so that both meet the same weather.

use std::time::Duration;

use anyhow::Result;
use baton_rehearsal::paced;

use crate::client::{Kind, Target};
use crate::commit::Disk;
use crate::launch::{Launcher, ModelProtocol};
use crate::load::{Crowd, Outcome};
use crate::quantiles::{median, millis, percentile};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::usage::{Cpu, megabytes};

/// What the first text may take beside the relay's and a durable commit.
const FIRST_TEXT_EXTRA_MS: f64 = 1.0;
const COMMITS_PER_ROUND: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);

/// What Baton's processor time may be, in relays, by the number of conversations.
type Limits = &'static [(usize, f64)];

/// At full speed.
const FULL_SPEED: Limits = &[(1, 2.0), (32, 2.0), (128, 2.0), (512, 2.0)];

/// At a model's pace. A lone conversation finds every thread asleep at every token.
const PACED: Limits = &[(1, 2.0), (8, 1.5), (32, 1.5), (128, 1.5), (512, 1.5)];

/// Between two tokens, at a model's pace.
const PACE: Duration = Duration::from_millis(20);

/// What an idle server may take of one core.
const IDLE_PERCENT: f64 = 0.2;

/// How long it is measured.
struct Effort {
    rounds: usize,
    lasting: Duration,
}

impl Effort {
    fn full_speed(quick: bool) -> Self {
        let (rounds, millis) = if quick { (2, 500) } else { (7, 2000) };
        Self {
            rounds,
            lasting: Duration::from_millis(millis),
        }
    }

    /// A turn takes 0.4 s.
    fn paced(quick: bool) -> Self {
        let (rounds, millis) = if quick { (2, 1000) } else { (5, 5000) };
        Self {
            rounds,
            lasting: Duration::from_millis(millis),
        }
    }
}

/// What one server did in one round.
struct Round {
    turns_per_second: f64,
    /// All of it, in nanoseconds that the scheduler counts; the two below are counted in ticks of 10 ms, which a paced server seldom meets.
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
    let effort = Effort::full_speed(quick);
    let disk = Disk::open(&launcher.file("db"))?;
    let mut commits = Vec::new();
    title("at full speed", &effort);
    for (conversations, limit) in FULL_SPEED {
        let mut pair = Pair::start(launcher, *conversations, Duration::ZERO).await?;
        pair.rounds(&effort, || {
            commits.extend(disk.commits(COMMITS_PER_ROUND)?);
            Ok(())
        })
        .await?;
        say(&pair.table().to_string());
        pair.judge("CPU per turn", *limit, report);
        if *conversations == 1 {
            judge_first_text(&pair, &mut commits, report);
        }
    }
    Ok(())
}

/// The same with a pause between two tokens, as a model makes it; and a server that nobody asks.
pub(crate) async fn measure_paced(
    launcher: &Launcher,
    quick: bool,
    report: &mut Report,
) -> Result<()> {
    let effort = Effort::paced(quick);
    title(&format!("with {PACE:?} between two tokens"), &effort);
    for (conversations, limit) in PACED {
        let mut pair = Pair::start(launcher, *conversations, PACE).await?;
        pair.rounds(&effort, || Ok(())).await?;
        say(&pair.table().to_string());
        pair.judge("CPU per paced turn", *limit, report);
        if *conversations == 1 {
            let idle = pair.baton.idle(effort.lasting * 2).await?;
            report.at_most(
                "idle server, after turns".to_owned(),
                idle,
                IDLE_PERCENT,
                " % of a core",
            );
        }
    }
    Ok(())
}

fn title(how: &str, effort: &Effort) {
    say(&format!(
        "\ntext turns {how}, answers of {} tokens; medians of {} rounds of {:?}",
        paced::WORDS,
        effort.rounds,
        effort.lasting
    ));
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
    async fn start(launcher: &Launcher, conversations: usize, pace: Duration) -> Result<Self> {
        let model = launcher.model(paced::WORDS, pace).await?;
        let relay = launcher.relay(&model, ModelProtocol::Http1).await?;
        let baton = launcher.baton(&model, ModelProtocol::Http1).await?;
        Ok(Self {
            conversations,
            relay: Contender::new("relay", Kind::Relay, relay),
            baton: Contender::new("Baton", Kind::Baton, baton),
            _model: model,
        })
    }

    /// All rounds, with something to do after each. The first one is for connections, caches and allocators to grow to their size; only its
    /// errors count.
    async fn rounds(
        &mut self,
        effort: &Effort,
        mut between: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        self.round(effort, 0).await?;
        self.relay.rounds.clear();
        self.baton.rounds.clear();
        for number in 1..=effort.rounds {
            self.round(effort, number).await?;
            between()?;
        }
        Ok(())
    }

    async fn round(&mut self, effort: &Effort, number: usize) -> Result<()> {
        self.relay
            .round(self.conversations, effort.lasting, number)
            .await?;
        self.baton
            .round(self.conversations, effort.lasting, number)
            .await
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

    fn judge(&self, what: &str, limit: f64, report: &mut Report) {
        let conversations = self.conversations;
        report.at_most(
            format!("{what}, Baton / relay, conversations: {conversations}"),
            self.ratio(|round| round.cpu_ms),
            limit,
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
                expected: paced::text(paced::WORDS),
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
        let (ticks, nanos) = (self.server.cpu()?, self.server.run_time()?);
        let mut outcome = crowd.talk_for(lasting).await?;
        let ticks = self.server.cpu()? - ticks;
        let all = self.server.run_time()?.since(&nanos);
        self.errors.append(&mut outcome.errors);
        self.rounds.push(Round::new(
            &outcome,
            all,
            ticks,
            megabytes(self.server.memory()?.now_bytes),
        ));
        Ok(())
    }

    /// What the server takes of a core while it is asked nothing, in percent.
    async fn idle(&self, lasting: Duration) -> Result<f64> {
        let before = self.server.run_time()?;
        tokio::time::sleep(lasting).await;
        let spent = self.server.run_time()?.since(&before);
        Ok(100.0 * spent.as_secs_f64() / lasting.as_secs_f64())
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
    fn new(outcome: &Outcome, all: Duration, ticks: Cpu, resident_mb: f64) -> Self {
        let turns = outcome.answers.len() as f64;
        let mut first: Vec<_> = outcome
            .answers
            .iter()
            .map(|answer| answer.first_text)
            .collect();
        let mut whole: Vec<_> = outcome.answers.iter().map(|answer| answer.whole).collect();
        Self {
            turns_per_second: turns / outcome.elapsed.as_secs_f64(),
            cpu_ms: millis(all) / turns,
            user_ms: millis(ticks.user) / turns,
            system_ms: millis(ticks.system) / turns,
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
