//! What must hold at the end, once faults have stopped and everybody had time.

use std::collections::BTreeMap;

use baton_handoff::event::EventKind;
use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{
    ActionRecord, ActionState, CallResult, EndedAction, Meta, Origin, StepRecord, TurnRecord,
    TurnState, decode,
};
use baton_handoff::team::{ActionOrder, Amount, Approval, Tool};

use crate::audit::money;
use crate::clients::words_in;
use crate::customers::{Ear, Memory};
use crate::model::MODELS;
use crate::records::{RELIC, Records};
use crate::town::{TEAM, Town};
use crate::world::{DAWN, lock};

#[derive(Default)]
struct Turn {
    record: Option<TurnRecord>,
    steps: BTreeMap<u32, StepRecord>,
    actions: Vec<ActionRecord>,
}

impl Turn {
    /// Whether a customer said so.
    fn has(&self, words: &str) -> bool {
        let has =
            |record: &TurnRecord| words_in(record) == words && record.origin == Origin::Customer;
        self.record.as_ref().is_some_and(has)
    }

    /// The results that the turn ended with, for the next request.
    fn left(&self) -> &[CallResult] {
        let waits = |record: &&TurnRecord| {
            let last = self.steps.values().next_back();
            record.state == TurnState::Committed && last.is_some_and(|step| !step.client.is_empty())
        };
        let record = self.record.as_ref().filter(waits);
        record.map_or(&[], |record| &record.results)
    }
}

struct Conversation {
    meta: Meta,
    turns: BTreeMap<TurnNumber, Turn>,
}

/// Checks everything that is left when all is quiet.
pub(crate) fn check(town: &Town, memory: &Memory) -> Result<(), String> {
    if let Some(item) = town.ledger.overpaid() {
        return Err(format!("more was refunded for {item} than was paid"));
    }
    let conversations = read(town)?;
    for (id, conversation) in &conversations {
        check_turns(&lock(&town.records), id, conversation)?;
        for action in conversation.turns.values().flat_map(|turn| &turn.actions) {
            check_action(town, action)?;
        }
        check_told(town, conversation)?;
        for turn in conversation.turns.values() {
            check_models(turn)?;
            check_identity(turn)?;
        }
        check_ids(id, conversation)?;
        check_clients(town, id, conversation)?;
    }
    // Erased actions are not reported, so that nothing of them is given back.
    let within_a_day = town.world.now() < DAWN + 24 * 3_600_000;
    let days = money::days(lock(&town.records).now.iter());
    town.audit.check_sums(&days, within_a_day)?;
    for ((conversation, words), turns) in &memory.turns {
        if let Some(conversation) = conversations.get(conversation) {
            check_message(conversation, words, turns)?;
        }
    }
    for (conversation, words) in &memory.not_waiting {
        if let Some(conversation) = conversations.get(conversation)
            && let Some(turn) = conversation.turns.values().find(|turn| turn.has(words))
        {
            return Err(format!("results were refused, and began {:?}", turn.record));
        }
    }
    for ear in &memory.heard {
        if let Some(conversation) = conversations.get(&ear.conversation) {
            check_heard(town, ear, conversation)?;
        }
    }
    Ok(())
}

