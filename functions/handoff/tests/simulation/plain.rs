//! No conversation can be made unusable: whatever a storm has put into it, a plain message is answered by a plain model.

use std::sync::{Arc, Mutex};

use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::ports::Millis;
use baton_handoff::record::{Meta, StepRecord, TurnRecord, TurnState, decode, keys};
use baton_handoff::{Overlap, Principal, Refusal, Submission};
use tokio::sync::mpsc::unbounded_channel;

use crate::customers::{Customers, Letter, Line, take};
use crate::model::PLAIN;
use crate::town::Town;
use crate::world::lock;

/// How long an answer may take where nothing goes wrong: leases of the dead run out in it.
const PATIENCE: Millis = 120_000;

/// What became of a plain message.
type Answer = Arc<Mutex<Option<Result<TurnNumber, Refusal>>>>;

/// Asks in every conversation that somebody began.
pub(crate) fn ask_everywhere(town: &Arc<Town>, customers: &Customers) -> Result<(), String> {
    lock(&town.weather).plain = true;
    for conversation in town.audit.conversations() {
        let answer = Answer::default();
        let (customer, id, heard) = (customers.clone(), conversation.clone(), answer.clone());
        customers.spawn(async move { ask(&customer, id, &heard).await });
        let idle = || lock(&customers.memory).busy == 0;
        town.world
            .run_until(town.world.now() + PATIENCE, idle, |_| {});
        if town.world.violation().is_some() {
            return Ok(());
        }
        let answered = lock(&answer).clone();
        match answered {
            Some(Ok(turn)) => check(town, &conversation, turn)?,
            Some(Err(refusal)) => {
                return Err(format!("{conversation} takes no plain message: {refusal}"));
            }
            None => return Err(format!("{conversation} does not answer a plain message")),
        }
    }
    Ok(())
}

async fn ask(customer: &Customers, conversation: ConversationId, answer: &Answer) {
    let world = &customer.town.world;
    let from = customer.town.speaker(&conversation);
    for attempt in 0..10 {
        let Some((process, engine)) = customer.town.any_process() else {
            world.sleep(1_000).await;
            continue;
        };
        let (lines, mut heard) = unbounded_channel();
        let message = Submission {
            message: format!("[{conversation}] how are you?"),
            message_id: MessageId::parse("plain").ok(),
            background: false,
            overlap: Overlap::Queue,
            ..Submission::default()
        };
        let letter = Letter {
            id: conversation.clone(),
            called: conversation.clone(),
            from: from.clone(),
            message,
        };
        let town = customer.town.clone();
        let taken = async move { take(&town, &engine, letter, lines).await };
        world.spawn(process, taken);
        match heard.recv().await {
            Some(Line::Accepted(turn)) => {
                customer.listen(from, conversation, turn, heard).await;
                *lock(answer) = Some(Ok(turn));
                return;
            }
            Some(Line::Refused(refusal)) => *lock(answer) = Some(Err(refusal)),
            Some(Line::Event(_) | Line::NothingLeft | Line::NoSuchTurn) | None => {}
        }
        world.sleep(500 << attempt).await;
    }
}

/// Everybody's list has their own conversations, and those of the visitors that they were, and no other.
pub(crate) fn list_everything(town: &Arc<Town>, customers: &Customers) -> Result<(), String> {
    for who in &town.cast().people {
        let listed: Arc<Mutex<Option<Vec<ConversationId>>>> = Arc::default();
        let (there, asker, list) = (town.clone(), who.clone(), listed.clone());
        customers.spawn(async move { *lock(&list) = list_of(&there, &asker).await });
        let idle = || lock(&customers.memory).busy == 0;
        town.world
            .run_until(town.world.now() + PATIENCE, idle, |_| {});
        let listed = lock(&listed).take();
        let mut listed = listed.ok_or_else(|| format!("{} gets no list", who.owner()))?;
        listed.sort();
        let theirs = town.audit.list_of(who);
        if listed != theirs {
            return Err(format!(
                "{} has the list {listed:?} and owns {theirs:?}",
                who.owner()
            ));
        }
    }
    Ok(())
}

/// All pages of a list.
async fn list_of(town: &Arc<Town>, who: &Principal) -> Option<Vec<ConversationId>> {
    let (_, engine) = town.any_process()?;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = engine.conversations(who, after, 2).await.ok()?;
        listed.extend(page.conversations.into_iter().map(|one| one.id));
        after = page.next;
        if after.is_none() {
            return Some(listed);
        }
    }
}

/// The turn was answered plainly.
pub(crate) fn check(
    town: &Town,
    conversation: &ConversationId,
    turn: TurnNumber,
) -> Result<(), String> {
    let records = lock(&town.records);
    let meta = records.now.get(&keys::meta(conversation));
    let meta = meta.and_then(|stored| decode::<Meta>(stored).ok());
    if meta.is_some_and(|meta| meta.erased_below > turn) {
        // An erasure that was asked for in the storm came through only now, and took the message along.
        return Ok(());
    }
    let stored = records.now.get(&keys::turn(conversation, turn));
    let stored = stored.ok_or_else(|| format!("turn {turn} of {conversation} is not there"))?;
    let record: TurnRecord = decode(stored).map_err(|error| error.to_string())?;
    let step = records.now.get(&keys::step(conversation, turn, 1));
    let step = step.and_then(|stored| decode::<StepRecord>(stored).ok());
    let said = step.map(|step| step.text).unwrap_or_default();
    if record.state == TurnState::Committed && said.ends_with(PLAIN) {
        return Ok(());
    }
    Err(format!(
        "a plain message in {conversation} became turn {turn}, {} {:?}, answered with {said:?}",
        record.state.as_str(),
        record.failure
    ))
}
