//! The commit that makes a message a turn, and begins the turn when the conversation is idle.

use std::sync::Arc;

use super::client;
use super::message::{Overlap, Refusal, Stop, Submission};
use super::open::Conversation;
use crate::budget::{Reserved, Written, most_input};
use crate::drive::admission::Place;
use crate::drive::catch_up::catch_up;
use crate::drive::holder::Claim;
use crate::drive::log::TurnLog;
use crate::engine::models::Chosen;
use crate::ids::{ConversationId, TurnNumber};
use crate::notice::Told;
use crate::ports::{Change, CommitError, Message, ModelRequest, StoreError};
use crate::principal::Access;
use crate::record::journal::JournaledTurn;
use crate::record::{ActionRecord, MessageRecord, Meta, Origin, TurnRecord, decode, keys};
use crate::speaker::Speaker;
use crate::turn::begun::{Begun, Opening};
use crate::turn::past::Past;
use crate::turn::{draft, request};

/// How much of the first message becomes the title, in characters.
const TITLE: usize = 80;

/// A turn's record without its message, in bytes: about.
const TURN: u64 = 300;

/// State of earlier attempts to record a message.
pub(super) struct Tries {
    /// Written into the turn by every attempt.
    pub(super) receipt: u32,
    /// Turns that may have been recorded: their commits were not confirmed.
    pub(super) unconfirmed: Vec<TurnNumber>,
    /// The model call that the last attempt began, with its request. A further attempt uses it if the request is the same.
    pub(super) opening: Option<(Vec<Message>, Opening)>,
    /// The place of the turn, if it begins at once.
    pub(super) place: Option<Place>,
}

/// A message that is recorded.
pub(super) enum Taken {
    Begun(Box<Begun>, TurnNumber, Arc<TurnLog>),
    Waits(TurnNumber, Arc<TurnLog>),
}

