//! Actions: how many are accepted in a second, and how long a result takes, beside what the disk's commits allow.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use baton_rehearsal::paced;
use tokio::task::JoinSet;

use crate::commit::Disk;
use crate::launch::Launcher;
use crate::quantiles::{millis, percentile};
use crate::report::{Report, Table, say};
use crate::server::Server;
use crate::typed::{Event, Listener};

const CONVERSATIONS: [usize; 2] = [1, 64];
/// What the protocol makes durable one after the other, each before the next may begin: the turn, the accepting step, the message
/// to the worker, the claim, the effect, the result, the message's end, the turn's end.
const COMMITS: f64 = 8.0;
/// Accepted actions, as a part of what the commits allow.
const PART: f64 = 1.0 / 3.0;
const RESULT: Duration = Duration::from_millis(20);
const TURNS_PER_CONVERSATION: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);
const COMMITS_MEASURED: usize = 500;

/// What came of one round.
#[derive(Default)]
struct Outcome {
    results: Vec<Duration>,
    elapsed: Duration,
    errors: Vec<String>,
}

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let lasting = Duration::from_secs(if quick { 1 } else { 8 });
    let model = launcher
        .model_with(paced::WORDS, Duration::ZERO, &["--orders"])
        .await?;
    let team = launcher.team("")?;
    let baton = launcher
        .baton_on(&launcher.file("db"), &team, &model)
        .await?;
    let disk = Disk::open(&launcher.file("db"))?;
    say(&format!(
        "\nactions: an order in each turn, told to the model before the turn ends; {} s each; {COMMITS} durable commits one after the other",
        lasting.as_secs()
    ));
    let mut table = Table::new(&[
        "conversations",
        "actions/s",
        "commits/s of the disk",
        "part of what they allow",
        "result p50 ms",
        "p99 ms",
        "CPU ms/action",
    ]);
    for conversations in CONVERSATIONS {
        let before = commits_per_second(&disk)?;
        let cpu = baton.cpu()?;
        let mut outcome = order(&baton, conversations, lasting).await?;
        let cpu = (baton.cpu()? - cpu).total();
        let commits = f64::midpoint(before, commits_per_second(&disk)?);
        report.errors("Baton", &outcome.errors);
        let orders = f64::from(u32::try_from(outcome.results.len())?);
        let per_second = orders / outcome.elapsed.as_secs_f64();
        let part = per_second * COMMITS / commits;
        let p50 = percentile(&mut outcome.results, 50);
        table.row(vec![
            conversations.to_string(),
            format!("{per_second:.0}"),
            format!("{commits:.0}"),
            format!("{part:.2}"),
            format!("{:.2}", millis(p50)),
            format!("{:.2}", millis(percentile(&mut outcome.results, 99))),
            format!("{:.2}", millis(cpu) / orders),
        ]);
        report.at_least(
            format!("accepted actions at {conversations}, part of what commits allow"),
            part,
            PART,
            "",
        );
        report.at_most(
            format!("from call to result at {conversations}, p50"),
            millis(p50),
            millis(RESULT),
            " ms",
        );
    }
    say(&table.to_string());
    Ok(())
}

fn commits_per_second(disk: &Disk) -> Result<f64> {
    let times = disk.commits(COMMITS_MEASURED)?;
    let whole: Duration = times.iter().sum();
    Ok(f64::from(u32::try_from(times.len())?) / whole.as_secs_f64())
}

async fn order(server: &Server, conversations: usize, lasting: Duration) -> Result<Outcome> {
    let (addr, began_at) = (server.addr, Instant::now());
    let mut customers = JoinSet::new();
    for number in 0..conversations {
        customers.spawn(async move {
            let mut listener = Listener::connect(addr, PATIENCE).await?;
            let mut results = Vec::new();
            while began_at.elapsed() < lasting {
                let topic = results.len() / TURNS_PER_CONVERSATION;
                let name = format!("orders-{conversations}-{number}-{topic}");
                results.push(one_order(&mut listener, &name).await?);
            }
            anyhow::Ok(results)
        });
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = customers.join_next().await {
        match ended.context("a customer panicked")? {
            Ok(results) => outcome.results.extend(results),
            Err(error) => outcome.errors.push(format!("{error:#}")),
        }
    }
    outcome.elapsed = began_at.elapsed();
    Ok(outcome)
}

/// From the call to its result.
async fn one_order(listener: &mut Listener, conversation: &str) -> Result<Duration> {
    let (mut called, mut done, mut over) = (None, None, false);
    let on = |event: Event<'_>| {
        match event.name {
            "tool_called" => called = Some(event.at),
            "action_finished" => {
                ensure!(
                    event.data.contains(r#""state":"done""#),
                    "{} {}",
                    event.name,
                    event.data
                );
                done = Some(event.at);
            }
            "turn_failed" | "turn_stopped" => anyhow::bail!("{} {}", event.name, event.data),
            "turn_completed" => over = true,
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    listener.say(conversation, "I want that anvil.", on).await?;
    ensure!(over, "the stream was cut");
    let called = called.context("nothing was ordered")?;
    Ok(done.context("no result in the turn")? - called)
}
