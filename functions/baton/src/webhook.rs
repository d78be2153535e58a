//! `baton webhook`: the endpoints of other systems, whether they listen, and resuming one that is paused.

use std::process::ExitCode;

use baton_handoff::{Day, EndpointNow};
use baton_setup::settings::Settings;
use clap::Subcommand;

use crate::people::{print, with_engine};

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Lists the endpoints and whether they listen
    List,
    /// Tells a paused endpoint again what it missed, within ten minutes
    Resume {
        /// Its name in the team file
        name: String,
    },
}

pub(crate) fn run(settings: &Settings, command: WebhookCommand) -> anyhow::Result<ExitCode> {
    with_engine(settings, async move |engine| {
        let endpoints = engine.endpoints().await?;
        match command {
            WebhookCommand::List => {
                for endpoint in &endpoints {
                    print(&line(endpoint));
                }
            }
            WebhookCommand::Resume { name } => {
                let known = endpoints.iter().any(|endpoint| endpoint.name == name);
                anyhow::ensure!(known, "the team has no webhook {name}");
                let resumed = engine.resume_endpoint(&name).await?;
                anyhow::ensure!(resumed, "{name} is not paused");
                eprintln!("{name} is told again what it missed, within ten minutes");
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn line(endpoint: &EndpointNow) -> String {
    let EndpointNow { name, url, state } = endpoint;
    let state = state.as_ref().map_or_else(
        || "listens".to_owned(),
        |state| match state.paused_at {
            Some(at) => format!("paused {}: {}", Day::of(at), state.reason),
            None => format!(
                "fails since {}: {}",
                Day::of(state.failing_since),
                state.reason
            ),
        },
    );
    format!("{name}\t{url}\t{state}")
}
