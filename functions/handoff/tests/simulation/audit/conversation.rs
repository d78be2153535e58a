//! What must hold of a conversation and its turns at every commit.

use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::{Change, Key, Stored};
use baton_handoff::record::{
    MessageRecord, Meta, Origin, StepRecord, TurnRecord, TurnState, decode,
};

use super::{Audit, Books, MOST_WAITING, SKEW};
use crate::world::TaskId;

impl Audit {
    pub(super) fn check_meta(
        &self,
        books: &mut Books,
        (process, task): (usize, TaskId),
        conversation: &str,
        after: Option<&Stored>,
        changes: &[Change],
    ) {
        let Some(after) = after.and_then(|after| decode::<Meta>(after).ok()) else {
            return self
                .world
                .break_off(format!("META of {conversation} was removed"));
        };
        let now = self.world.now();
        let before = books.metas.get(conversation);
        self.check_owner(&books.people, task, conversation, before, &after);
        self.check_spending(&mut books.accounts, conversation, before, &after, changes);
        if let Some(before) = before {
            self.require(after.fence >= before.fence, || {
                format!("the fence of {conversation} went back")
            });
            let news = after.next_turn.saturating_sub(before.next_turn);
            self.require(after.next_turn >= before.next_turn && news <= 1, || {
                format!("turn numbers of {conversation} jumped")
            });
            let id = ConversationId::parse(conversation).ok();
            let key: Option<Key> =
                id.map(|id| baton_handoff::record::keys::turn(&id, before.next_turn));
            let accepts = changes.iter().any(|change| matches!(change, Change::Create(created, _) if Some(created) == key.as_ref()));
            self.require(news == 0 || accepts, || {
                format!("{conversation} has a turn number without a turn")
            });
            self.check_order(conversation, before, &after);
            let old = before.running.as_ref().map(|running| &running.holder);
            let new = after.running.as_ref().map(|running| &running.holder);
            if let (Some(old), Some((owner, until))) = (old, books.leases.get(conversation)) {
                let erased = after.erased_below > before.erased_below;
                let live = *until > now + SKEW
                    && !self.is_dead(old)
                    && before
                        .running
                        .as_ref()
                        .is_some_and(|running| running.until > 0);
                let taken = new != Some(old) && *owner != process && live && !erased;
                self.require(!taken, || {
                    format!("{conversation} was taken under the live lease of process {owner}")
                });
                let stolen = new != Some(old) && new.is_some() && after.fence == before.fence;
                self.require(!stolen, || {
                    format!("{conversation} has a new owner under an old fence")
                });
            }
        } else {
            self.require(after.next_turn == 2, || {
                format!("{conversation} began with turn {}", after.next_turn)
            });
        }
        if let Some(running) = &after.running {
            if after.stop == Some(running.turn) && running.writes == 0 {
                let place = (conversation.to_owned(), after.fence);
                let begun = books
                    .metas
                    .get(conversation)
                    .is_some_and(|before| before.fence < after.fence);
                books.stopping.extend(begun.then_some(place));
            }
            let known = books
                .metas
                .get(conversation)
                .and_then(|before| before.running.as_ref());
            let renewed = known.is_some_and(|known| known.holder == running.holder);
            let owner = books
                .leases
                .get(conversation)
                .map(|lease| lease.0)
                .filter(|_| renewed);
            books.leases.insert(
                conversation.to_owned(),
                (owner.unwrap_or(process), running.until),
            );
        }
        self.check_client(books, conversation, &after, changes);
        books.metas.insert(conversation.to_owned(), after);
    }

    /// Turns run in the order in which they were accepted, and not too many wait.
    fn check_order(&self, conversation: &str, before: &Meta, after: &Meta) {
        let turn = |meta: &Meta| meta.running.as_ref().map(|running| running.turn);
        if let Some(begun) = turn(after).filter(|begun| turn(before) != Some(*begun)) {
            let next = before.waiting.first().copied().unwrap_or(before.next_turn);
            self.require(turn(before).is_none() && begun == next, || {
                format!("turn {begun} of {conversation} ran before turn {next}")
            });
        }
        let orderly = after.waiting.is_sorted() && after.waiting.len() <= MOST_WAITING;
        self.require(orderly, || {
            format!("{conversation} has the waiting turns {:?}", after.waiting)
        });
    }

    pub(super) fn is_erased(books: &Books, conversation: &str, turn: TurnNumber) -> bool {
        books
            .metas
            .get(conversation)
            .is_some_and(|meta| turn < meta.erased_below)
    }

