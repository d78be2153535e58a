//! Who is told: the endpoints of the team, whoever takes traces, and the endpoints that clients have brought.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::deliver::NoticeLane;
use crate::engine::Engine;
use crate::ids::{TurnNumber, hex};
use crate::ports::{ClientEndpoint, Delivered, Destination, Posted, StoreError, Stored, Traces};
use crate::record::notice::{CLIENTS, NoticeRecord};
use crate::record::{decode, keys};
use crate::team::{NoticeKind, TRACES, Webhook};

/// One who is told of all conversations. Paused where it takes nothing for long.
#[derive(Clone, Copy)]
pub(super) enum Standing<'a> {
    /// An endpoint of the team.
    Endpoint(&'a Webhook),
    /// Takes the trace of each turn that has ended, read from its journal when it is sent.
    Traces(&'a dyn Traces),
}

impl<'a> Standing<'a> {
    /// Names it in records, messages and logs.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Endpoint(webhook) => &webhook.name,
            Self::Traces(_) => TRACES,
        }
    }

    /// Where it is, for people.
    pub(super) fn address(self) -> &'a str {
        match self {
            Self::Endpoint(webhook) => &webhook.url,
            Self::Traces(traces) => traces.address(),
        }
    }

    fn wants(self, kind: NoticeKind) -> bool {
        match self {
            Self::Endpoint(webhook) => webhook.kinds.contains(&kind),
            Self::Traces(_) => kind == NoticeKind::TurnCompleted,
        }
    }
}

/// The receiver of the notices of a lane.
pub(super) enum Receiver<'a> {
    /// One who is told of all conversations.
    Standing(Standing<'a>),
    /// An endpoint that a client has brought for one turn.
    Client(Box<ClientEndpoint>),
}

impl Receiver<'_> {
    /// The name of one that is paused where it fails for long. A client's endpoint has one notice only, and is left alone with it.
    pub(super) fn standing(&self) -> Option<&str> {
        match self {
            Self::Standing(standing) => Some(standing.name()),
            Self::Client(_) => None,
        }
    }

    /// The name under which its attempts have their places in a process.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Standing(standing) => format!("webhook {}", standing.name()),
            // A host that does not answer holds up no other.
            Self::Client(endpoint) => format!("push {}", endpoint.host()),
        }
    }
}

impl Engine {
    /// All who are told of all conversations.
    pub(super) fn standing(&self) -> impl Iterator<Item = Standing<'_>> {
        let webhooks = self.team.webhooks().iter().map(Standing::Endpoint);
        webhooks.chain(self.traces.as_deref().map(Standing::Traces))
    }

    /// Those of them who are told of this kind.
    pub(super) fn told_of(&self, kind: NoticeKind) -> impl Iterator<Item = Standing<'_>> {
        self.standing().filter(move |one| one.wants(kind))
    }

    /// Their names.
    pub(crate) fn told(&self) -> impl Iterator<Item = &str> {
        self.standing().map(Standing::name)
    }

    /// How long one message of the queue may take that tells somebody something; none where nobody is told.
    pub fn longest_notice(&self) -> Option<Duration> {
        let tells = self.told().next().is_some() || self.takes_pushes();
        tells.then_some(Webhook::TIMEOUT)
    }

    /// None: there is no such endpoint any more.
    pub(super) async fn receiver(
        &self,
        lane: &NoticeLane,
        turn: TurnNumber,
    ) -> Result<Option<Receiver<'_>>, StoreError> {
        if lane.endpoint() != CLIENTS {
            let standing = self.standing().find(|one| one.name() == lane.endpoint());
            return Ok(standing.map(Receiver::Standing));
        }
        let key = keys::push(lane.conversation(), turn);
        let stored = self.store.get(&key).await?;
        let endpoint: Option<ClientEndpoint> = stored.as_ref().map(decode).transpose()?;
        Ok(endpoint.map(|endpoint| Receiver::Client(Box::new(endpoint))))
    }

    /// One attempt.
    pub(super) async fn tell(
        &self,
        receiver: &Receiver<'_>,
        lane: &NoticeLane,
        stored: &Stored,
        notice: &NoticeRecord,
    ) -> Delivered {
        let to = match receiver {
            Receiver::Standing(Standing::Traces(traces)) => {
                return self.send_turn(*traces, lane, notice).await;
            }
            Receiver::Standing(Standing::Endpoint(webhook)) => Destination::Endpoint(webhook),
            Receiver::Client(endpoint) => Destination::Client(endpoint),
        };
        let unique = format!("{lane}/{}", stored.key.sort);
        let posted = Posted {
            to,
            id: &hex(&Sha256::digest(unique.as_bytes())),
            at: self.env.now(),
            body: &notice.body,
        };
        self.webhooks.post(&posted).await
    }

    async fn send_turn(
        &self,
        traces: &dyn Traces,
        lane: &NoticeLane,
        notice: &NoticeRecord,
    ) -> Delivered {
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
