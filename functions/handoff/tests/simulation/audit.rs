//! What must hold at every moment: watched at every commit, send, ack and call of a tool.

mod action;
mod budget;
mod client;
mod conversation;
pub(crate) mod money;
mod notices;
pub(crate) mod people;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::{Change, Key, Lane, Millis, Price, Stored, ToolRequest};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{ActionRecord, ActionState, Meta};
use baton_handoff::team::ActionOrder;
use baton_handoff::{NoticeLane, Operator, Owner, Subject};

use self::budget::Accounts;
use self::notices::Notices;
use self::people::People;
use crate::town::TEAM;
use crate::world::{TaskId, World, lock};

/// The same records, written in another way each time: as they are, without what was said, without any results.
const MOST_REFUSALS: u32 = 3;

/// Clocks are at most a second apart, and so is what two processes think of the end of a lease.
const SKEW: Millis = 1_000;

/// As the design says: of one conversation at once.
const MOST_OPEN: usize = 32;

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
    /// The operators by their tasks.
    operators: BTreeMap<TaskId, Operator>,
    /// The tasks of services that report, and what they have reported.
    reporters: BTreeSet<TaskId>,
    reported: BTreeSet<ActionId>,
    notices: Notices,
    /// Actions that an operator sent on their way: a message from before may be forgotten, there is a new one.
    sent_on: BTreeSet<ActionId>,
    /// How often an operator had an action tried again.
    retries: BTreeMap<ActionId, u32>,
    /// What a task was told of a price last, by tool and arguments.
    prices: BTreeMap<(TaskId, String, String), Price>,
    /// How often in a row the store has refused what a task wanted to write at these keys.
    refused: BTreeMap<TaskId, (Vec<Key>, u32)>,
    /// As of which claim an operator saw the action that this task decides about.
    shown: BTreeMap<(TaskId, ActionId), u64>,
    /// Turns of which something was too large for the store.
    too_large: BTreeSet<(String, TurnNumber)>,
    /// Lookups that succeeded, as an action that comes after them must find them.
    looked_up: BTreeSet<Success>,
    /// Where an action stands in the order of those that were sent on their way.
    places: BTreeMap<ActionId, u64>,
    people: People,
    accounts: Accounts,
    /// What the requests of a turn begin with, by conversation, turn and the message that it answers.
    openings: BTreeMap<(String, TurnNumber, String), Vec<String>>,
    /// The turns of which a model called a request too long.
    shortened: BTreeSet<(String, TurnNumber)>,
    /// Processes have different team files from now on, and so windows of different sizes.
    teams_differ: bool,
    purse: money::Purse,
    /// The calls that a client has answered, by conversation and turn.
    answered: BTreeSet<(String, Option<TurnNumber>, String)>,
    /// The tools of a client that the requests of a turn offer, by conversation, turn and the message that it answers.
    offered: BTreeMap<(String, TurnNumber, String), Vec<String>>,
    /// The results of clients that a model was sent.
    sent_results: BTreeSet<String>,
}

/// A success of a tool: for whom, where, and with which arguments.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Success {
    conversation: ConversationId,
    owner: Owner,
    customer: Option<Subject>,
    tool: String,
    arguments: String,
}

impl Books {
    /// An action takes its place behind all others when it is sent on its way.
    fn line_up(&mut self, action: &ActionId) {
        let tool = self
            .actions
            .get(action)
            .and_then(|action| TEAM.tool(&action.tool));
        if tool.is_some_and(|tool| tool.order == ActionOrder::Free) {
            return;
        }
        let last = self.places.values().max().copied().unwrap_or(0);
        self.places.insert(action.clone(), last + 1);
    }

    /// An action of the same conversation that is to be done before this one and has not ended.
    fn ahead_of(&self, action: &ActionId) -> Option<ActionId> {
        let place = self.places.get(action).copied()?;

        let open = |other: &ActionId| {
            let state = self.actions.get(other).map(|other| other.state);
            matches!(state, Some(ActionState::Queued | ActionState::Running))
        };
        let ahead = self.places.iter().find(|(other, at)| {
            **at < place && other.conversation == action.conversation && open(other)
        });
        ahead.map(|(other, _)| other.clone())
    }
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

    /// The state of an action, as it was last recorded.
    pub(crate) fn state_of(&self, action: &ActionId) -> Option<ActionState> {
        let books = lock(&self.books);
        books.actions.get(action).map(|action| action.state)
    }

    /// The conversations that somebody began.
    pub(crate) fn conversations(&self) -> Vec<ConversationId> {
        let books = lock(&self.books);
        let ids = books.metas.keys().map(|id| ConversationId::parse(id));
        ids.filter_map(Result::ok).collect()
    }

    // --- what operators do ---

    /// This task is a person's: it may change what has ended.
    pub(crate) fn decides(&self, task: TaskId, operator: &Operator) {
        lock(&self.books).operators.insert(task, operator.clone());
    }

    /// A service reports in this task.
    pub(crate) fn reports(&self, task: TaskId) {
        lock(&self.books).reporters.insert(task);
    }

