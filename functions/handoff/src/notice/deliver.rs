//! The delivery of notices: the first of each endpoint and conversation, until it was taken or is too old.

use std::fmt;
use std::time::Duration;

use crate::action::Executed;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{
    Change, CommitError, Delivered, Lane, Millis, Order, Range, StoreError, Stored, jitter, millis,
};
use crate::principal::Owner;
use crate::record::notice::{CLIENTS, NoticeRecord, notices_of};
use crate::record::{Meta, RESEND, decode};
use crate::team::{NoticeKind, Webhook};

/// When a notice is given up.
const LIFE: Millis = 72 * 3_600_000;

/// When one to a client's endpoint is: those of later turns wait for it.
const CLIENTS_LIFE: Millis = 3_600_000;

/// How long one message of the queue delivers. Another message goes on: a function has a deadline.
const LONGEST_ROUND: Millis = 10_000;

/// Records read to find the first one that can be read.
const LOOKED_AT: usize = 20;

/// The longest pause between two attempts, unless the endpoint asks for a longer one.
const LONGEST_RETRY: Millis = 3_600_000;

/// How much longer an attempt may take than its time-out: it is given up by whoever makes it first.
const GRACE: Millis = 1_500;

/// When a notice to a paused endpoint is looked at again.
const PAUSED: Millis = 10 * 60_000;

/// When the message comes again for which there was no place, or whose record another worker wrote.
const SOON: Duration = Duration::from_secs(2);

/// The notices of an endpoint about a conversation. Its text is a message of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeLane {
    endpoint: String,
    conversation: ConversationId,
}

impl NoticeLane {
    pub(crate) fn new(endpoint: &str, conversation: ConversationId) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            conversation,
        }
    }

    /// How long one of its notices is tried.
    fn patience(&self) -> Millis {
        if self.endpoint == CLIENTS {
            CLIENTS_LIFE
        } else {
            LIFE
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// Reads a message of the queue. No id of an action has a slash.
    pub fn parse(body: &str) -> Option<Self> {
        let (endpoint, conversation) = body.strip_prefix("webhook/")?.split_once('/')?;
        let conversation = ConversationId::parse(conversation).ok()?;
        Some(Self::new(endpoint, conversation))
    }
}

impl fmt::Display for NoticeLane {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "webhook/{}/{}", self.endpoint, self.conversation)
    }
}

/// The first notice of a lane that can be read, and the record behind it.
struct First {
    stored: Stored,
    notice: NoticeRecord,
    behind: Option<Stored>,
}

impl Engine {
    /// Asks workers to tell of turns that have just ended, `meta` as written with their ends.
    pub(crate) async fn send_ended(
        &self,
        meta: &Meta,
        conversation: &ConversationId,
        turns: &[TurnNumber],
    ) {
        let kind = NoticeKind::TurnCompleted;
        self.send_notices(&meta.owner, conversation, kind).await;
        if turns.iter().any(|turn| meta.pushes.contains(turn)) {
            self.send_push(&meta.owner, conversation).await;
        }
    }

    /// The same for the endpoints that a client has brought for them.
    pub(crate) async fn send_push(&self, owner: &Owner, conversation: &ConversationId) {
        let lane = NoticeLane::new(CLIENTS, conversation.clone());
        self.send_lane(owner, &lane).await;
    }

    /// Asks workers to deliver what a conversation has just told of this kind. After a failure the sweep finds it.
    pub(crate) async fn send_notices(
        &self,
        owner: &Owner,
        conversation: &ConversationId,
        kind: NoticeKind,
    ) {
        for standing in self.told_of(kind) {
            let lane = NoticeLane::new(standing.name(), conversation.clone());
            self.send_lane(owner, &lane).await;
        }
    }

    async fn send_lane(&self, owner: &Owner, lane: &NoticeLane) {
        let body = lane.to_string();
        let sent = self.queue.send(Lane::Actions, owner.as_str(), &body);
        if let Err(error) = sent.await {
            tracing::warn!(%lane, %error, "a notice was not queued; the sweeper will send it");
        }
    }

