//! Who is told: the endpoints of the team, and whoever takes traces.

use std::time::Duration;

use crate::engine::Engine;
use crate::ids::hex;
use crate::ports::{Delivered, Posted, StoreError, Stored, Traces};
use crate::record::notice::NoticeRecord;
use crate::team::{NoticeKind, TRACES, Webhook};
use sha2::{Digest, Sha256};

use super::deliver::NoticeLane;

/// One who is told.
#[derive(Clone, Copy)]
pub(super) enum Destination<'a> {
    /// An endpoint of the team: what it is told was composed with what it tells.
    Webhook(&'a Webhook),
    /// Takes the trace of each turn that has ended, read from its journal when it is sent.
    Traces(&'a dyn Traces),
}

impl Destination<'_> {
    /// Names it in records, messages and logs.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Webhook(webhook) => &webhook.name,
            Self::Traces(_) => TRACES,
        }
    }

    /// Where it is, for people.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Webhook(webhook) => &webhook.url,
            Self::Traces(traces) => traces.address(),
        }
    }

    fn wants(&self, kind: NoticeKind) -> bool {
        match self {
            Self::Webhook(webhook) => webhook.kinds.contains(&kind),
            Self::Traces(_) => kind == NoticeKind::TurnCompleted,
        }
    }
}

impl Engine {
    /// All who are told something.
    pub(super) fn destinations(&self) -> impl Iterator<Item = Destination<'_>> {
        let webhooks = self.team.webhooks().iter().map(Destination::Webhook);
        webhooks.chain(self.traces.as_deref().map(Destination::Traces))
    }

    /// Those who are told of this kind.
    pub(super) fn told_of(&self, kind: NoticeKind) -> impl Iterator<Item = Destination<'_>> {
        self.destinations().filter(move |one| one.wants(kind))
    }

    /// The names of all who are told something.
    pub(crate) fn told(&self) -> impl Iterator<Item = &str> {
        let webhooks = self.team.webhooks().iter();
        let webhooks = webhooks.map(|webhook| webhook.name.as_str());
        webhooks.chain(self.traces.as_ref().map(|_| TRACES))
    }

    /// How long one message of the queue may take that tells somebody something; none where nobody is told.
    pub fn longest_notice(&self) -> Option<Duration> {
        self.told().next().map(|_| Webhook::TIMEOUT)
    }

    pub(super) fn destination(&self, name: &str) -> Option<Destination<'_>> {
        self.destinations().find(|one| one.name() == name)
    }

    /// One attempt.
    pub(super) async fn tell(
        &self,
        to: Destination<'_>,
        lane: &NoticeLane,
        stored: &Stored,
        notice: &NoticeRecord,
    ) -> Delivered {
        match to {
            Destination::Webhook(to) => {
                let unique = format!("{lane}/{}", stored.key.sort);
                let posted = Posted {
                    to,
                    id: &hex(&Sha256::digest(unique.as_bytes())),
                    at: self.env.now(),
                    body: &notice.body,
                };
                self.webhooks.post(&posted).await
            }
            Destination::Traces(traces) => {
                let trace = self.trace_to_send(lane.conversation(), &notice.owner, notice.turn);
                match trace.await {
                    Ok(Some(trace)) => traces.send(&trace).await,
                    // It was erased meanwhile.
                    Ok(None) => Delivered::Taken,
                    Err(StoreError::Damaged(reason)) => {
                        tracing::error!(turn = notice.turn, %reason, "a turn cannot be traced: its journal cannot be read");
                        Delivered::Taken
                    }
                    Err(error) => Delivered::Failed(error.to_string(), None),
                }
            }
        }
    }
}
