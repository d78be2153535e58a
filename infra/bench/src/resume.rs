//! Coming back to an answer: how long everything that was missed takes, many listeners on one turn, and what keeping the text of
//! running answers costs.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use baton_rehearsal::paced;
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::client::{Kind, Target};
use crate::launch::Launcher;
use crate::load::Crowd;
use crate::quantiles::{median, millis, percentile};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::typed::{Event, Listener};

/// Text events of the turn that listeners come back to.
const EVENTS: usize = 1_000;
const RESUMES: usize = 30;
const RESUME: Duration = Duration::from_millis(20);
const LISTENERS: usize = 1_000;
/// What keeping text may add to the processor time of a turn.
const KEEPING: f64 = 1.05;
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let team = launcher.team("")?;
    come_back(launcher, &team, report).await?;
    listen_together(launcher, &team, report).await?;
    count_writes(launcher, &team, quick, report).await?;
    keep(launcher, quick, report).await
}

/// One turn of many events, resumed from its beginning while it runs and when it is over, where it runs and elsewhere.
async fn come_back(launcher: &Launcher, team: &Path, report: &mut Report) -> Result<()> {
    let model = launcher
        .model_with(EVENTS, Duration::from_millis(1), &["--hold-ms", "5000"])
        .await?;
    let data = launcher.file("db");
    let here = launcher.baton_on(&data, team, &model).await?;
    let there = launcher.baton_on(&data, team, &model).await?;
    say(&format!(
        "\nresume: a turn of {EVENTS} text events from its beginning, {RESUMES} times each"
    ));
    let expected = paced::text(EVENTS);
    let mut asker = Listener::connect(here.addr, PATIENCE).await?;
    let (said, told) = tokio::sync::oneshot::channel();
    let whole = expected.len();
    let turn = tokio::spawn(async move {
        let (mut length, mut said) = (0, Some(said));
        let on = |event: Event<'_>| {
            length += event.text()?.map_or(0, |text| text.len());
            if length == whole {
                // Who waits for it has ended only when all has failed.
                said.take().map(|said| said.send(()).ok());
            }
            Ok(ControlFlow::Continue(()))
        };
        asker.say("resumed", "Tell me everything.", on).await
    });
    told.await.context("the text never became whole")?;
    let live_here = resumes(here.addr, &expected, End::Text).await?;
    // Its text is kept in batches: the first listener elsewhere waits until the last one is there.
    resume(there.addr, &expected, End::Text).await?;
    let live_elsewhere = resumes(there.addr, &expected, End::Text).await?;
    turn.await.context("the turn panicked")??;
    let over_here = resumes(here.addr, &expected, End::Turn).await?;
    let over_elsewhere = resumes(there.addr, &expected, End::Turn).await?;
    let mut table = Table::new(&["", "p50 ms", "p99 ms"]);
    for (what, mut times) in [
        ("running, where it runs", live_here),
        ("running, elsewhere", live_elsewhere),
        ("over, where it ran", over_here),
        ("over, elsewhere", over_elsewhere),
    ] {
        let p50 = percentile(&mut times, 50);
        table.row(vec![
            what.to_owned(),
            format!("{:.2}", millis(p50)),
            format!("{:.2}", millis(percentile(&mut times, 99))),
        ]);
        report.at_most(
            format!("resume of {EVENTS} events, {what}, p50"),
            millis(p50),
            millis(RESUME),
            " ms",
        );
    }
    say(&table.to_string());
    Ok(())
}

/// When a listener has everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The turn is still running.
    Text,
    Turn,
}

async fn resumes(addr: SocketAddr, expected: &str, end: End) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(RESUMES);
    for _ in 0..RESUMES {
        times.push(resume(addr, expected, end).await?);
    }
    Ok(times)
}

/// From the request to the last of what was missed.
async fn resume(addr: SocketAddr, expected: &str, end: End) -> Result<Duration> {
    let mut listener = Listener::connect(addr, PATIENCE).await?;
    let asked_at = Instant::now();
    let mut heard = Heard::default();
    listener
        .resume("resumed", 1, |event| heard.take(&event, expected, end))
        .await?;
    let at = heard.whole_at.context("a part of the turn is missing")?;
    Ok(at - asked_at)
}

#[derive(Default)]
struct Heard {
    text: String,
    whole_at: Option<Instant>,
}