    pub(super) fn check_turn(
        &self,
        books: &mut Books,
        conversation: &str,
        turn: TurnNumber,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) {
        let place = (conversation.to_owned(), turn);
        let Some(after) = after else {
            let erased = Self::is_erased(books, conversation, turn);
            return self.require(erased, || {
                format!("turn {turn} of {conversation} was removed")
            });
        };
        self.require(!books.ended.contains(&place), || {
            format!("turn {turn} of {conversation} changed after its end")
        });
        let Ok(record) = decode::<TurnRecord>(after) else {
            return;
        };
        if let Origin::Regenerated { of } = record.origin {
            books.regenerated.insert(place.clone(), of);
        }
        let accepted = before.is_none() && record.state == TurnState::Accepted;
        let over = before.is_some() && record.state != TurnState::Accepted;
        let opens = Self::opens_window(before, &record);
        self.check_window(&format!("turn {turn} of {conversation}"), before, &record);
        self.require(accepted || over || opens, || {
            format!(
                "turn {turn} of {conversation} became {}",
                record.state.as_str()
            )
        });
        if record.state == TurnState::Stopped && record.fence > 0 {
            self.check_kept(books, conversation, turn, &record);
        }
        if over {
            books.ended.insert(place);
        }
    }

    /// Remembers what the owner of this moment has said.
    pub(super) fn keep(books: &mut Books, conversation: &str, batch: Option<&Stored>) {
        let Some(batch) = batch else { return };
        let fence = books.metas.get(conversation).map_or(0, |meta| meta.fence);
        let text = serde_json::from_str::<serde_json::Value>(&batch.record.body)
            .ok()
            .and_then(|body| Some(body.get("text")?.as_str()?.to_owned()));
        let place = (conversation.to_owned(), batch.key.sort.clone());
        books.kept.insert(place, (fence, text.unwrap_or_default()));
    }

    /// What the last owner said and kept before it died is not lost when the turn is stopped in its place.
    fn check_kept(&self, books: &Books, conversation: &str, turn: TurnNumber, record: &TurnRecord) {
        let last = books.steps.get(&(conversation.to_owned(), turn));
        let step = last.copied().unwrap_or(0) + 1;
        let said = |fence: u64| {
            let sort = format!("E#{turn:010}#{step:04}#{fence:012}#{:010}", 0);
            let kept = books.kept.get(&(conversation.to_owned(), sort));
            // What a late owner says counts no more.
            kept.filter(|(then, _)| *then == fence)
                .map(|(_, text)| text)
        };
        if books.too_large.contains(&(conversation.to_owned(), turn)) {
            return;
        }
        let kept = record.partial.as_ref().map_or("", |partial| &partial.text);
        let stopping = books
            .stopping
            .contains(&(conversation.to_owned(), record.fence));
        let before = record.fence.checked_sub(1).filter(|_| stopping);
        let said = said(record.fence).or_else(|| said(before?));
        self.require(said.is_none_or(|said| kept.starts_with(said)), || {
            format!("turn {turn} of {conversation} was stopped and keeps {kept:?} of {said:?}")
        });
    }

    pub(super) fn check_forgotten_message(
        &self,
        books: &Books,
        conversation: &str,
        before: Option<&Stored>,
    ) {
        let Some(message) = before.and_then(|before| decode::<MessageRecord>(before).ok()) else {
            return;
        };
        let erased = Self::is_erased(books, conversation, message.turn);
        self.require(erased, || {
            format!(
                "the message of turn {} of {conversation} was forgotten",
                message.turn
            )
        });
    }

    pub(super) fn check_step(
        &self,
        books: &mut Books,
        conversation: &str,
        turn: TurnNumber,
        step: u32,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) {
        let Some(after) = after else {
            let erased = Self::is_erased(books, conversation, turn);
            return self.require(erased, || {
                format!("a step of turn {turn} of {conversation} was removed")
            });
        };
        self.require(before.is_none(), || {
            format!("step {step} of turn {turn} of {conversation} was written over")
        });
        let last = books
            .steps
            .insert((conversation.to_owned(), turn), step)
            .unwrap_or(0);
        self.require(step == last + 1, || {
            format!("step {step} of turn {turn} of {conversation} follows step {last}")
        });
        let Ok(record) = decode::<StepRecord>(after) else {
            return;
        };
        if let Some(of) = books.regenerated.get(&(conversation.to_owned(), turn)) {
            let old = |id: &ActionId| id.turn == *of && books.actions.contains_key(id);
            let new = record
                .actions
                .iter()
                .find(|accepted| !old(&accepted.action));
            self.require(new.is_none(), || {
                format!("turn {turn} of {conversation} says turn {of} anew and does {new:?}")
            });
        }
        let fence = books.metas.get(conversation).map_or(0, |meta| meta.fence);
        self.require(record.fence == fence, || {
            format!(
                "a step of {conversation} was written under the fence {}",
                record.fence
            )
        });
    }
}
