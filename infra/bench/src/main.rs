//! The benchmark of Baton beside a plain relay.
//!
//! One program in several roles, each a process of its own, so that processor time and memory can be read per process:
//! [`paced`] of the rehearsal stands in for a model service, [`relay`] is the least that a server can do, [`client`], [`answer`] and [`load`] are
//! the customers. [`launch`] starts those and the real `local`; [`turns`], [`long`], [`streams`], [`start`],
//! [`actions`], [`resume`] and [`function`] measure, and [`report`] holds the measured against the promised. Knows Baton by its
//! HTTP interface and its settings only.

mod actions;
mod answer;
mod arguments;
mod by_hand;
mod client;
mod commit;
mod function;
mod launch;
mod load;
mod long;
mod quantiles;
mod relay;
mod report;
mod resume;
mod server;
mod start;
mod streams;
mod turns;
mod typed;
mod usage;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use baton_rehearsal::paced;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Command, HELP, Plan, Section};
use crate::launch::Launcher;
use crate::report::Report;

/// The runtime that `local` has, for every role.
#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("baton-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    // Ending by unwinding, not by the signal, takes the processes that were started along.
    tokio::select! {
        code = dispatch() => code,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}

async fn dispatch() -> Result<ExitCode> {
    match arguments::parse(std::env::args().skip(1))? {
        Command::Help => report::say(HELP),
        Command::ServeModel(addr, settings) => {
            let listener = TcpListener::bind(addr).await;
            let listener = listener.context("the model cannot listen")?;
            let served = paced::serve(listener, settings).await;
            served.context("the model cannot accept")?;
        }
        Command::ServeRelay(settings) => relay::serve(settings).await?,
        Command::Load(settings) => return by_hand::load(&settings).await,
        Command::Bench(plan) => return bench(&plan).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn bench(plan: &Plan) -> Result<ExitCode> {
    raise_descriptor_limit()?;
    let wants_local = plan.sections.iter().any(|one| *one != Section::Function);
    let launcher = Launcher::new(plan.local.as_deref(), wants_local)?;
    let mut report = Report::default();
    report::say(&report::conditions(plan.quick));
    for section in &plan.sections {
        match section {
            Section::Turns => turns::measure(&launcher, plan.quick, &mut report).await?,
            Section::Pace => turns::measure_paced(&launcher, plan.quick, &mut report).await?,
            Section::Long => long::measure(&launcher, plan.quick, &mut report).await?,
            Section::Streams => streams::measure(&launcher, plan.quick, &mut report).await?,
            Section::Start => start::measure(&launcher, &mut report).await?,
            Section::Actions => actions::measure(&launcher, plan.quick, &mut report).await?,
            Section::Resume => resume::measure(&launcher, plan.quick, &mut report).await?,
            Section::Function => function::measure(&launcher, plan.quick, &mut report).await?,
        }
    }
    Ok(report.conclude())
}

/// Both ends of every stream are descriptors; processes that are started inherit the limit.
fn raise_descriptor_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open descriptors")
}
