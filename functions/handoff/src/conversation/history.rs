//! A conversation as people read it: messages by agent, tool calls with results, hand-offs, actions.

use serde::Serialize;
use serde_json::Value;

use super::open::Conversation;
use crate::failure::FailureCode;
use crate::ids::{ActionId, ConversationId, MessageId, TurnNumber};
use crate::ports::{Millis, StoreError, ToolCall, Usage};
use crate::principal::Access;
use crate::record::journal::{Extent, JournalCursor, JournaledTurn, ReadTurn, read_piece};
use crate::record::{
    ActionRecord, ActionState, Answer, CallResult, ClientAnswer, Meta, Origin, StepRecord,
    ToolOutcome, TurnRecord, TurnState, decode, keys,
};
use crate::shown::{Reader, View};

/// One thing in the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// A text of the customer or of an agent.
    Message {
        /// The turn.
        turn: TurnNumber,
        /// The author.
        role: Role,
        /// The agent, if an agent is the author.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The text.
        text: String,
        /// The answer broke off or was stopped here.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        partial: bool,
        /// When the customer sent it. Milliseconds since 1970.
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<Millis>,
    },
    /// A tool call.
    ToolCall {
        /// The turn.
        turn: TurnNumber,
        /// The agent that called.
        agent: String,
        /// The model's id of the call.
        call: String,
        /// The tool; where the client executes it, in the client's own words.
        name: String,
        /// The client executes it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        client: bool,
        /// The part that the reader sees of the arguments as the model wrote them.
        arguments: Option<String>,
        /// Its outcome; none while it runs, or the client has not answered.
        outcome: Option<ToolOutcome>,
        /// The part that the reader sees of the result that the model received.
        result: Option<String>,
        /// Its duration.
        milliseconds: Option<u64>,
    },
    /// The conversation was handed over.
    HandOff {
        /// The turn.
        turn: TurnNumber,
        /// The agent before.
        from: String,
        /// The agent from then on.
        to: String,
    },
    /// An accepted action in its present state.
    Action {
        /// The turn.
        turn: TurnNumber,
        /// The action.
        action: ActionId,
        /// The model's id of its call; none if the step of the call cannot be read.
        call: Option<String>,
        /// The tool.
        name: String,
        /// The part that the reader sees of its canonical arguments, JSON.
        arguments: Option<String>,
        /// Its state.
        state: ActionState,
        /// The part that the reader sees of the result or the reason.
        result: Option<String>,
        /// The customer's card.
        #[serde(skip_serializing_if = "Option::is_none")]
        confirmation: Option<ShownCard>,
    },
    /// The state or the end of a turn.
    Turn {
        /// The turn.
        turn: TurnNumber,
        /// `running` (or waiting), `committed`, `failed`, `stopped`; or `unreadable`: a part of it cannot be read.
        status: &'static str,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<FailureCode>,
        /// The sentence that the customer read about it, or a note that the turn cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'static str>,
        /// Whether sending the same message again may succeed.
        #[serde(skip_serializing_if = "Option::is_none")]
        retryable: Option<bool>,
        /// The client's id of the message.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
        /// The answer that this one replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<TurnNumber>,
        /// A later answer replaces this one.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
        /// Tokens of all its responses.
        usage: Usage,
        /// Its duration.
        #[serde(skip_serializing_if = "Option::is_none")]
        milliseconds: Option<u64>,
    },
}

/// The card by which the customer confirms an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownCard {
    /// The question.
    pub title: String,
    /// The arguments on it.
    pub fields: Value,
    /// What an answer is bound to.
    pub arguments_hash: String,
    /// Until when it can be answered. Milliseconds since 1970.
    pub expires_at: Millis,
    /// What became of it. None: it is open, if the action is proposed.
    pub answer: Option<Answer>,
}

/// The author of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The customer.
    Customer,
    /// One of our agents.
    Agent,
}

/// One line of the list of conversations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The conversation.
    pub id: ConversationId,
    /// The first words of it.
    pub title: String,
    /// The active agent.
    pub agent: String,
    /// How many turns there are.
    pub turns: TurnNumber,
    /// When it began. Milliseconds since 1970.
    pub created_at: Millis,
    /// When the last message came. Milliseconds since 1970.
    pub last_activity: Millis,
    /// The turn that is running or waits first.
    pub running: Option<TurnNumber>,
}

/// A conversation, or its last turns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// The conversation as the list shows it.
    #[serde(flatten)]
    pub summary: Summary,
    /// Oldest first.
    pub items: Vec<Item>,
    /// Ask with `before` this turn for the earlier ones.
    pub before: Option<TurnNumber>,
}

/// Records read for one page of history, in bytes. A turn that has more is a page of its own.
const PAGE_BYTES: usize = 256 * 1024;