fn read(town: &Town) -> Result<BTreeMap<ConversationId, Conversation>, String> {
    let mut conversations: BTreeMap<ConversationId, Conversation> = BTreeMap::new();
    let records = lock(&town.records);
    for (key, stored) in &records.now {
        let Some(Ok(id)) = key.partition.strip_prefix("C#").map(ConversationId::parse) else {
            continue;
        };
        if id.as_str().starts_with(RELIC) {
            continue;
        }
        let error = |error: baton_handoff::ports::StoreError| error.to_string();
        if key.sort == "META" {
            let meta = decode(stored).map_err(error)?;
            conversations.insert(
                id,
                Conversation {
                    meta,
                    turns: BTreeMap::new(),
                },
            );
            continue;
        }
        let upto = key.sort.strip_prefix("Z#");
        if let Some(upto) = upto.and_then(|upto| upto.parse::<TurnNumber>().ok())
            && let Some(conversation) = conversations.get(&id)
            && upto < conversation.meta.erased_below
        {
            return Err(format!(
                "the summary of {upto} of {id} outlives its erasure"
            ));
        }
        let pushed = key.sort.strip_prefix("P#");
        if let Some(turn) = pushed.and_then(|turn| turn.parse::<TurnNumber>().ok())
            && let Some(conversation) = conversations.get(&id)
        {
            if turn < conversation.meta.erased_below {
                return Err(format!(
                    "the endpoint of {turn} of {id} outlives its erasure"
                ));
            }
            if !town.audit.was_pushed(id.as_str(), turn) && !records.was_blurred(&id, turn) {
                return Err(format!("the endpoint of {turn} of {id} was not told"));
            }
        }
        let Some((number, part)) = parse_turn_part(&key.sort) else {
            continue;
        };
        let conversation = conversations
            .get_mut(&id)
            .ok_or("a conversation without META")?;
        let turn = conversation.turns.entry(number).or_default();
        match part {
            TurnPart::Turn => turn.record = Some(decode(stored).map_err(error)?),
            TurnPart::Step(step) => drop(turn.steps.insert(step, decode(stored).map_err(error)?)),
            TurnPart::Action(_) => turn.actions.push(decode(stored).map_err(error)?),
        }
    }
    Ok(conversations)
}

/// Numbers without gaps, every turn over, nothing left of what was erased.
fn check_turns(
    records: &Records,
    id: &ConversationId,
    conversation: &Conversation,
) -> Result<(), String> {
    let meta = &conversation.meta;
    if let Some(number) = conversation
        .turns
        .keys()
        .find(|number| **number < meta.erased_below)
    {
        return Err(format!(
            "turn {number} of {id} was erased and is still there"
        ));
    }
    for number in meta.erased_below.max(1)..meta.next_turn {
        let record = conversation
            .turns
            .get(&number)
            .and_then(|turn| turn.record.as_ref());
        match record.map(|record| record.state) {
            Some(TurnState::Committed | TurnState::Failed | TurnState::Stopped) => {}
            // Whoever wanted to begin it could not read it, and went on with the next one.
            Some(TurnState::Accepted) if records.was_blurred(id, number) => {}
            Some(TurnState::Accepted) => return Err(format!("turn {number} of {id} never ended")),
            None => return Err(format!("turn {number} of {id} is missing")),
        }
    }
    Ok(())
}

/// What the record says is what happened.
fn check_action(town: &Town, action: &ActionRecord) -> Result<(), String> {
    let effects = town.ledger.effects_of(&action.id);
    match (action.state, effects) {
        (ActionState::Done, 1)
        | (ActionState::Rejected | ActionState::Proposed, 0)
        | (ActionState::Unknown, 0 | 1) => Ok(()),
        (state, _) => Err(format!(
            "{} is {} and had {effects} effects",
            action.id,
            state.as_str()
        )),
    }
}

/// No step has words of another model than the one that it names, and no text those of two.
fn check_models(turn: &Turn) -> Result<(), String> {
    for step in turn.steps.values() {
        let other = MODELS.iter().find(|model| **model != step.asked.model);
        if other.is_some_and(|other| step.text.contains(other) && !step.asked.model.is_empty()) {
            return Err(format!("{} has said {:?}", step.asked.model, step.text));
        }
    }
    let partial = turn
        .record
        .as_ref()
        .and_then(|record| record.partial.as_ref());
    match partial {
        Some(partial) if MODELS.iter().all(|model| partial.text.contains(model)) => {
            Err(format!("two models have said {:?}", partial.text))
        }
        Some(_) | None => Ok(()),
    }
}

