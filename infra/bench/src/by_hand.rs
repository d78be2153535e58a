//! The load alone, on a server that somebody else has started, under a profiler for instance.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use baton_rehearsal::paced;

use crate::client::{Kind, Target};
use crate::load::Crowd;
use crate::quantiles::{millis, percentile};
use crate::report::{Report, say};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Settings {
    pub(crate) addr: SocketAddr,
    pub(crate) conversations: usize,
    pub(crate) lasting: Duration,
    /// Of the model that the server asks.
    pub(crate) words: usize,
    /// The server is the relay.
    pub(crate) relay: bool,
}

pub(crate) async fn load(settings: &Settings) -> Result<ExitCode> {
    let target = Target {
        addr: settings.addr,
        kind: if settings.relay {
            Kind::Relay
        } else {
            Kind::Baton
        },
        expected: paced::text(settings.words),
        patience: PATIENCE,
    };
    // Conversations of an earlier run may still be on that server.
    let name = format!("by-hand-{}", std::process::id());
    let outcome = Crowd::connect(&target, settings.conversations, &name)
        .await?
        .talk_for(settings.lasting)
        .await?;
    let mut first: Vec<_> = outcome
        .answers
        .iter()
        .map(|answer| answer.first_text)
        .collect();
    let mut whole: Vec<_> = outcome.answers.iter().map(|answer| answer.whole).collect();
    say(&format!(
        "{} turns in {:.1} s; first text p50 {:.2} ms, p99 {:.2} ms; whole p50 {:.2} ms",
        outcome.answers.len(),
        outcome.elapsed.as_secs_f64(),
        millis(percentile(&mut first, 50)),
        millis(percentile(&mut first, 99)),
        millis(percentile(&mut whole, 50)),
    ));
    let mut report = Report::default();
    report.errors("the server", &outcome.errors);
    Ok(if outcome.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
