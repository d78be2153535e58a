//! What must hold at every moment: watched at every commit, send, ack and call of a tool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::{Change, Key, Lane, Millis, Stored};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{
    ActionRecord, ActionState, MessageRecord, Meta, Origin, StepRecord, TurnRecord, TurnState,
    decode,
};

use crate::world::{TaskId, World, lock};

/// Clocks are at most a second apart, and so is what two processes think of the end of a lease.
const SKEW: Millis = 1_000;

/// As the design says.
const MOST_WAITING: usize = 8;

#[derive(Default)]
struct Books {
    metas: BTreeMap<String, Meta>,
    actions: BTreeMap<ActionId, ActionRecord>,
    /// Actions whose record was removed, as it may be after their conversation was erased.
    erased: BTreeSet<ActionId>,
    steps: BTreeMap<(String, TurnNumber), u32>,
    ended: BTreeSet<(String, TurnNumber)>,
    /// Turns that say another one anew, and which.
    regenerated: BTreeMap<(String, TurnNumber), TurnNumber>,
    /// Which task claimed which action last, and for how long as seen from outside.
    claims: BTreeMap<ActionId, (TaskId, Millis)>,
    claimed_by: BTreeMap<TaskId, ActionId>,
    /// Which process wrote a conversation's lease, and until when it holds as seen from outside.
    leases: BTreeMap<String, (usize, Millis)>,
    /// The first kept text of a step by its sort key, and how many owners its conversation had had by then.
    kept: BTreeMap<(String, String), (u64, String)>,
    /// Fences under which a turn was taken over only to be stopped.
    stopping: BTreeSet<(String, u64)>,
    operators: BTreeSet<TaskId>,
    /// Actions that an operator sent on their way: a message from before may be forgotten, there is a new one.
    sent_on: BTreeSet<ActionId>,
    /// How often an operator had an action tried again.
    retries: BTreeMap<ActionId, u32>,
}

/// Sees everything and changes nothing.
pub(crate) struct Audit {
    world: Arc<World>,
    books: Mutex<Books>,
}

