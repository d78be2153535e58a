//! Begins a waiting turn, or recovers the turn of a dead owner.

use super::admission::Place;
use super::catch_up;
use super::driver::{Driver, Next};
use crate::bounds::Party;
use crate::budget::Written;
use crate::failure::FailureCode;
use crate::ids::TurnNumber;
use crate::ports::{Change, CommitError, StoreError};
use crate::record::journal::{JournaledTurn, read_meta, read_turn, read_turns};
use crate::record::{Meta, Origin, TurnState, keys};
use crate::turn::begun::{Begun, EndAtOnce};
use crate::turn::past::Past;
use crate::turn::{recorder, replay, request, window};

impl Driver<'_> {
    /// Takes the next fence for a waiting turn, or for the turn of a dead owner.
    pub(super) async fn begin(
        &self,
        version: u64,
        mut meta: Meta,
        number: TurnNumber,
        end_at_once: Option<EndAtOnce>,
        place: &mut Option<Place>,
    ) -> Result<Next, StoreError> {
        let conversation = self.conversation;
        // A turn that only ends asks no model.
        if place.is_none() && end_at_once.is_none() && !sabotage!(PlaceNotAwaited) {
            let party = Party::of(&meta.owner, conversation);
            match self.engine.admission.enter(party.clone()) {
                Ok(free) => *place = Some(free),
                Err(_) => return Ok(Next::Full(party)),
            }
        }
        let fence_before = meta.fence;
        let claim = self.engine.claim(conversation, &mut meta, number);
        let read = async || {
            let (turn, turns, summary) = futures_util::join!(
                read_turn(&*self.engine.store, conversation, number),
                read_turns(
                    &*self.engine.store,
                    conversation,
                    Some(number),
                    window::extent(&self.engine.team.limits)
                ),
                self.engine.newest_summary(conversation),
            );
            (turn, turns.map(|turns| Past { turns, summary }))
        };
        // Where there are budgets, the commit reserves for the request, and where there are summaries, it gives the turn its window:
        // both are read before. A commit over the version of META that was read makes that as good as a read behind it.
        let needs_none = self.engine.team.budgets.are_off() && !self.engine.remembers();
        let mut early = if needs_none || end_at_once.is_some() {
            None
        } else {
            Some(read().await)
        };
        let mut opened = None;
        if let Some((Ok(Some(turn)), Ok(past))) = &mut early {
            *past = std::mem::take(past).visible(&meta);
            // One that goes on keeps what it began with.
            if !claim.recovers || sabotage!(SummaryForgotten) {
                opened = self.open_window(&meta, turn, past).await?;
            } else {
                let record = &turn.record;
                self.engine.find_summary(conversation, record, past).await?;
            }
        }
        let next = match &early {
            Some((Ok(Some(turn)), Ok(past))) => {
                Some(request::foreseen(self.engine, &meta, turn, past))
            }
            Some(_) | None => None,
        };
        // What a dead owner had reserved counts as used.
        let mut reserved = self
            .engine
            .reserve_call(
                conversation,
                &mut meta,
                next.as_ref().map(|(model, input)| (model, *input)),
            )
            .await?;
        let mut changes = std::mem::take(&mut reserved.posted.changes);
        let opens = opened.is_some();
        changes.extend(opened);
        changes.push(Change::Replace(
            keys::meta(conversation),
            version,
            meta.record(),
        ));
        match self.engine.store.commit(changes).await {
            Ok(()) => self.engine.reserved(reserved, Written::Yes),
            Err(CommitError::Conflict) => {
                self.engine.reserved(reserved, Written::No);
                return Ok(Next::Recheck);
            }
            Err(CommitError::Ambiguous(_)) => {
                // If the claim was written, META has our holder. The next read alone would take it for another owner's live
                // lease.
                let now = read_meta(&*self.engine.store, conversation).await;
                let now = now.inspect_err(|_| self.engine.not_posted(&reserved.posted))?;
                let ours = now.as_ref().and_then(|(_, meta)| meta.running.as_ref());
                if ours.is_none_or(|running| running.holder != claim.holder) {
                    self.engine.reserved(reserved, Written::InDoubt);
                    return Ok(Next::Recheck);
                }
                self.engine.reserved(reserved, Written::Yes);
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                self.engine.reserved(reserved, Written::No);
                return Err(StoreError::Unavailable(error.to_string()));
            }
        }
        let (turn, past) = match early {
            Some(early) => early,
            None => read().await,
        };
        let (turn, end_at_once) = match turn {
            Ok(Some(turn)) => (turn, end_at_once),
            Ok(None) => return self.leave_out(&claim, number).await,
            Err(StoreError::Damaged(detail)) => {
                tracing::error!(%conversation, turn = number, %detail, "a turn cannot be continued");
                let failed = EndAtOnce::Failed(FailureCode::Internal);
                match self.read_turn_alone(number).await? {
                    Some(turn) => (turn, Some(failed)),
                    None => return self.leave_out(&claim, number).await,
                }
            }
            Err(error) => return Err(error),
        };
        if turn.record.state != TurnState::Accepted || (!claim.recovers && !turn.steps.is_empty()) {
            // The read was so late that another process has recovered the turn since our claim.
            return Ok(Next::Recheck);
        }
        let (mut turn, mut past) = (turn, past?.visible(&meta));
        if claim.recovers && sabotage!(ClientToolsForgotten) {
            turn.record.client.tools.clear();
        }
        if opens {
            turn.version += 1;
        } else if end_at_once.is_none() {
            // It has its window already, if it needs one.
            self.engine
                .find_summary(conversation, &turn.record, &mut past)
                .await?;
        }
        if let Origin::Regenerated { of } = turn.record.origin {
            let old = past.turns.iter().find(|past| past.number == of);
            turn.actions = old.map(|old| old.actions.clone()).unwrap_or_default();
        }
        let kept = match end_at_once {
            Some(_) => match self.partial_text(&turn, fence_before).await {
                Ok(kept) => kept,
                Err(StoreError::Damaged(detail)) => {
                    tracing::error!(%conversation, turn = number, %detail, "the text of an unfinished step is lost");
                    String::new()
                }
                Err(error) => return Err(error),
            },
            None => String::new(),
        };
        let log = self.engine.hub.log(conversation, number);
        // The turn may be new to this process: it reports a late result, or another process accepted it.
        self.engine.hub.poke(conversation);
        if claim.recovers {
            tracing::info!(%conversation, turn = number, fence = claim.fence, "a turn is recovered");
            catch_up::bring_up(&log, &replay::events(&self.engine.team, &turn));
        }
        Ok(Next::Run(Box::new(Begun {
            claim,
            meta,
            meta_version: version + 1,
            turn,
            past,
            log,
            opening: None,
            end_at_once,
            kept,
            suspect: None,
            place: place.take(),
        })))
    }

    /// The change by which a turn that begins gets its window.
    async fn open_window(
        &self,
        meta: &Meta,
        turn: &mut JournaledTurn,
        past: &mut Past,
    ) -> Result<Option<Change>, StoreError> {
        let conversation = self.conversation;
        if sabotage!(SummaryForgotten) {
            turn.record.window = None;
        }
        let record = &mut turn.record;
        let opened = self.engine.open_window(conversation, meta, record, past);
        let key = keys::turn(conversation, turn.number);
        Ok(opened
            .await?
            .then(|| Change::Replace(key, turn.version, turn.record.record())))
    }

    /// The stored text of an unfinished step, from the owner with this fence.
    async fn partial_text(&self, turn: &JournaledTurn, fence: u64) -> Result<String, StoreError> {
        let step = u32::try_from(turn.steps.len() + 1).unwrap_or(u32::MAX);
        let kept = recorder::kept_text(
            &*self.engine.store,
            self.conversation,
            turn.number,
            step,
            fence,
        )
        .await?;
        let said = kept.text.iter().filter_map(|event| event.kind.text());
        Ok(said.collect())
    }
}