/// A repeat is the same action while no other one of the turn was accepted in between; for a tool that names its identity, or an
/// amount, for the whole turn.
fn check_identity(turn: &Turn) -> Result<(), String> {
    let regenerated = |record: &TurnRecord| matches!(record.origin, Origin::Regenerated { .. });
    if turn.record.as_ref().is_none_or(regenerated) {
        return Ok(());
    }
    let mut seen: Vec<(&ActionId, bool)> = Vec::new();
    let mut last: BTreeMap<(String, String), (&ActionId, usize)> = BTreeMap::new();
    for (step, entry) in turn
        .steps
        .values()
        .flat_map(|step| step.actions.iter().map(move |entry| (step, entry)))
    {
        let call = step.calls.iter().find(|call| call.id == entry.call);
        let Some((call, tool)) = call.and_then(|call| Some((call, TEAM.tool(&call.name)?))) else {
            continue;
        };
        let Ok(arguments) = tool.check(&call.arguments) else {
            continue;
        };
        let whole_turn = !tool.identity.is_empty() || has_an_amount(tool);
        let identity = (tool.name.clone(), tool.identity_of(&arguments));
        let is_new = seen.iter().all(|(known, _)| **known != entry.action);
        if is_new {
            seen.push((&entry.action, tool.order == ActionOrder::Kept));
        }
        let same = last.get(&identity).filter(|(_, at)| {
            let later = seen.get(*at..).unwrap_or_default();
            let between = later
                .iter()
                .any(|(later, ordered)| *ordered && **later != entry.action);
            whole_turn || !between
        });
        let right = match same {
            Some((action, _)) => *action == &entry.action,
            None => is_new,
        };
        if !right {
            return Err(format!(
                "{} stands for {identity:?} and should {}",
                entry.action,
                if same.is_some() {
                    "be the one before"
                } else {
                    "be a new one"
                }
            ));
        }
        if is_new {
            last.insert(identity, (&entry.action, seen.len()));
        }
    }
    Ok(())
}

fn has_an_amount(tool: &Tool) -> bool {
    matches!(&tool.approval, Approval::Above { .. })
        || matches!(&tool.amount, Some(Amount::Parameter(_)))
}

/// Every end of an action was told once: as the answer to its call or as a late result, never late what was known already.
fn check_told(town: &Town, conversation: &Conversation) -> Result<(), String> {
    let mut told: BTreeMap<&ActionId, Vec<ActionState>> = BTreeMap::new();
    for turn in conversation.turns.values() {
        for step in turn.steps.values() {
            for late in &step.late_results {
                let known = told.entry(&late.action).or_default();
                if known.contains(&late.state) && town.audit.retries_of(&late.action) == 0 {
                    return Err(format!(
                        "the end of {} was told again as a late result",
                        late.action
                    ));
                }
                known.push(late.state);
            }
            for ended in ended_in(&step.results) {
                told.entry(&ended.action).or_default().push(ended.state);
            }
        }
        for ended in ended_in(turn.left()) {
            told.entry(&ended.action).or_default().push(ended.state);
        }
    }
    for action in conversation.turns.values().flat_map(|turn| &turn.actions) {
        // A turn that told a late result may have brought a new proposal.
        if action.state.is_terminal()
            && told.get(&action.id).and_then(|states| states.last()) != Some(&action.state)
        {
            return Err(format!(
                "the model was never told that {} is {}",
                action.id,
                action.state.as_str()
            ));
        }
    }
    Ok(())
}

fn ended_in(results: &[CallResult]) -> impl Iterator<Item = &EndedAction> {
    results.iter().filter_map(|result| result.ended.as_ref())
}

/// One message, one turn; and the turn that its sender was told.
fn check_message(
    conversation: &Conversation,
    words: &str,
    told: &std::collections::BTreeSet<TurnNumber>,
) -> Result<(), String> {
    let turns: Vec<_> = conversation
        .turns
        .iter()
        .filter(|(_, turn)| turn.has(words))
        .map(|(number, _)| *number)
        .collect();
    if turns.len() > 1 {
        return Err(format!("the message {words:?} has the turns {turns:?}"));
    }
    for number in told
        .iter()
        .filter(|number| **number >= conversation.meta.erased_below)
    {
        if !turns.contains(number) {
            return Err(format!(
                "the message {words:?} was said to be turn {number} and has {turns:?}"
            ));
        }
    }
    Ok(())
}