/// Stands in place of the unreadable part of a turn.
const UNREADABLE: &str = "A part of this turn cannot be read.";

impl Conversation {
    /// The last `turns` turns before `before`, or fewer if those are a page already. `None`: there is no such conversation, or
    /// it was erased.
    pub async fn history(
        &self,
        before: Option<TurnNumber>,
        turns: usize,
        view: View,
    ) -> Result<Option<History>, StoreError> {
        let Some((_, meta)) = self.meta(Access::Oversee).await? else {
            return Ok(None);
        };
        if !meta.has_turns() {
            return Ok(None);
        }
        let extent = Extent::of_piece(turns, PAGE_BYTES, None);
        let cursor = JournalCursor::Before(before);
        let mut read = read_piece(&*self.engine.store, &self.id, cursor, extent)
            .await?
            .turns;
        read.retain(|turn| turn.number >= meta.erased_below);
        read.reverse();
        let first = read.first().map(|turn| turn.number);
        // The turn after the page's last turn lies on the next page.
        let behind = match (before, read.last()) {
            (Some(_), Some(last)) => self.record_of(last.number + 1).await?,
            (Some(_), None) | (None, _) => None,
        };
        let reader = Reader::new(&self.engine.team, view);
        Ok(Some(History {
            summary: summary(self.id.clone(), &meta),
            items: items_of(reader, &read, behind.as_ref()),
            before: first.filter(|first| *first > meta.erased_below.max(1)),
        }))
    }

    /// The record of turn `number`: it may replace the turn before it, or have results of its calls.
    pub(super) async fn record_of(
        &self,
        number: TurnNumber,
    ) -> Result<Option<TurnRecord>, StoreError> {
        let stored = self.engine.store.get(&keys::turn(&self.id, number)).await?;
        // An unreadable turn is shown as unreadable in its own place.
        Ok(stored.and_then(|stored| decode(&stored).ok()))
    }
}

pub(super) fn summary(id: ConversationId, meta: &Meta) -> Summary {
    let running = meta.running.as_ref().map(|running| running.turn);
    Summary {
        id,
        title: meta.title.clone(),
        agent: meta.agent.clone(),
        turns: meta.next_turn.saturating_sub(meta.erased_below.max(1)),
        created_at: meta.created_at,
        last_activity: meta.last_activity,
        running: running.or_else(|| meta.waiting.first().copied()),
    }
}

/// The turn that this one regenerates.
fn root(record: &TurnRecord) -> Option<TurnNumber> {
    match record.origin {
        Origin::Regenerated { of } => Some(of),
        Origin::Customer | Origin::LateResult => None,
    }
}

/// Consecutive turns as items, oldest first. `behind` is the next turn. Only the last answer can ever be regenerated, so the next
/// turn shows it; and results of the client are most often there.
pub(super) fn items_of(
    reader: Reader<'_>,
    turns: &[ReadTurn],
    behind: Option<&TurnRecord>,
) -> Vec<Item> {
    let root_in = |read: &ReadTurn| read.turn.as_ref().and_then(|turn| root(&turn.record));
    let roots = turns.iter().skip(1).map(root_in);
    let roots = roots.chain([behind.and_then(root)]);
    let records = turns.iter().filter_map(|read| read.turn.as_ref());
    let records = records.map(|turn| &turn.record).chain(behind);
    let answers: Vec<_> = records.flat_map(|record| &record.client.results).collect();
    let mut all = Vec::new();
    for (read, next) in turns.iter().zip(roots) {
        let mut items = match &read.turn {
            Some(turn) => {
                let of = root(&turn.record).unwrap_or(turn.number);
                items(reader, turn, &answers, next == Some(of))
            }
            None => vec![unreadable(read.number)],
        };
        if !read.is_whole() {
            mark_unreadable(&mut items);
        }
        all.append(&mut items);
    }
    all
}

fn mark_unreadable(items: &mut [Item]) {
    if let Some(Item::Turn {
        status,
        message,
        retryable,
        ..
    }) = items.last_mut()
    {
        *status = "unreadable";
        *message = Some(UNREADABLE);
        *retryable = Some(false);
    }
}

/// Stands for a turn of which only the number is known.
fn unreadable(turn: TurnNumber) -> Item {
    Item::Turn {
        turn,
        status: "unreadable",
        code: None,
        message: Some(UNREADABLE),
        retryable: Some(false),
        message_id: None,
        replaces: None,
        replaced: false,
        usage: Usage::default(),
        milliseconds: None,
    }
}

