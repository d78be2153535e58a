//! The commit that makes a message a turn, and begins the turn when the conversation is idle.

use std::sync::Arc;

use super::submit::{Overlap, Stop, Submission, Taken, Tries, hash};
use crate::engine::{Claim, Engine};
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, CommitError, StoreError};
use crate::record::journal::{JournaledTurn, read_meta, visible};
use crate::record::{MessageRecord, Meta, Origin, Running, TurnRecord, keys};
use crate::turn::{self, window};
use crate::turn::{Begun, Opening};

/// How much of the first message stands in lists, in characters.
const TITLE: usize = 80;

impl Engine {
    /// Commits the message; with the past at hand the turn begins by the same commit. `stale`: the version of what an erased
    /// message has left under the same id.
    pub(super) async fn record(
        &self,
        submission: &Submission,
        before: Option<(u64, Meta)>,
        past: Option<Vec<JournaledTurn>>,
        stale: Option<u64>,
        tries: &mut Tries,
    ) -> Result<Option<Taken>, Stop> {
        let conversation = &submission.conversation;
        let now = self.env.now();
        let version = before.as_ref().map(|(version, _)| *version);
        let mut meta = before.map_or_else(
            || {
                let agent = self.team.entry_agent().name.clone();
                Meta::new(submission.owner.clone(), agent, now)
            },
            |(_, meta)| meta,
        );
        let number = meta.next_turn;
        meta.next_turn += 1;
        meta.last_activity = now;
        if meta.title.is_empty() {
            meta.title = title(&submission.message);
        }
        let turn = TurnRecord {
            message_id: submission.message_id.clone(),
            receipt: tries.receipt,
            ..TurnRecord::accepted(Origin::Customer, submission.message.clone(), now)
        };
        let claim = past
            .is_some()
            .then(|| self.claim(conversation, &mut meta, number));
        let mut ends = Vec::new();
        if claim.is_none() {
            if submission.overlap == Overlap::Interrupt {
                let Some(stopped) = self.stop_others(conversation, &mut meta).await? else {
                    return Ok(None);
                };
                ends = stopped;
            }
            meta.waiting.push(number);
        }
        let interrupts = !ends.is_empty();
        let mut changes = acceptance(submission, (number, &turn), (version, &meta), stale);
        changes.append(&mut ends);
        let (Some(claim), Some(past)) = (claim, past) else {
            let committed = self
                .confirm(changes, conversation, number, None, tries)
                .await?;
            if !committed {
                return Ok(None);
            }
            // Those elsewhere hear of it when their server looks.
            if interrupts && let Err(error) = self.catch_up(conversation, &meta).await {
                tracing::debug!(%conversation, %error, "listeners hear later that a turn was stopped");
            }
            let log = if submission.background {
                // Nobody here drives a background turn: a log that others could find would stay silent.
                Arc::default()
            } else {
                self.hub.log(conversation, number)
            };
            return Ok(Some(Taken::Waits(number, log)));
        };
        let past = visible(past, &meta);
        self.open(&meta, &past, &turn, tries);
        let committed = self.confirm_beside(changes, &claim, number, tries).await?;
        if !committed {
            return Ok(None);
        }
        let opening = tries.opening.take().map(|(_, opening)| opening);
        let log = self.hub.log(conversation, number);
        let turn = JournaledTurn {
            number,
            version: 1,
            record: turn,
            steps: Vec::new(),
            actions: Vec::new(),
        };
        let begun = Begun {
            claim,
            meta,
            meta_version: version.unwrap_or(0) + 1,
            turn,
            past,
            log: log.clone(),
            opening,
            end_at_once: None,
            kept: String::new(),
            suspect: None,
        };
        Ok(Some(Taken::Begun(Box::new(begun), number, log)))
    }

    /// Asks for the end of the turn that runs and ends those that wait, by the commit that takes the message which comes
    /// instead of them. `None`: one of them is not there any more, look again.
    async fn stop_others(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
    ) -> Result<Option<Vec<Change>>, StoreError> {
        meta.stop = meta.running.as_ref().map(|running| running.turn);
        let mut ends = Vec::with_capacity(meta.waiting.len());
        for turn in std::mem::take(&mut meta.waiting) {
            let Some(end) = self.end_of_waiting(conversation, turn).await? else {
                return Ok(None);
            };
            ends.push(end);
        }
        Ok(Some(ends))
    }