impl Conversation {
    /// Commits the message. If the past is at hand, the same commit begins the turn. `stale`: the version of the marker that an
    /// erased message has left under the same id.
    pub(super) async fn record(
        &self,
        submission: &Submission,
        before: Option<(u64, Meta)>,
        past: Option<Past>,
        stale: Option<u64>,
        tries: &mut Tries,
    ) -> Result<Option<Taken>, Stop> {
        let conversation = &self.id;
        let now = self.engine.env.now();
        let version = before.as_ref().map(|(version, _)| *version);
        let mut meta = before.map_or_else(
            || {
                let agent = self.engine.team.entry_agent().name.clone();
                Meta::new(self.principal.owner(), agent, now)
            },
            |(_, meta)| meta,
        );
        let number = meta.next_turn;
        meta.next_turn += 1;
        meta.last_activity = now;
        if meta.title.is_empty() {
            meta.title = title(&submission.message);
        }
        if meta.is_to_be_weighed() {
            meta.weighed = meta.bytes;
        }
        meta.bytes += submission.message.len() as u64 + TURN;
        let client = &submission.client;
        let results = client::answer(&mut meta, &client.results, now).ok_or(Refusal::NotWaiting)?;
        let client = client.recorded(&self.engine.team, results);
        meta.bytes += client.bytes();
        let typed = self.typed_answer(&mut meta, &submission.message).await?;
        let mut turn = TurnRecord {
            answers: typed.as_ref().map(|typed| typed.card.clone()),
            message_id: submission.message_id.clone(),
            client,
            speaker: Speaker::of(&self.principal, &meta.owner, &self.claims),
            receipt: tries.receipt,
            lookups_only: self.lookups_only,
            caller: self.caller,
            ..TurnRecord::accepted(Origin::Customer, submission.message.clone(), now)
        };
        let claim = past
            .is_some()
            .then(|| self.engine.claim(conversation, &mut meta, number));
        let (mut ends, mut ended) = (Vec::new(), Vec::new());
        if claim.is_none() {
            if submission.overlap == Overlap::Interrupt {
                ended.clone_from(&meta.waiting);
                let Some(stopped) = self.stop_others(&mut meta).await? else {
                    return Ok(None);
                };
                ends = stopped;
            }
            meta.waiting.push(number);
        }
        let interrupts = !ended.is_empty();
        let mut answered = None;
        if let Some(mut typed) = typed {
            ends.append(&mut typed.changes);
            answered = Some(typed.action);
        }
        let mut past = past.map(|past| past.visible(&meta).before(number));
        if let Some(past) = &mut past {
            self.engine
                .open_window(conversation, &meta, &mut turn, past)
                .await?;
        }
        self.engine.read_circuits();
        let request = past
            .as_ref()
            .and_then(|past| self.first_request(&meta, past, &turn));
        // A turn that waits takes nothing yet, and what is reserved is the running turn's.
        let mut reserved = if claim.is_some() {
            self.reserve_first(&mut meta, request.as_ref()).await
        } else {
            Reserved::default()
        };
        let mut changes = acceptance(
            conversation,
            submission,
            (number, &turn),
            (version, &meta),
            stale,
        );
        changes.append(&mut ends);
        changes.append(&mut reserved.posted.changes);
        let (Some(claim), Some(past)) = (claim, past) else {
            let committed = self.written(changes, number, None, tries).await?;
            if !committed {
                return Ok(None);
            }
            if version.is_none() {
                self.engine.note_tenant(meta.owner.tenant());
            }
            self.send_typed(answered.as_deref()).await;
            if interrupts {
                self.engine.send_ended(&meta, &self.id, &ended).await;
            }
            // Listeners of other processes get it when their server polls.
            if interrupts && let Err(error) = catch_up(&self.engine, conversation, &meta).await {
                tracing::debug!(%conversation, %error, "listeners learn of a stopped turn by the next poll only");
            }
            let log = if submission.background {
                // This process does not drive a background turn: a registered log would stay silent for its listeners.
                Arc::default()
            } else {
                self.engine.hub.log(conversation, number)
            };
            return Ok(Some(Taken::Waits(number, log)));
        };
        self.open(request.filter(|_| reserved.covers), tries);
        let unconfirmed = tries.unconfirmed.len();
        let committed = self.written_beside(changes, &claim, number, tries).await;
        let written = match &committed {
            Ok(true) => Written::Yes,
            Ok(false) | Err(_) if tries.unconfirmed.len() == unconfirmed => Written::No,
            Ok(false) | Err(_) => Written::InDoubt,
        };
        self.engine.reserved(reserved, written);
        if !committed? {
            return Ok(None);
        }
        if version.is_none() {
            self.engine.note_tenant(meta.owner.tenant());
        }
        self.send_typed(answered.as_deref()).await;
        let opening = tries.opening.take().map(|(_, opening)| opening);
        let log = self.engine.hub.log(conversation, number);
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
            place: tries.place.take(),
        };
        Ok(Some(Taken::Begun(Box::new(begun), number, log)))
    }

    /// Sends the action that a message confirmed. If this process ends before, the sweep sends it.
    async fn send_typed(&self, action: Option<&ActionRecord>) {
        if let Some(action) = action {
            self.engine.send_answered(action).await;
        }
    }

    /// The turn that an earlier attempt did record. Another process may run it by now.
    pub(super) async fn taken_before(
        &self,
        receipt: u32,
        unconfirmed: &[TurnNumber],
    ) -> Result<Option<TurnNumber>, StoreError> {
        for number in unconfirmed {
            let Some(stored) = self
                .engine
                .store
                .get(&keys::turn(&self.id, *number))
                .await?
            else {
                continue;
            };
            let turn: TurnRecord = decode(&stored)?;
            if turn.receipt == receipt {
                return Ok(Some(*number));
            }
        }
        Ok(None)
    }

    /// Asks the running turn to stop and ends the waiting turns, in the commit that accepts the new message. `None`: a waiting
    /// turn has gone; read META again.
    async fn stop_others(&self, meta: &mut Meta) -> Result<Option<Vec<Change>>, StoreError> {
        meta.stop = meta.running.as_ref().map(|running| running.turn);
        let mut ends = Vec::with_capacity(meta.waiting.len());
        for turn in std::mem::take(&mut meta.waiting) {
            let Some((record, end)) = self.end_of_waiting(turn).await? else {
                return Ok(None);
            };
            let told = Told::Ended(turn, &record, "");
            ends.extend(self.engine.notices(meta, &self.id, &told));
            ends.push(end);
        }
        Ok(Some(ends))
    }

    /// The turn's first request, unless late results must be read for it first.
    fn first_request(
        &self,
        meta: &Meta,
        past: &Past,
        record: &TurnRecord,
    ) -> Option<(Chosen, ModelRequest)> {
        if !meta.pending_reports.is_empty() {
            return None;
        }
        let engine = &self.engine;
        let agent = request::active_agent(engine, meta, None);
        let model = engine.first_model(&agent, None);
        let begun = draft::Begun {
            record,
            steps: &[],
            results: &[],
            late: &[],
        };
        let request = request::request(
            engine,
            &agent,
            &meta.owner,
            &model.name,
            false,
            past,
            &begun,
        );
        Some((model, request))
    }

    /// Reserves for the first model call, where there are budgets. Without a reservation the call waits for the commit.
    async fn reserve_first(
        &self,
        meta: &mut Meta,
        request: Option<&(Chosen, ModelRequest)>,
    ) -> Reserved {
        let next = request.map(|(model, request)| (model, most_input(request)));
        let reserved = self.engine.reserve_call(&self.id, meta, next).await;
        reserved.unwrap_or_else(|error| {
            tracing::debug!(conversation = %self.id, %error, "a message is accepted before its model call is reserved for");
            Reserved::not_now()
        })
    }

    /// Starts the model call. The call of an earlier attempt is used if its request is the same, so that a lost race costs no
    /// second call.
    fn open(&self, request: Option<(Chosen, ModelRequest)>, tries: &mut Tries) {
        let Some((model, request)) = request else {
            tries.opening = None;
            return;
        };
        let asked = request.messages.clone();
        if tries
            .opening
            .as_ref()
            .is_some_and(|(before, call)| *before == asked && call.model.name == model.name)
        {
            return;
        }
        tries.opening = Some((asked, self.engine.call(model, request)));
    }

    /// Commits while the model call starts.
    async fn written_beside(
        &self,
        changes: Vec<Change>,
        claim: &Claim,
        number: TurnNumber,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        let Some((asked, mut call)) = tries.opening.take() else {
            return self.written(changes, number, Some(claim), tries).await;
        };
        let (committed, call) = {
            let commit = self.written(changes, number, Some(claim), tries);
            let mut commit = std::pin::pin!(commit);
            tokio::select! {
               biased;
                committed = &mut commit => (committed, call),
                opened = &mut call.stream => {
                    call.stream = Box::pin(std::future::ready(opened));
                    (commit.await, call)
                }
            }
        };
        tries.opening = Some((asked, call));
        committed
    }

    /// Whether the acceptance is written and the caller owns the turn. `false`: read META again.
    async fn written(
        &self,
        changes: Vec<Change>,
        number: TurnNumber,
        claim: Option<&Claim>,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        match self.engine.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Ambiguous(_)) if sabotage!(AmbiguousIsFailure) => Ok(false),
            Err(CommitError::Ambiguous(_)) => {
                // It may also be written after our read. Each further attempt looks for it first, and writes over the same
                // version of META: only one of the commits can succeed.
                tries.unconfirmed.push(number);
                let Some(claim) = claim else {
                    let taken = self.taken_before(tries.receipt, &tries.unconfirmed).await?;
                    return Ok(taken == Some(number));
                };
                let meta = self.meta(Access::Speak).await?;
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
    conversation: &ConversationId,
    submission: &Submission,
    (number, turn): (TurnNumber, &TurnRecord),
    (version, meta): (Option<u64>, &Meta),
    stale: Option<u64>,
) -> Vec<Change> {
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
            hash: submission.hash(),
        };
        let key = keys::message(conversation, id);
        changes.push(match stale {
            Some(version) => Change::Replace(key, version, record.record()),
            None => Change::Create(key, record.record()),
        });
    }
    changes
}