impl Heard {
    fn take(&mut self, event: &Event<'_>, expected: &str, end: End) -> Result<ControlFlow<()>> {
        self.text.extend(event.text()?);
        let is_end = match end {
            End::Text => self.text.len() >= expected.len(),
            End::Turn => event.name == "turn_completed",
        };
        if !is_end {
            return Ok(ControlFlow::Continue(()));
        }
        ensure!(self.text == expected, "another text than the model's");
        self.whole_at = Some(event.at);
        Ok(ControlFlow::Break(()))
    }
}

/// Many listeners on one turn: all get all of it, and it takes no longer.
async fn listen_together(launcher: &Launcher, team: &Path, report: &mut Report) -> Result<()> {
    const WORDS: usize = 500;
    let model = launcher.model(WORDS, Duration::from_millis(10)).await?;
    let baton = launcher
        .baton_on(&launcher.file("db"), team, &model)
        .await?;
    say(&format!(
        "\nlisteners: {LISTENERS} on one turn of {WORDS} words in 5 s, beside the same turn without them"
    ));
    let alone = talk(&baton, WORDS, 0, report).await?;
    let crowded = talk(&baton, WORDS, LISTENERS, report).await?;
    let mut table = Table::new(&[
        "listeners",
        "whole",
        "asker's answer ms",
        "last listener ms",
        "CPU cores",
    ]);
    for talk in [&alone, &crowded] {
        table.row(vec![
            talk.listeners.to_string(),
            talk.whole.to_string(),
            format!("{:.0}", millis(talk.asker)),
            format!("{:.0}", millis(talk.last)),
            format!("{:.2}", talk.cpu.as_secs_f64() / talk.last.as_secs_f64()),
        ]);
    }
    say(&table.to_string());
    report.exactly(
        "listeners of one turn that got all of it",
        crowded.whole,
        LISTENERS,
    );
    report.at_most(
        format!("the asker's answer with {LISTENERS} listeners / without"),
        crowded.asker.as_secs_f64() / alone.asker.as_secs_f64(),
        1.1,
        "",
    );
    Ok(())
}

struct Talk {
    listeners: usize,
    whole: usize,
    asker: Duration,
    last: Duration,
    cpu: Duration,
}

async fn talk(baton: &Server, words: usize, listeners: usize, report: &mut Report) -> Result<Talk> {
    let (addr, expected) = (baton.addr, paced::text(words));
    let conversation = format!("heard-by-{listeners}");
    let cpu = baton.cpu()?;
    let began_at = Instant::now();
    let (begun, told) = tokio::sync::oneshot::channel();
    let asker = tokio::spawn({
        let conversation = conversation.clone();
        async move {
            let mut begun = Some(begun);
            let on = |event: Event<'_>| {
                if event.name == "text_delta" {
                    begun.take().map(|begun| begun.send(()).ok());
                }
                Ok(ControlFlow::Continue(()))
            };
            let mut asker = Listener::connect(addr, PATIENCE).await?;
            asker.say(&conversation, "Tell us everything.", on).await?;
            anyhow::Ok(began_at.elapsed())
        }
    });
    told.await.context("the turn never began")?;
    let mut crowd = JoinSet::new();
    for _ in 0..listeners {
        let (conversation, expected) = (conversation.clone(), expected.clone());
        crowd.spawn(async move {
            let mut heard = Heard::default();
            let mut listener = Listener::connect(addr, PATIENCE).await?;
            listener
                .resume(&conversation, 1, |event| {
                    heard.take(&event, &expected, End::Turn)
                })
                .await?;
            heard.whole_at.context("the stream was cut")
        });
    }
    let mut errors = Vec::new();
    while let Some(ended) = crowd.join_next().await {
        if let Err(error) = ended.context("a listener panicked")? {
            errors.push(format!("{error:#}"));
        }
    }
    report.errors("Baton", &errors);
    let asker = asker.await.context("the asker panicked")??;
    Ok(Talk {
        listeners,
        whole: listeners - errors.len(),
        asker,
        last: began_at.elapsed(),
        cpu: (baton.cpu()? - cpu).total(),
    })
}