impl Audit {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world,
            books: Mutex::default(),
        })
    }

    /// Whether this owner's process has ended for certain.
    fn is_dead(&self, holder: &str) -> bool {
        let process = holder.split_once('@').map(|(_, process)| process);
        process.is_some_and(|process| !self.world.is_alive(process))
    }

    fn require(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.world.break_off(what());
        }
    }

    // --- what operators do ---

    /// This task is a person's: it may change what has ended.
    pub(crate) fn decides(&self, task: TaskId) {
        lock(&self.books).operators.insert(task);
    }

    pub(crate) fn retries_of(&self, action: &ActionId) -> u32 {
        lock(&self.books).retries.get(action).copied().unwrap_or(0)
    }

    /// What is still to be done. Proposals may be left out: a person decides about them.
    pub(crate) fn unrest(&self, without_proposals: bool) -> Option<String> {
        let books = lock(&self.books);
        let rests = |action: &ActionRecord| {
            action.state.is_terminal()
                || (without_proposals && action.state == ActionState::Proposed)
        };
        if let Some(action) = books.actions.values().find(|action| !rests(action)) {
            return Some(format!("{} is {}", action.id, action.state.as_str()));
        }
        let waits = |id: &ActionId| {
            books
                .actions
                .get(id)
                .is_none_or(|action| action.state != ActionState::Proposed)
        };
        let (conversation, meta) = books.metas.iter().find(|(_, meta)| {
            let erases = meta.erasing && !without_proposals;
            meta.running.is_some()
                || !meta.waiting.is_empty()
                || erases
                || meta.untold.iter().any(waits)
        })?;
        Some(format!("{conversation} has {meta:?}"))
    }

    /// The last turn that was accepted.
    pub(crate) fn last_turn(&self, conversation: &ConversationId) -> Option<TurnNumber> {
        let books = lock(&self.books);
        let meta = books.metas.get(conversation.as_str())?;
        (meta.next_turn > 1).then(|| meta.next_turn - 1)
    }

    /// How many turns were accepted.
    pub(crate) fn turns(&self) -> u64 {
        let books = lock(&self.books);
        books
            .metas
            .values()
            .map(|meta| u64::from(meta.next_turn) - 1)
            .sum()
    }

    // --- the queue ---

    pub(crate) fn sent(&self, lane: Lane, body: &str) {
        let books = lock(&self.books);
        let recorded = match lane {
            Lane::Actions => ActionId::parse(body)
                .is_ok_and(|id| books.actions.contains_key(&id) || books.erased.contains(&id)),
            Lane::Turns => books.metas.contains_key(body),
        };
        self.require(recorded, || format!("{body} was sent and is not recorded"));
    }

    pub(crate) fn acked(&self, lane: Lane, body: &str) {
        let (Lane::Actions, Ok(id)) = (lane, ActionId::parse(body)) else {
            return;
        };
        let books = lock(&self.books);
        let over = match books.actions.get(&id) {
            Some(action) => {
                action.state.is_terminal()
                    || action.state == ActionState::Proposed
                    || books.sent_on.contains(&id)
            }
            None => books.erased.contains(&id),
        };
        self.require(over, || {
            format!("the message of {id} was acked before the action had ended")
        });
    }

    // --- tools ---

    /// A tool is called for an action: for which, and was that right?
    pub(crate) fn acts(&self) -> Option<ActionRecord> {
        let books = lock(&self.books);
        let task = self.world.current_task();
        let action = books
            .claimed_by
            .get(&task)
            .and_then(|id| books.actions.get(id))
            .cloned();
        let Some(action) = action else {
            self.world
                .break_off("a tool was called for no claimed action".to_owned());
            return None;
        };
        let (claimant, until) = books.claims.get(&action.id).copied().unwrap_or_default();
        let stranger = claimant != task
            && action.state == ActionState::Running
            && until > self.world.now() + SKEW;
        self.require(!stranger, || {
            format!(
                "{} was called under the live claim of another worker",
                action.id
            )
        });
        self.require(!action.state.is_terminal(), || {
            format!("{} was called after it had ended", action.id)
        });
        Some(action)
    }

    // --- the store ---

    pub(crate) fn committed(
        &self,
        process: usize,
        task: TaskId,
        changes: &[Change],
        before: &[Option<Stored>],
    ) {
        let mut books = lock(&self.books);
        for (change, before) in changes.iter().zip(before) {
            let (key, record) = match change {
                Change::Create(key, record) | Change::Replace(key, _, record) => {
                    (key, Some(record))
                }
                Change::Remove(key, _) => (key, None),
                Change::Require(..) => continue,
            };
            let Some(conversation) = key.partition.strip_prefix("C#") else {
                continue;
            };
            let after = record.map(|record| Stored {
                key: key.clone(),
                version: 1,
                record: record.clone(),
            });
            if key.sort == "META" {
                self.check_meta(&mut books, process, conversation, after.as_ref(), changes);
            } else if let Some((turn, part)) = parse_turn_part(&key.sort) {
                match part {
                    TurnPart::Turn => self.check_turn(
                        &mut books,
                        conversation,
                        turn,
                        before.as_ref(),
                        after.as_ref(),
                    ),
                    TurnPart::Step(step) => self.check_step(
                        &mut books,
                        conversation,
                        turn,
                        step,
                        before.as_ref(),
                        after.as_ref(),
                    ),
                    TurnPart::Action(_) => self.check_action(
                        &mut books,
                        task,
                        conversation,
                        before.as_ref(),
                        after.as_ref(),
                        changes,
                    ),
                }
            } else if key.sort.starts_with("E#") {
                Self::keep(&mut books, conversation, after.as_ref());
            } else if key.sort.starts_with("M#") && after.is_none() {
                self.check_forgotten_message(&books, conversation, before.as_ref());
            }
        }
    }

    fn check_meta(
        &self,
        books: &mut Books,
        process: usize,
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
        if let Some(before) = books.metas.get(conversation) {
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

    fn is_erased(books: &Books, conversation: &str, turn: TurnNumber) -> bool {
        books
            .metas
            .get(conversation)
            .is_some_and(|meta| turn < meta.erased_below)
    }

    fn check_turn(
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
        self.require(accepted || over, || {
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
    fn keep(books: &mut Books, conversation: &str, batch: Option<&Stored>) {
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

    fn check_forgotten_message(&self, books: &Books, conversation: &str, before: Option<&Stored>) {
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

    fn check_step(
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

    fn check_action(
        &self,
        books: &mut Books,
        task: TaskId,
        conversation: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
        changes: &[Change],
    ) {
        let before = before.and_then(|before| decode::<ActionRecord>(before).ok());
        let after = after.and_then(|after| decode::<ActionRecord>(after).ok());
        let Some(after) = after else {
            let Some(before) = before else { return };
            let erased =
                Self::is_erased(books, conversation, before.id.turn) && before.state.is_terminal();
            self.require(erased, || {
                format!("the record of {} was removed", before.id)
            });
            books.actions.remove(&before.id);
            books.erased.insert(before.id);
            return;
        };
        match before {
            None => self.check_acceptance(books, &after, changes),
            Some(before) => self.check_transition(books, task, &before, &after),
        }
        books.actions.insert(after.id.clone(), after);
    }

    fn check_acceptance(&self, books: &Books, action: &ActionRecord, changes: &[Change]) {
        let step = changes
            .iter()
            .any(|change| matches!(change, Change::Create(key, _) if key.sort.contains("#S#")));
        self.require(step, || {
            format!("{} was accepted without its step", action.id)
        });
        let fresh = matches!(action.state, ActionState::Proposed | ActionState::Queued);
        self.require(fresh, || {
            format!("{} was accepted as {}", action.id, action.state.as_str())
        });
        let same = |other: &&ActionRecord| {
            other.id.conversation == action.id.conversation
                && other.id.turn == action.id.turn
                && other.tool == action.tool
                && other.arguments == action.arguments
        };
        let twin = books.actions.values().find(same);
        self.require(twin.is_none(), || {
            format!("{} was accepted twice in its turn", action.id)
        });
    }

    fn check_transition(
        &self,
        books: &mut Books,
        task: TaskId,
        before: &ActionRecord,
        after: &ActionRecord,
    ) {
        let id = &after.id;
        let by_operator = books.operators.contains(&task);
        let settled = before.state == ActionState::Unknown && by_operator;
        let steps = (before.state.as_str(), after.state.as_str());
        self.require(!before.state.is_terminal() || settled, || {
            format!("{id} had ended and changed: {steps:?}")
        });
        self.require(after.fence >= before.fence, || {
            format!("the fence of {id} went back")
        });
        let decided = before.state != ActionState::Proposed
            || after.state == ActionState::Rejected
            || by_operator;
        self.require(decided, || {
            format!("{id} waited for approval and nobody gave it: {steps:?}")
        });
        if by_operator && after.state == ActionState::Queued {
            books.sent_on.insert(id.clone());
        }
        if settled && after.state == ActionState::Queued {
            *books.retries.entry(id.clone()).or_default() += 1;
        }
        let held = before.state == ActionState::Running;
        let (claimant, until) = books.claims.get(id).copied().unwrap_or_default();
        let lives = until > self.world.now() + SKEW && !self.is_dead(&before.holder);
        let foreign = held && claimant != task && lives;
        if after.state == ActionState::Running && after.fence > before.fence {
            self.require(!foreign, || {
                format!("{id} was claimed under the live claim of another worker")
            });
            books.claims.insert(id.clone(), (task, after.look_at));
            books.claimed_by.insert(task, id.clone());
            return;
        }
        self.require(!foreign, || {
            format!("{id} was written under the live claim of another worker")
        });
    }
}
