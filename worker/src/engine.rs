//! Baton's work: actions to execute, conversations to advance, and the sweep that finds both when their message was lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::Lane;
use baton_handoff::{Engine, Executed, NoticeLane};
use tokio_util::sync::CancellationToken;

use crate::{Verdict, Work};

/// The work of one engine.
pub struct EngineWork(pub Arc<Engine>);

#[async_trait]
impl Work for EngineWork {
    async fn work(&self, lane: Lane, body: &str) -> Verdict {
        match lane {
            Lane::Actions => {
                let executed = if let Some(notices) = NoticeLane::parse(body) {
                    self.0.deliver(&notices).await
                } else if let Ok(id) = ActionId::parse(body) {
                    self.0.action(&id).execute().await
                } else {
                    return never(lane);
                };
                match executed {
                    Executed::Over => Verdict::Ack,
                    Executed::Later(delay) => Verdict::Later(delay),
                }
            }
            Lane::Turns => match ConversationId::parse(body) {
                Ok(conversation) => {
                    let later = self.0.look_after(&conversation).await;
                    later.map_or(Verdict::Ack, Verdict::Later)
                }
                Err(_) => never(lane),
            },
        }
    }
}

/// The queue moves it to its dead letters, if it has any.
fn never(lane: Lane) -> Verdict {
    tracing::error!(lane = lane.as_str(), "a queue message is not an id");
    Verdict::Never
}

/// Takes over the work of processes that have certainly ended, at once. Then sweeps now and at every interval until it is asked
/// to stop.
pub async fn sweep_until(engine: Arc<Engine>, interval: Duration, stop: CancellationToken) {
    match engine.inherit().await {
        Ok(left) if left.conversations + left.actions > 0 => {
            tracing::info!(
                conversations = left.conversations,
                actions = left.actions,
                "work of ended processes is taken over"
            );
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "work of ended processes could not be taken over; it waits for the end of their leases");
        }
    }
    loop {
        match engine.sweep().await {
            Ok(swept) if swept.conversations + swept.actions > 0 => {
                tracing::info!(
                    conversations = swept.conversations,
                    actions = swept.actions,
                    "swept"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes on"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}