/// What answers of some lengths write, counted in the file: what a table that is paid by the write would take for them.
async fn count_writes(
    launcher: &Launcher,
    team: &Path,
    quick: bool,
    report: &mut Report,
) -> Result<()> {
    const WORDS_PER_SECOND: usize = 10;
    let lengths: &[usize] = if quick { &[2] } else { &[2, 10, 60] };
    let word_every = Duration::from_secs(1) / u32::try_from(WORDS_PER_SECOND)?;
    let mut turns = JoinSet::new();
    for seconds in lengths.iter().copied() {
        let words = seconds * WORDS_PER_SECOND;
        let model = launcher.model(words, word_every).await?;
        let data = launcher.file("db");
        let baton = launcher.baton_on(&data, team, &model).await?;
        let target = Target {
            addr: baton.addr,
            kind: Kind::Baton,
            expected: paced::text(words),
            patience: PATIENCE * 2,
        };
        let mut crowd = Crowd::connect(&target, 1, "counted").await?;
        turns.spawn(async move {
            let outcome = crowd.talk_on(1).await?;
            // Those that it talked with live until here.
            drop((model, baton));
            anyhow::Ok((seconds, Writes::in_file(&data)?, outcome.errors))
        });
    }
    say(
        "\nwrites of a turn, by the length of its answer; a unit is 1 KB of one record, two in a transaction",
    );
    let mut table = Table::new(&["answer", "batches of text", "record writes", "write units"]);
    let mut counted = Vec::new();
    while let Some(turn) = turns.join_next().await {
        counted.push(turn.context("a turn panicked")??);
    }
    counted.sort_by_key(|(seconds, ..)| *seconds);
    for (seconds, writes, errors) in counted {
        report.errors("Baton", &errors);
        table.row(vec![
            format!("{seconds} s"),
            writes.batches.to_string(),
            writes.records.to_string(),
            writes.units.to_string(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

/// What was written for the conversations of a file. A record's version says how often it was.
#[derive(Default)]
struct Writes {
    batches: u64,
    records: u64,
    units: u64,
}

impl Writes {
    fn in_file(data: &Path) -> Result<Self> {
        const UNIT_BYTES: u64 = 1024;
        let file = Connection::open(data)?;
        let mut query = file.prepare(
            "SELECT sort, version, length(body) FROM records WHERE partition LIKE 'C#%'",
        )?;
        let mut rows = query.query([])?;
        let mut writes = Self::default();
        while let Some(row) = rows.next()? {
            let (sort, version, bytes): (String, u64, u64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let is_batch = sort.starts_with("E#");
            writes.batches += u64::from(is_batch);
            writes.records += version;
            // Batches and renewals of the lease are written alone; what begins and ends a turn is a transaction.
            let transactional = if is_batch { 0 } else { version.min(2) };
            writes.units += (version + transactional) * bytes.div_ceil(UNIT_BYTES);
        }
        Ok(writes)
    }
}

/// Long answers with and without their text being kept meanwhile, side by side.
async fn keep(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    /// 10 s of text, as a person reads it; far less than makes a batch by its size.
    const WORDS: usize = 200;
    const CONVERSATIONS: usize = 100;
    let rounds = if quick { 1 } else { 4 };
    let model = launcher.model(WORDS, Duration::from_millis(50)).await?;
    let mut sides = Vec::new();
    for (what, every) in [("kept every second", 1), ("never kept", 60)] {
        let team = launcher.team(&format!("[limits]\nkeep_text_seconds = {every}\n"))?;
        let baton = launcher
            .baton_on(&launcher.file("db"), &team, &model)
            .await?;
        let target = Target {
            addr: baton.addr,
            kind: Kind::Baton,
            expected: paced::text(WORDS),
            patience: PATIENCE,
        };
        let mut crowd = Crowd::connect(&target, CONVERSATIONS, "kept").await?;
        let warm = crowd.talk_on(1).await?;
        report.errors("Baton", &warm.errors);
        sides.push((what, baton, crowd, Vec::new()));
    }
    say(&format!(
        "\nkeeping text: {CONVERSATIONS} answers of 10 s at once, {rounds} rounds each"
    ));
    for _ in 0..rounds {
        for (_, baton, crowd, cpu) in &mut sides {
            let before = baton.run_time()?;
            let outcome = crowd.talk_on(1).await?;
            report.errors("Baton", &outcome.errors);
            let turns = f64::from(u32::try_from(outcome.answers.len())?);
            cpu.push(millis(baton.run_time()?.since(&before)) / turns);
        }
    }
    let mut table = Table::new(&["text", "CPU ms/turn"]);
    let mut medians = Vec::new();
    for (what, _, _, cpu) in &mut sides {
        let cpu = median(cpu);
        medians.push(cpu);
        table.row(vec![(*what).to_owned(), format!("{cpu:.2}")]);
    }
    say(&table.to_string());
    if let [kept, never] = medians.as_slice() {
        report.at_most(
            "CPU of a turn whose text is kept / never kept",
            kept / never,
            KEEPING,
            "",
        );
    }
    Ok(())
}