    /// Takes the next fence for this turn.
    pub(crate) fn claim(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
        turn: TurnNumber,
    ) -> Claim {
        let holder = self.new_holder();
        meta.fence += 1;
        meta.waiting.retain(|waiting| *waiting != turn);
        let before = meta.running.take();
        let taken_over = before.is_some();
        let (takeovers, handed_over) = match &before {
            Some(gave_up) if gave_up.until == 0 => (gave_up.takeovers, gave_up.handed_over + 1),
            Some(died) => (died.takeovers + 1, died.handed_over),
            None => (0, 0),
        };
        meta.running = Some(Running {
            turn,
            holder: holder.clone(),
            until: self.env.now() + self.lease(),
            takeovers,
            handed_over,
            writes: 0,
        });
        Claim {
            conversation: conversation.clone(),
            fence: meta.fence,
            holder,
            taken_over,
        }
    }

    /// Starts the model call, unless results have to be looked up for it first. A call that an earlier try has started goes on
    /// if it asks the same: a lost race costs no second one.
    fn open(&self, meta: &Meta, past: &[JournaledTurn], record: &TurnRecord, tries: &mut Tries) {
        if !meta.untold.is_empty() {
            tries.opening = None;
            return;
        }
        let agent = turn::active_agent(self, meta, None);
        let messages = turn::messages(self, past, record);
        let request = turn::request(self, &agent, window::told_late(past), messages);
        let asked = request.messages.clone();
        if tries
            .opening
            .as_ref()
            .is_some_and(|(before, _)| *before == asked)
        {
            return;
        }
        tries.opening = Some((asked, self.model.clone().stream(request)));
    }

    /// Commits while the model call makes its way.
    async fn confirm_beside(
        &self,
        changes: Vec<Change>,
        claim: &Claim,
        number: TurnNumber,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        let Some((asked, mut call)) = tries.opening.take() else {
            return self
                .confirm(changes, &claim.conversation, number, Some(claim), tries)
                .await;
        };
        let (committed, call) = {
            let commit = self.confirm(changes, &claim.conversation, number, Some(claim), tries);
            let mut commit = std::pin::pin!(commit);
            tokio::select! {
               biased;
                committed = &mut commit => (committed, call),
                opened = &mut call => {
                    let call: Opening = Box::pin(std::future::ready(opened));
                    (commit.await, call)
                }
            }
        };
        tries.opening = Some((asked, call));
        committed
    }

    /// Whether the acceptance is written and the turn is the caller's; `false`: look again.
    async fn confirm(
        &self,
        changes: Vec<Change>,
        conversation: &ConversationId,
        number: TurnNumber,
        claim: Option<&Claim>,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        match self.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Ambiguous(_)) if sabotage!(AmbiguousIsFailure) => Ok(false),
            Err(CommitError::Ambiguous(_)) => {
                // It may also be written later than we look. Each further try looks for it first, and is written over the
                // META that it would have changed: only one of them can be.
                tries.unconfirmed.push(number);
                let Some(claim) = claim else {
                    let taken = self
                        .taken_before(conversation, tries.receipt, &tries.unconfirmed)
                        .await?;
                    return Ok(taken == Some(number));
                };
                let meta = read_meta(&*self.store, conversation).await?;
                let running = meta.and_then(|(_, meta)| meta.running);
                Ok(running.is_some_and(|running| running.holder == claim.holder))
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(Stop::Store(error.to_string()))
            }
        }
    }
}

fn title(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(TITLE).collect()
}

fn acceptance(
    submission: &Submission,
    (number, turn): (TurnNumber, &TurnRecord),
    (version, meta): (Option<u64>, &Meta),
    stale: Option<u64>,
) -> Vec<Change> {
    let conversation = &submission.conversation;
    let mut changes = Vec::with_capacity(3);
    let key = keys::meta(conversation);
    changes.push(match version {
        Some(version) => Change::Replace(key, version, meta.record()),
        None => Change::Create(key, meta.record()),
    });
    changes.push(Change::Create(
        keys::turn(conversation, number),
        turn.record(),
    ));
    if let Some(id) = &submission.message_id {
        let record = MessageRecord {
            turn: number,
            hash: hash(&submission.message),
        };
        let key = keys::message(conversation, id);
        changes.push(match stale {
            Some(version) => Change::Replace(key, version, record.record()),
            None => Change::Create(key, record.record()),
        });
    }
    changes
}