/// Whatever was sent under one message id, it is one turn.
fn check_ids(id: &ConversationId, conversation: &Conversation) -> Result<(), String> {
    let mut turns = BTreeMap::new();
    for (number, turn) in &conversation.turns {
        let message = turn
            .record
            .as_ref()
            .and_then(|record| record.message_id.as_ref());
        if let Some(message) = message
            && let Some(first) = turns.insert(message, *number)
        {
            return Err(format!(
                "message {message} of {id} has the turns {first} and {number}"
            ));
        }
    }
    Ok(())
}

/// The model was sent each result of a client that began a turn which it has answered.
fn check_clients(
    town: &Town,
    id: &ConversationId,
    conversation: &Conversation,
) -> Result<(), String> {
    let turns = conversation.turns.values();
    let answered = turns.filter(|turn| !turn.steps.is_empty());
    let records = answered.filter_map(|turn| turn.record.as_ref());
    let mut results = records.flat_map(|record| &record.client.results);
    match results.find(|answer| !town.audit.was_sent(&answer.result)) {
        Some(lost) => Err(format!("the model was never sent {lost:?} of {id}")),
        None => Ok(()),
    }
}

/// What a listener heard is what was recorded.
fn check_heard(town: &Town, ear: &Ear, conversation: &Conversation) -> Result<(), String> {
    let own = format!("[{}]", ear.conversation);
    let foreign = ear
        .texts
        .values()
        .find(|text| text.contains("[c") && !text.contains(&own));
    if let Some(text) = foreign {
        return Err(format!("a listener of {} heard {text:?}", ear.conversation));
    }
    let Some(turn) = conversation.turns.get(&ear.turn) else {
        return Ok(());
    };
    let Some(record) = &turn.record else {
        return Ok(());
    };
    let end = match record.state {
        TurnState::Committed => EventKind::TurnCompleted,
        TurnState::Failed => {
            EventKind::TurnFailed(record.failure.ok_or("a failed turn without a reason")?)
        }
        TurnState::Stopped | TurnState::Accepted => EventKind::TurnStopped,
    };
    if lock(&town.records).was_blurred(&ear.conversation, ear.turn) {
        // Whoever could not read the turn said so, and what could be read again was told anew.
        return Ok(());
    }
    if ear.said_more {
        return Err(format!(
            "turn {} of {} said something behind its end",
            ear.turn, ear.conversation
        ));
    }
    if ear.reset_twice {
        return Err(format!(
            "a step of turn {} of {} was taken back twice",
            ear.turn, ear.conversation
        ));
    }
    if ear.end.as_ref() != Some(&end) {
        return Err(format!(
            "turn {} of {} ended as {end:?}, its listener heard {:?}",
            ear.turn, ear.conversation, ear.end
        ));
    }
    let mut said: BTreeMap<u32, String> = turn
        .steps
        .iter()
        .map(|(number, step)| (*number, step.text.clone()))
        .collect();
    if let Some(partial) = &record.partial {
        said.insert(
            u32::try_from(turn.steps.len()).unwrap_or(0) + 1,
            partial.text.clone(),
        );
    }
    said.retain(|_, text| !text.is_empty());
    let mut heard = ear.texts.clone();
    heard.retain(|_, text| !text.is_empty());
    if town.audit.was_too_large(&ear.conversation, ear.turn) {
        // What could not be recorded was heard all the same.
        heard.retain(|step, _| said.contains_key(step));
    }
    if heard != said {
        return Err(format!(
            "a listener of turn {} of {} heard {heard:?}, recorded is {said:?}",
            ear.turn, ear.conversation
        ));
    }
    if ear.starts != 1 {
        return Err(format!(
            "a listener of turn {} of {} heard it start {} times",
            ear.turn, ear.conversation, ear.starts
        ));
    }
    Ok(())
}