    /// Delivers what is due of this lane. Any number of workers may call this for one lane at any time.
    #[tracing::instrument(level = "error", name = "webhook", skip_all, fields(%lane))]
    pub async fn deliver(&self, lane: &NoticeLane) -> Executed {
        let until = self.env.now() + LONGEST_ROUND;
        while self.env.now() < until {
            match self.deliver_next(lane).await {
                Ok(None) => {}
                Ok(Some(executed)) => return executed,
                Err(error) => {
                    tracing::warn!(%error, "a notice could not be read or written; its message comes again");
                    return Executed::Later(SOON);
                }
            }
        }
        Executed::Later(Duration::ZERO)
    }

    /// None: look for the next one.
    async fn deliver_next(&self, lane: &NoticeLane) -> Result<Option<Executed>, StoreError> {
        let Some(First {
            stored,
            mut notice,
            behind,
        }) = self.first_of(lane).await?
        else {
            return Ok(Some(Executed::Over));
        };
        let now = self.env.now();
        if now >= notice.created_at + lane.patience() {
            tracing::error!(
                attempts = notice.attempts,
                "a notice is given up: its endpoint did not take it in time"
            );
            return self.take_out(lane, &stored, behind).await;
        }
        let receiver = match self.receiver(lane, notice.turn).await {
            Ok(Some(receiver)) => receiver,
            Ok(None) => {
                tracing::info!("a notice is removed: there is no such endpoint any more");
                return self.take_out(lane, &stored, behind).await;
            }
            Err(error @ StoreError::Damaged(_)) => {
                // A newer version of this program may have written it, and may be back within the notice's life.
                tracing::error!(%error, "a notice waits: its endpoint cannot be read");
                return self.put_off(stored, notice, PAUSED).await;
            }
            Err(error) => return Err(error),
        };
        let wait = notice.due_at.unwrap_or(now).saturating_sub(now);
        let is_held = !notice.holder.is_empty() && !self.has_ended(&notice.holder);
        if wait > 0 && (is_held || notice.attempts > 0 && notice.holder.is_empty()) {
            return Ok(Some(Executed::Later(Duration::from_millis(wait))));
        }
        let state = match receiver.standing() {
            Some(name) => self.endpoint_state(name).await?,
            None => None,
        };
        if state
            .as_ref()
            .is_some_and(|(_, state)| state.paused_at.is_some())
        {
            return self.put_off(stored, notice, PAUSED).await;
        }
        let Some(_place) = self.tool_places.enter(&self.bounds, &receiver.place()) else {
            return Ok(Some(Executed::Later(SOON)));
        };
        notice.attempts += 1;
        notice.holder = self.new_holder();
        notice.due_at = Some(now + millis(Webhook::TIMEOUT) + self.claim_margin());
        let claim = Change::Replace(stored.key.clone(), stored.version, notice.record());
        if self.store.commit(vec![claim]).await.is_err() {
            return Ok(Some(Executed::Later(SOON)));
        }
        let stored = Stored {
            version: stored.version + 1,
            ..stored
        };
        let longest = millis(Webhook::TIMEOUT) + GRACE;
        let delivered = tokio::select! {
            biased;
            delivered = self.tell(&receiver, lane, &stored, &notice) => delivered,
            () = self.sleep(longest) => Delivered::Failed("no answer came in time".to_owned(), None),
        };
        match delivered {
            Delivered::Taken => {
                if let (Some(name), Some((version, _))) = (receiver.standing(), state) {
                    self.endpoint_works(name, version).await;
                }
                self.take_out(lane, &stored, behind).await
            }
            Delivered::Refused(reason) => {
                tracing::error!(turn = notice.turn, %reason, "a notice was refused for good: it is not sent again");
                self.take_out(lane, &stored, behind).await
            }
            Delivered::Gone => {
                let Some(name) = receiver.standing() else {
                    return self.take_out(lane, &stored, behind).await;
                };
                self.endpoint_fails(name, state, "it answered 410", true)
                    .await;
                self.put_off(stored, notice, PAUSED).await
            }
            Delivered::Failed(..) if sabotage!(NoticeForgotten) => {
                self.take_out(lane, &stored, behind).await
            }
            Delivered::Failed(reason, asked) => {
                tracing::info!(attempt = notice.attempts, %reason, "a notice was not taken; it is sent again");
                if let Some(name) = receiver.standing() {
                    self.endpoint_fails(name, state, &reason, false).await;
                }
                let ceiling = (1_000 << notice.attempts.min(12)).min(LONGEST_RETRY);
                let wait = jitter(Duration::from_millis(ceiling), self.env.random());
                let asked = asked.map_or(0, |asked| millis(asked).min(LONGEST_RETRY));
                self.put_off(stored, notice, millis(wait).max(asked)).await
            }
        }
    }

