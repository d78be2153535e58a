//! `baton trace`: what a turn did, drawn on the terminal, or sent to where the settings send traces.

use std::process::ExitCode;

use baton_handoff::Engine;
use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::Delivered;
use baton_handoff::trace::Trace;
use baton_setup::settings::Settings;
use clap::Args;

use crate::people::{print, with_engine};

#[derive(Args)]
pub(crate) struct Which {
    /// The id of a conversation
    conversation: String,
    /// The number of a turn [default: all turns]
    turn: Option<TurnNumber>,
    /// Send it to where the settings send traces, also if it was sent before: its ids are the same
    #[arg(long)]
    send: bool,
    /// Print one line for each span, separated by tabs: trace id, span id, name
    #[arg(long, conflicts_with = "send")]
    ids: bool,
}

pub(crate) fn run(settings: &Settings, which: Which) -> anyhow::Result<ExitCode> {
    with_engine(settings, async move |engine| {
        anyhow::ensure!(
            !which.send || engine.sends_traces(),
            "no address for traces is set: OTEL_EXPORTER_OTLP_ENDPOINT"
        );
        let conversation = ConversationId::parse(&which.conversation)?;
        let first = which.turn.unwrap_or(1);
        let mut found = 0_u32;
        for turn in first.. {
            let Some(trace) = engine.trace(&conversation, turn).await? else {
                // The first turns may have been erased, or were too old to be kept.
                let is_last = engine
                    .last_turn(&conversation)
                    .await?
                    .is_none_or(|last| turn >= last);
                if which.turn.is_some() || is_last {
                    break;
                }
                continue;
            };
            found += 1;
            tell(&engine, &which, &trace).await?;
            if which.turn.is_some() {
                break;
            }
        }
        anyhow::ensure!(found > 0, "there is no such turn");
        Ok(ExitCode::SUCCESS)
    })
}

async fn tell(engine: &Engine, which: &Which, trace: &Trace) -> anyhow::Result<()> {
    if which.ids {
        for span in &trace.spans {
            let (trace, id) = (span.context.trace, span.context.span);
            print(&format!("{trace}\t{id}\t{}", span.name));
        }
    } else if which.send {
        let turn = trace.turn;
        match engine.send_trace(&trace.conversation, turn).await? {
            None => anyhow::bail!("turn {turn} has not ended: it is sent when it has"),
            Some(Delivered::Taken) => eprintln!("turn {turn} was sent"),
            Some(Delivered::Gone) => anyhow::bail!("turn {turn} was not taken: it answered 410"),
            Some(Delivered::Refused(reason) | Delivered::Failed(reason, _)) => {
                anyhow::bail!("turn {turn} was not taken: {reason}")
            }
        }
    } else {
        print(trace.draw().trim_end());
        print("");
    }
    Ok(())
}