/// A turn as items, oldest first.
fn items(
    reader: Reader<'_>,
    turn: &JournaledTurn,
    answers: &[&ClientAnswer],
    replaced: bool,
) -> Vec<Item> {
    let mut items = Vec::new();
    let record = &turn.record;
    let number = turn.number;
    let is_answer = !record.client.results.is_empty() && record.message.is_empty();
    if record.origin != Origin::LateResult && !is_answer {
        items.push(Item::Message {
            turn: number,
            role: Role::Customer,
            agent: None,
            text: record.message.clone(),
            partial: false,
            at: Some(record.accepted_at),
        });
    }
    for (index, step) in turn.steps.iter().enumerate() {
        let results = turn
            .steps
            .get(index + 1)
            .map_or(&record.results, |next| &next.results);
        push_text(&mut items, number, &step.agent, &step.text, false);
        for call in &step.calls {
            if let Some(clients) = step.client.iter().find(|open| open.call == call.id) {
                let answer = answers.iter().find(|answer| answer.call == call.id);
                items.push(clients_item(
                    number,
                    step,
                    call,
                    &clients.name,
                    answer.copied(),
                ));
                continue;
            }
            let result = results.iter().find(|result| result.call == call.id);
            items.push(call_item(reader, number, step, call, result));
        }
    }
    if let Some(partial) = &record.partial {
        push_text(&mut items, number, &partial.agent, &partial.text, true);
    }
    let actions = turn.actions.iter();
    items.extend(actions.map(|action| action_item(reader, turn, action)));
    let failure = record.failure.filter(|_| record.state == TurnState::Failed);
    items.push(Item::Turn {
        turn: number,
        status: record.state.as_str(),
        code: failure,
        message: failure.map(FailureCode::sentence),
        retryable: failure.map(FailureCode::retryable),
        message_id: record.message_id.clone(),
        replaces: root(record),
        replaced,
        usage: record.usage,
        milliseconds: record
            .ended_at
            .map(|ended| ended.saturating_sub(record.accepted_at)),
    });
    items
}

fn push_text(items: &mut Vec<Item>, turn: TurnNumber, agent: &str, text: &str, partial: bool) {
    if !text.is_empty() {
        let agent = Some(agent.to_owned());
        items.push(Item::Message {
            turn,
            role: Role::Agent,
            agent,
            text: text.to_owned(),
            partial,
            at: None,
        });
    }
}

fn call_item(
    reader: Reader<'_>,
    turn: TurnNumber,
    step: &StepRecord,
    call: &ToolCall,
    result: Option<&CallResult>,
) -> Item {
    if let Some(to) = result.and_then(|result| result.handed_to.clone()) {
        return Item::HandOff {
            turn,
            from: step.agent.clone(),
            to,
        };
    }
    let shown =
        |result: &CallResult| reader.result_of_call(&call.name, result.outcome, &result.result);
    Item::ToolCall {
        turn,
        agent: step.agent.clone(),
        call: call.id.clone(),
        name: call.name.clone(),
        client: false,
        arguments: reader.arguments(&call.name, &call.arguments),
        outcome: result.map(|result| result.outcome),
        result: result.and_then(shown),
        milliseconds: result.map(|result| result.milliseconds),
    }
}

/// A call that the client executes: it knows all of it.
fn clients_item(
    turn: TurnNumber,
    step: &StepRecord,
    call: &ToolCall,
    name: &str,
    answer: Option<&ClientAnswer>,
) -> Item {
    Item::ToolCall {
        turn,
        agent: step.agent.clone(),
        call: call.id.clone(),
        name: name.to_owned(),
        client: true,
        arguments: Some(call.arguments.clone()),
        outcome: answer.map(|answer| answer.outcome),
        result: answer.map(|answer| answer.result.clone()),
        milliseconds: answer.map(|answer| answer.milliseconds),
    }
}

fn action_item(reader: Reader<'_>, turn: &JournaledTurn, action: &ActionRecord) -> Item {
    let shown = |result: &String| reader.result_of_action(&action.tool, action.state, result);
    let mut accepted = turn.steps.iter().flat_map(|step| &step.actions);
    let accepted = accepted.find(|accepted| accepted.action == action.id);
    Item::Action {
        turn: turn.number,
        action: action.id.clone(),
        call: accepted.map(|accepted| accepted.call.clone()),
        name: action.tool.clone(),
        arguments: reader.arguments(&action.tool, &action.arguments),
        state: action.state,
        result: action.result.as_ref().and_then(shown),
        confirmation: action.confirmation.as_ref().map(|card| ShownCard {
            title: card.title.clone(),
            // JSON, written by us.
            fields: serde_json::from_str(&card.shown).unwrap_or_default(),
            arguments_hash: action.arguments_hash(),
            expires_at: card.expires_at,
            answer: card.answer,
        }),
    }
}