    async fn first_of(&self, lane: &NoticeLane) -> Result<Option<First>, StoreError> {
        let range = Range {
            partition: notices_of(&lane.endpoint, &lane.conversation),
            prefix: String::new(),
            after: None,
            order: if sabotage!(NoticesOutOfOrder) {
                Order::Descending
            } else {
                Order::Ascending
            },
            limit: LOOKED_AT,
        };
        let mut records = self.store.range(&range).await?.records.into_iter();
        while let Some(stored) = records.next() {
            match decode(&stored) {
                Ok(notice) => {
                    return Ok(Some(First {
                        stored,
                        notice,
                        behind: records.next(),
                    }));
                }
                Err(error) => {
                    tracing::error!(%error, "a notice cannot be read; those behind it are delivered");
                }
            }
        }
        Ok(None)
    }

    /// Tries it again after a while.
    async fn put_off(
        &self,
        stored: Stored,
        mut notice: NoticeRecord,
        wait: Millis,
    ) -> Result<Option<Executed>, StoreError> {
        notice.holder = String::new();
        notice.due_at = Some(self.env.now() + wait);
        let change = Change::Replace(stored.key, stored.version, notice.record());
        // If this is not written, another worker has it, or the claim ends by itself.
        let _written = self.store.commit(vec![change]).await;
        Ok(Some(if wait >= PAUSED {
            // The sweep finds it, and the queue keeps no message for so long.
            Executed::Over
        } else {
            Executed::Later(Duration::from_millis(wait))
        }))
    }

    /// Removes a notice, and sees to it that a sweep finds the one behind it.
    async fn take_out(
        &self,
        lane: &NoticeLane,
        stored: &Stored,
        mut behind: Option<Stored>,
    ) -> Result<Option<Executed>, StoreError> {
        for attempt in 0..MAX_TRIES {
            let mut changes = vec![Change::Remove(stored.key.clone(), Some(stored.version))];
            if let Some(next) = &behind
                && let Ok(notice) = decode::<NoticeRecord>(next)
            {
                let notice = NoticeRecord {
                    due_at: Some(self.env.now() + RESEND),
                    ..notice
                };
                changes.push(Change::Replace(
                    next.key.clone(),
                    next.version,
                    notice.record(),
                ));
            }
            match self.store.commit(changes).await {
                Ok(()) => return Ok(None),
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {}
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
            let first = self.first_of(lane).await?;
            let Some(first) = first.filter(|first| first.stored.key == stored.key) else {
                return Ok(None);
            };
            if first.stored.version != stored.version {
                // Another worker has it.
                return Ok(Some(Executed::Later(SOON)));
            }
            behind = first.behind;
            self.back_off(attempt).await;
        }
        Err(StoreError::Unavailable(
            "the notices are written to all the time".to_owned(),
        ))
    }

    /// Sends a due notice to a worker. One that is not the first of its lane is found when it is.
    pub(crate) async fn sweep_notice(&self, stored: &Stored) -> Result<bool, StoreError> {
        let Some((endpoint, conversation)) =
            crate::record::notice::parse_notices(&stored.key.partition)
        else {
            return Ok(false);
        };
        let lane = NoticeLane::new(endpoint, conversation);
        let mut notice: NoticeRecord = decode(stored)?;
        let Some(first) = self.first_of(&lane).await? else {
            return Ok(false);
        };
        let is_first = first.stored.key == stored.key;
        notice.due_at = is_first.then(|| self.env.now() + RESEND);
        let change = Change::Replace(stored.key.clone(), stored.version, notice.record());
        // Whoever wrote it meanwhile has it, or has found it to be the first.
        let _moved = self.store.commit(vec![change]).await;
        if is_first {
            self.send_lane(&notice.owner, &lane).await;
        }
        Ok(is_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ActionId;

    #[test]
    fn a_lane_is_a_message_that_is_no_action() {
        let lane = NoticeLane::new("crm", ConversationId::parse("c-1").unwrap());
        assert_eq!(NoticeLane::parse(&lane.to_string()), Some(lane.clone()));
        assert!(ActionId::parse(&lane.to_string()).is_err());
        for other in ["webhook/crm", "webhook", "c.1.0", "webhook/crm/a b"] {
            assert_eq!(NoticeLane::parse(other), None, "{other}");
        }
    }
}