    /// The operator of this task decides by what this record says.
    pub(crate) fn shows(&self, action: &ActionRecord) {
        let place = (self.world.current_task(), action.id.clone());
        lock(&self.books).shown.insert(place, action.fence);
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
        if let Some(untold) = Self::untold(&books) {
            return Some(untold);
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
                || meta.summarise.is_some()
                || meta.pending_reports.iter().any(waits)
        })?;
        Some(format!("{conversation} has {meta:?}"))
    }

    /// Whether some late result is told again because a turn that was to tell it failed.
    pub(crate) fn tells_again(&self) -> bool {
        let books = lock(&self.books);
        books.metas.values().any(|meta| meta.late_failures > 0)
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
            // What a conversation tells endpoints, if anything.
            Lane::Actions if NoticeLane::parse(body).is_some() => body
                .rsplit('/')
                .next()
                .is_some_and(|conversation| books.metas.contains_key(conversation)),
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
                    // Its service reports the end, or the sweep finds that it did not.
                    || action.awaited_until.is_some()
                    // It waited for the one before it, and whoever ends that one sends it anew.
                    || action.after.is_some()
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
        // A report may come between a further claim and its call: at a service that knows the key, which has no second effect.
        let over = action.state.is_terminal() && !books.reported.contains(&action.id);
        self.require(!over, || {
            format!("{} was called after it had ended", action.id)
        });
        let ahead = books.ahead_of(&action.id);
        self.require(ahead.is_none(), || {
            format!("{} was called before {ahead:?}", action.id)
        });
        Some(action)
    }

    /// A lookup has succeeded; the engine may never record it.
    pub(crate) fn looked_up(&self, request: &ToolRequest) {
        let (context, arguments) = (&request.context, request.arguments.canonical());
        let success = Success {
            conversation: context.conversation.clone(),
            owner: context.owner.clone(),
            customer: context.speaker.customer.clone(),
            tool: request.tool.name.clone(),
            arguments: arguments.to_owned(),
        };
        lock(&self.books).looked_up.insert(success);
    }

    /// Somebody wants to know what a call is worth, and is told.
    pub(crate) fn priced(&self, request: &ToolRequest, price: Price) {
        let call = (
            self.world.current_task(),
            request.tool.name.clone(),
            request.arguments.canonical().to_owned(),
        );
        lock(&self.books).prices.insert(call, price);
    }

    // --- the store ---

    /// Whether something of this turn could not be recorded for its size.
    pub(crate) fn was_too_large(&self, conversation: &ConversationId, turn: TurnNumber) -> bool {
        let place = (conversation.as_str().to_owned(), turn);
        lock(&self.books).too_large.contains(&place)
    }

    /// The store refuses a commit, and will refuse it again.
    pub(crate) fn refused(&self, changes: &[Change]) {
        let keys: Vec<_> = changes.iter().map(|change| change.key().clone()).collect();
        let mut books = lock(&self.books);
        for key in &keys {
            let conversation = key.partition.strip_prefix("C#");
            if let (Some(id), Some((turn, _))) = (conversation, parse_turn_part(&key.sort)) {
                books.too_large.insert((id.to_owned(), turn));
            }
        }
        let task = self.world.current_task();
        let (last, times) = books.refused.entry(task).or_default();
        *times = if *last == keys { *times + 1 } else { 1 };
        *last = keys;
        let times = *times;
        self.require(times <= MOST_REFUSALS, || {
            format!(
                "a commit that was refused is tried for the {times}th time: {:?}",
                changes[0].key()
            )
        });
    }

    pub(crate) fn committed(
        &self,
        process: usize,
        task: TaskId,
        changes: &[Change],
        before: &[Option<Stored>],
    ) {
        let mut books = lock(&self.books);
        let mut about_people = false;
        for (change, before) in changes.iter().zip(before) {
            let (key, record) = match change {
                Change::Create(key, record) | Change::Replace(key, _, record) => {
                    (key, Some(record))
                }
                Change::Remove(key, _) => (key, None),
                Change::Require(..) => continue,
            };
            let after = record.map(|record| Stored {
                key: key.clone(),
                version: 1,
                record: record.clone(),
            });
            let Some(conversation) = key.partition.strip_prefix("C#") else {
                if key.partition.starts_with("H#") {
                    self.check_notice(&mut books, key, after.as_ref());
                    continue;
                }
                if key.partition.starts_with("L#") {
                    self.check_pot(&mut books.accounts, &key.partition, after.as_ref());
                    continue;
                }
                let (before, after) = (before.as_ref(), after.as_ref());
                self.check_person(&mut books.people, &key.partition, before, after);
                about_people = true;
                continue;
            };
            if key.sort == "META" {
                self.check_meta(
                    &mut books,
                    (process, task),
                    conversation,
                    after.as_ref(),
                    changes,
                );
            } else if let Some((turn, part)) = parse_turn_part(&key.sort) {
                match part {
                    TurnPart::Turn => {
                        if let (None, Some(record)) = (before, &after) {
                            let meta = books.metas.get(conversation);
                            self.check_author(&books.people, task, meta, record);
                        }
                        self.check_turn(
                            &mut books,
                            conversation,
                            turn,
                            before.as_ref(),
                            after.as_ref(),
                        );
                    }
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
            } else if key.sort.starts_with("Z#") {
                self.check_summary(
                    &books,
                    conversation,
                    before.as_ref(),
                    after.as_ref(),
                    changes,
                );
            } else if key.sort.starts_with("E#") {
                Self::keep(&mut books, conversation, after.as_ref());
            } else if key.sort.starts_with("M#") && after.is_none() {
                self.check_forgotten_message(&books, conversation, before.as_ref());
            }
        }
        if about_people {
            self.check_agreement(&books.people);
        }
    }
}
