//! Many slow streams at the same time: what an open answer costs in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use baton_rehearsal::paced;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::client::{Client, Kind, Target};
use crate::launch::{Launcher, ModelProtocol};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::usage::megabytes;

const WORD_EVERY: Duration = Duration::from_secs(1);
/// So many are opened at a time, so often: what is measured is holding streams, not opening them.
const BATCH: usize = 25;
const BATCH_EVERY: Duration = Duration::from_millis(50);
const BATCHES_PER_SECOND: usize = 20;
/// Words, and so seconds, beyond the planned opening: for this long all are open, less what opening takes longer.
const HELD: usize = 20;
/// On top of an answer's own length.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of Baton's resident memory, ever.
const MEMORY_MB: f64 = 400.0;

/// How many answers have begun and not ended.
#[derive(Default)]
struct Gauge {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn opened(&self) -> Open<'_> {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
        Open(self)
    }
}

/// An answer that has begun; ended when dropped.
struct Open<'a>(&'a Gauge);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What holding them was like.
struct Held {
    most_open: usize,
    whole: usize,
    errors: Vec<String>,
    cpu_cores: f64,
    peak_mb: f64,
}

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let streams = if quick { 1_000 } else { 10_000 };
    let opening = streams / BATCH / BATCHES_PER_SECOND;
    let words = opening + HELD;
    say(&format!(
        "\n{streams} slow streams: a word a second, {words} words, opened within {opening} s, HTTP/2 to the model"
    ));
    let model = launcher.model(words, WORD_EVERY).await?;
    let mut table = Table::new(&[
        "",
        "open at once",
        "whole",
        "errors",
        "peak RSS MB",
        "KB per stream",
        "CPU cores",
    ]);
    let mut hold = async |name, kind, server: Server| -> Result<Held> {
        let idle_mb = megabytes(server.memory()?.now_bytes);
        let held = hold(&server, kind, words, streams).await?;
        table.row(held.row(name, idle_mb, streams)?);
        Ok(held)
    };
    let relay = hold(
        "relay",
        Kind::Relay,
        launcher.relay(&model, ModelProtocol::Http2).await?,
    )
    .await?;
    let baton = hold(
        "Baton",
        Kind::Baton,
        launcher.baton(&model, ModelProtocol::Http2).await?,
    )
    .await?;
    say(&table.to_string());
    report.errors("relay", &relay.errors);
    report.errors("Baton", &baton.errors);
    report.exactly(
        "slow streams of Baton open at the same time",
        baton.most_open,
        streams,
    );
    report.exactly(
        "slow streams of Baton that ended whole",
        baton.whole,
        streams,
    );
    report.at_most(
        format!("peak memory of Baton with {streams} slow streams"),
        baton.peak_mb,
        MEMORY_MB,
        " MB",
    );
    Ok(())
}

async fn hold(server: &Server, kind: Kind, words: usize, streams: usize) -> Result<Held> {
    let target = Target {
        addr: server.addr,
        kind,
        expected: paced::text(words),
        patience: WORD_EVERY * u32::try_from(words)? + PATIENCE,
    };
    let gauge = Arc::new(Gauge::default());
    let (cpu_before, began_at) = (server.cpu()?, Instant::now());
    let mut listening = open(&target, streams, &gauge).await;
    let mut held = Held {
        most_open: 0,
        whole: 0,
        errors: Vec::new(),
        cpu_cores: 0.0,
        peak_mb: 0.0,
    };
    while let Some(ended) = listening.join_next().await {
        match ended.context("a listener panicked")? {
            Ok(()) => held.whole += 1,
            Err(error) => held.errors.push(format!("{error:#}")),
        }
    }
    let cpu = server.cpu()? - cpu_before;
    held.cpu_cores = cpu.total().as_secs_f64() / began_at.elapsed().as_secs_f64();
    held.peak_mb = megabytes(server.memory()?.peak_bytes);
    held.most_open = gauge.most.load(Ordering::Relaxed);
    Ok(held)
}

async fn open(target: &Target, streams: usize, gauge: &Arc<Gauge>) -> JoinSet<Result<()>> {
    let mut listening = JoinSet::new();
    let mut ticks = tokio::time::interval(BATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..streams {
        if number % BATCH == 0 {
            ticks.tick().await;
        }
        listening.spawn(listen(target.clone(), number, Arc::clone(gauge)));
    }
    listening
}

async fn listen(target: Target, number: usize, gauge: Arc<Gauge>) -> Result<()> {
    let mut client = Client::connect(target).await?;
    let conversation = format!("slow-{number}");
    let mut open = None;
    client
        .say(&conversation, "Tell me slowly.", || {
            open = Some(gauge.opened());
        })
        .await?;
    Ok(())
}

impl Held {
    fn row(&self, name: &str, idle_mb: f64, streams: usize) -> Result<Vec<String>> {
        let kilobytes_each = (self.peak_mb - idle_mb) * 1000.0 / f64::from(u32::try_from(streams)?);
        Ok(vec![
            name.to_owned(),
            self.most_open.to_string(),
            self.whole.to_string(),
            self.errors.len().to_string(),
            format!("{:.1}", self.peak_mb),
            format!("{kilobytes_each:.1}"),
            format!("{:.2}", self.cpu_cores),
        ])
    }
}
