//! Customers: they send messages, some twice, listen to the answers, lose the connection, come back, and remember what they
//! heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use baton_handoff::event::{ClientCalled, ConfirmationAsked, Event, EventKind, Position};
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::{Client, Engine, Followed, Overlap, Principal, Refusal, Resume, Submission};
use baton_handoff::{Seen, TurnLog, events_of};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::audit::people::Need;
use crate::cast::{Venue, is_own_name};
use crate::clients::{self, words_of};
use crate::oddities;
use crate::town::Town;
use crate::weather::Weather;
use crate::world::{OUTSIDE, lock};

/// What came over one connection.
pub(crate) enum Line {
    Accepted(TurnNumber),
    Refused(Refusal),
    Event(Event),
    NothingLeft,
    NoSuchTurn,
}

/// What one listener heard of a turn, connections that were lost and taken up again put together.
#[derive(Debug)]
pub(crate) struct Ear {
    pub(crate) who: Principal,
    pub(crate) conversation: ConversationId,
    pub(crate) turn: TurnNumber,
    pub(crate) texts: BTreeMap<u32, String>,
    pub(crate) starts: u32,
    pub(crate) end: Option<EventKind>,
    /// Something was said behind the end.
    pub(crate) said_more: bool,
    /// The steps that were taken back, with the fence under which they were said anew.
    resets: BTreeSet<(u32, u64)>,
    /// One of them twice.
    pub(crate) reset_twice: bool,
    /// The cards that were shown.
    cards: Vec<ConfirmationAsked>,
    /// The calls that the client was given.
    calls: Vec<ClientCalled>,
    position: Option<Position>,
    resume: Option<Resume>,
}

impl Ear {
    fn new(who: Principal, conversation: ConversationId, turn: TurnNumber) -> Self {
        Self {
            who,
            conversation,
            turn,
            texts: BTreeMap::new(),
            starts: 0,
            end: None,
            said_more: false,
            resets: BTreeSet::new(),
            reset_twice: false,
            cards: Vec::new(),
            calls: Vec::new(),
            position: None,
            resume: None,
        }
    }

    fn hear(&mut self, event: &Event) {
        let missing = match &mut self.resume {
            Some(resume) => resume.missing(event),
            None => [None, Some(event.clone())],
        };
        for event in missing.into_iter().flatten() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        self.said_more |= self.end.is_some();
        self.position = Some(event.position);
        match event.kind {
            EventKind::TurnStarted { .. } => self.starts += 1,
            EventKind::TextDelta(text) => self
                .texts
                .entry(event.position.step)
                .or_default()
                .push_str(&text),
            EventKind::ConfirmationAsked(asked) => self.cards.push(*asked),
            EventKind::ClientCalled(called) => self.calls.push(*called),
            EventKind::Reset { step } => {
                self.reset_twice |= !self.resets.insert((step, event.position.fence));
                self.texts.remove(&step);
            }
            EventKind::TurnCompleted | EventKind::TurnFailed(_) | EventKind::TurnStopped => {
                self.end = Some(event.kind);
            }
            EventKind::TurnContinues
            | EventKind::ToolCalled { .. }
            | EventKind::ToolFinished { .. }
            | EventKind::ActionQueued { .. }
            | EventKind::ActionFinished { .. }
            | EventKind::HandedOff { .. }
            | EventKind::Usage(_) => {}
        }
    }
}

/// What all customers remember.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The turns that a message was told to have, by conversation and words.
    pub(crate) turns: BTreeMap<(ConversationId, String), BTreeSet<TurnNumber>>,
    pub(crate) heard: Vec<Ear>,
    /// Results under an id that were refused, by conversation and words.
    pub(crate) not_waiting: BTreeSet<(ConversationId, String)>,
    /// Customers and listeners who are still at it.
    pub(crate) busy: u32,
    pub(crate) tally: Tally,
}

/// How often customers did what makes a conversation difficult.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) stops: u64,
    pub(crate) interrupts: u64,
    pub(crate) double_sends: u64,
    pub(crate) regenerations: u64,
    /// Attempts at what may be another's.
    pub(crate) intrusions: u64,
    /// Requests that found nothing.
    pub(crate) turned_away: u64,
    /// Answers to visitors that they are customers now.
    pub(crate) sign_ins: u64,
    /// Answers to cards that were taken.
    pub(crate) answers: u64,
    /// Results of clients that were taken, and that were refused.
    pub(crate) results: u64,
    pub(crate) late_results: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.stops += other.stops;
        self.interrupts += other.interrupts;
        self.double_sends += other.double_sends;
        self.regenerations += other.regenerations;
        self.intrusions += other.intrusions;
        self.turned_away += other.turned_away;
        self.sign_ins += other.sign_ins;
        self.answers += other.answers;
        self.results += other.results;
        self.late_results += other.late_results;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            stops,
            interrupts,
            double_sends,
            regenerations,
            intrusions,
            turned_away,
            sign_ins,
            answers,
            results,
            late_results,
        } = self;
        write!(
            f,
            "{stops} stops, {interrupts} interrupts, {double_sends} double sends, {regenerations} answers said anew, {intrusions} intrusions, {turned_away} messages turned away, {sign_ins} sign-ins, {answers} answers to cards, {results} results of clients and {late_results} refused"
        )
    }
}

#[derive(Clone)]
pub(crate) struct Customers {
    pub(crate) town: Arc<Town>,
    pub(crate) memory: Arc<Mutex<Memory>>,
}

impl Customers {
    pub(crate) fn arrive(town: &Arc<Town>) -> Self {
        let customers = Self {
            town: town.clone(),
            memory: Arc::default(),
        };
        for number in 0..town.weather().customers {
            let customer = customers.clone();
            customers.spawn(async move { customer.write(number).await });
        }
        customers.sign_in_some_time();
        customers
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.memory).busy += 1;
        let memory = self.memory.clone();
        self.town.world.spawn(OUTSIDE, async move {
            task.await;
            lock(&memory).busy -= 1;
        });
    }

    async fn write(&self, number: u64) {
        let world = &self.town.world;
        let weather = self.town.weather();
        let cast = self.town.cast();
        for message in 0..weather.messages {
            world.sleep(world.below(20_000)).await;
            let venue = &cast.venues[world.index(cast.venues.len())];
            let (from, called) = self.town.host_of(venue);
            let mut text = format!("[{}] {number}.{message}", venue.id);
            if world.happens(weather.oddities) {
                text.push_str(&oddities::text(world, weather.bulk.min(32_000)));
            }
            let is_short = text.len() < 10_000;
            let message_id = world
                .happens(700)
                .then(|| MessageId::parse(&format!("m{number}-{message}")).expect("an id"));
            let twice = message_id.is_some() && world.happens(250);
            let overlap = self.overlap(&weather);
            let letter = Letter {
                id: venue.id.clone(),
                called,
                from: from.clone(),
                message: Submission {
                    message: text,
                    message_id,
                    background: world.happens(100),
                    overlap,
                    client: Client {
                        // So much text that there is no room for tools beside it is refused.
                        tools: if is_short && world.happens(weather.client_tools) {
                            clients::tools()
                        } else {
                            Vec::new()
                        },
                        results: Vec::new(),
                    },
                },
            };
            if venue.hosts.len() > 1 && world.happens(500) {
                self.race(venue, &letter);
            }
            let impostor = twice && world.happens(weather.whims);
            if impostor {
                // Another message under the same id: one of the two is refused.
                let (customer, mut other) = (self.clone(), letter.clone());
                other.message.message += " or rather not";
                self.spawn(async move {
                    customer
                        .town
                        .world
                        .sleep(customer.town.world.below(300))
                        .await;
                    customer.send(other, true).await;
                });
            }
            if twice {
                lock(&self.memory).tally.double_sends += 1;
                let (customer, again) = (self.clone(), letter.clone());
                self.spawn(async move {
                    customer
                        .town
                        .world
                        .sleep(customer.town.world.below(300))
                        .await;
                    customer.send(again, impostor).await;
                });
            }
            let customer = self.clone();
            if world.happens(600) {
                customer.send(letter, impostor).await;
            } else {
                self.spawn(async move { customer.send(letter, impostor).await });
            }
            if world.happens(weather.whims / 4) {
                self.regenerate_last(venue.id.clone(), from);
            }
            if world.happens(weather.strangers) {
                let (customer, words) = (self.clone(), format!("strange {number}.{message}"));
                self.spawn(async move { customer.intrude(words).await });
            }
        }
    }

    /// All who may begin a conversation write to it at the same moment.
    fn race(&self, venue: &Venue, letter: &Letter) {
        for (number, host) in venue.hosts.iter().enumerate() {
            let (customer, mut other) = (self.clone(), letter.clone());
            other.from = host.clone();
            other.message.message = format!("{} and {number}", other.message.message);
            other.message.message_id = None;
            self.spawn(async move { customer.send(other, false).await });
        }
    }

    fn overlap(&self, weather: &Weather) -> Overlap {
        let world = &self.town.world;
        if world.happens(100) {
            Overlap::Reject
        } else if world.happens(weather.whims) {
            lock(&self.memory).tally.interrupts += 1;
            Overlap::Interrupt
        } else {
            Overlap::Queue
        }
    }

    /// Sends a message, again where that is safe, and listens to its turn. `contested`: another message has the same id.
    pub(crate) async fn send(&self, letter: Letter, contested: bool) {
        let world = &self.town.world;
        for _ in 0..10 {
            let Some((process, engine)) = self.town.any_process() else {
                world.sleep(1_000).await;
                continue;
            };
            let (lines, mut heard) = unbounded_channel();
            let (town, sent) = (self.town.clone(), letter.clone());
            let taken = async move { take(&town, &engine, sent, lines).await };
            let handler = world.spawn(process, taken);
            let answer = heard.recv().await;
            if world.happens(50) {
                // The connection breaks; the turn must not care.
                world.cancel(handler);
            }
            match answer {
                Some(Line::Accepted(turn)) => {
                    self.remember(&letter, turn);
                    self.maybe_stop(&letter.id, &letter.from, turn);
                    self.maybe_push(&letter.id, &letter.from, turn);
                    return self.listen(letter.from, letter.id, turn, heard).await;
                }
                Some(Line::Refused(Refusal::MessageIdReused)) if contested => return,
                Some(Line::Refused(Refusal::MessageIdReused)) => {
                    return world.break_off(format!(
                        "{:?} was taken for another message",
                        letter.message.message
                    ));
                }
                Some(Line::Refused(Refusal::Busy { .. } | Refusal::OverBound(_))) => return,
                Some(Line::Refused(Refusal::NotFound)) => {
                    lock(&self.memory).tally.turned_away += 1;
                    return;
                }
                Some(Line::Refused(Refusal::NotWaiting)) => {
                    self.remember_refused(&letter);
                    return;
                }
                Some(Line::Refused(refusal @ (Refusal::TooLong(_) | Refusal::ClientTools(_)))) => {
                    return world.break_off(format!("{:?}: {refusal}", letter.message.message));
                }
                Some(Line::Refused(Refusal::Draining)) => {}
                Some(
                    // Of a record that cannot be read nobody knows whether it is this message's turn.
                    Line::Refused(Refusal::Contended | Refusal::Unavailable | Refusal::Unreadable)
                    | Line::Event(_)
                    | Line::NothingLeft
                    | Line::NoSuchTurn,
                )
                | None => {
                    if letter.message.message_id.is_none() {
                        return;
                    }
                }
            }
            world.sleep(world.below(5_000)).await;
        }
    }

    fn remember(&self, letter: &Letter, turn: TurnNumber) {
        let place = (letter.id.clone(), words_of(&letter.message));
        let mut memory = lock(&self.memory);
        memory.tally.results += u64::from(!letter.message.client.results.is_empty());
        memory.turns.entry(place).or_default().insert(turn);
    }

    /// Its results are not awaited, or not any more.
    fn remember_refused(&self, letter: &Letter) {
        let mut memory = lock(&self.memory);
        memory.tally.late_results += 1;
        if letter.message.message_id.is_some() {
            let place = (letter.id.clone(), words_of(&letter.message));
            memory.not_waiting.insert(place);
        }
    }

    /// Listens to the end of a turn, over as many connections as it takes.
    pub(crate) async fn listen(
        &self,
        who: Principal,
        conversation: ConversationId,
        turn: TurnNumber,
        mut lines: UnboundedReceiver<Line>,
    ) {
        let world = &self.town.world;
        let mut ear = Ear::new(who, conversation, turn);
        loop {
            match lines.recv().await {
                Some(Line::Event(event)) => {
                    world.note(|| format!("heard {} {:?}", event.position, event.kind));
                    ear.hear(&event);
                    for card in ear.cards.drain(..) {
                        self.answer_some_time(&ear.conversation, &ear.who, &card);
                    }
                    if ear.end.is_some() && !ear.calls.is_empty() {
                        let calls = std::mem::take(&mut ear.calls);
                        self.execute_some_time(&ear.conversation, &ear.who, calls);
                    }
                }
                Some(Line::NoSuchTurn) => return,
                Some(Line::NothingLeft) => {
                    return world.break_off(format!(
                        "a listener without an end was told that nothing is left: {ear:?}"
                    ));
                }
                Some(Line::Accepted(_) | Line::Refused(_)) | None => {
                    if ear.end.is_some() {
                        return lock(&self.memory).heard.push(ear);
                    }
                    world.sleep(world.below(2_000)).await;
                    lines = self.follow(&mut ear);
                }
            }
        }
    }

    fn follow(&self, ear: &mut Ear) -> UnboundedReceiver<Line> {
        let (lines, heard) = unbounded_channel();
        ear.resume = ear.position.map(Resume::after);
        let (id, turn, after) = (ear.conversation.clone(), ear.turn, ear.position);
        let (town, who) = (self.town.clone(), ear.who.clone());
        if let Some((process, engine)) = self.town.any_process() {
            self.town.world.spawn(process, async move {
                // An error is a connection that breaks.
                let asked = town.audit.asks(&who);
                let conversation = town.open(&engine, &id, &who);
                let let_in = || town.audit.let_in(&id, &asked, Need::Oversee, "follow");
                let line = match conversation.follow(turn, after).await {
                    Ok(Followed::Log(log)) => {
                        let_in();
                        return relay(&log, &lines).await;
                    }
                    Ok(Followed::NothingLeft(_)) => {
                        let_in();
                        Line::NothingLeft
                    }
                    Ok(Followed::NoSuchTurn) => Line::NoSuchTurn,
                    Err(_) => return,
                };
                let _hung_up = lines.send(line);
            });
        }
        heard
    }
}

/// A message with its address.
#[derive(Clone)]
pub(crate) struct Letter {
    /// The real id.
    pub(crate) id: ConversationId,
    /// What its sender calls it.
    pub(crate) called: ConversationId,
    pub(crate) from: Principal,
    pub(crate) message: Submission,
}

/// What a server does about a message.
pub(crate) async fn take(
    town: &Arc<Town>,
    engine: &Arc<Engine>,
    letter: Letter,
    lines: UnboundedSender<Line>,
) {
    let background = letter.message.background;
    let audit = &town.audit;
    let asked = audit.asks(&letter.from);
    let conversation = town.open(engine, &letter.called, &letter.from);
    let id = conversation.id();
    let theirs = is_own_name(&letter.called, &letter.from) || audit.hears(id, &asked);
    match conversation.submit(letter.message).await {
        Ok(accepted) => {
            audit.let_in(id, &asked, Need::Speak, "speak");
            let _hung_up = lines.send(Line::Accepted(accepted.turn));
            if background {
                // Whoever wants to hear it follows it.
                return;
            }
            relay(&accepted.log, &lines).await;
        }
        Err(refusal) => {
            if theirs && refusal == Refusal::NotFound {
                audit.turned_away(id, &asked, "speak");
            }
            let _hung_up = lines.send(Line::Refused(refusal));
        }
    }
}

pub(crate) async fn relay(log: &TurnLog, lines: &UnboundedSender<Line>) {
    let mut seen = Seen::default();
    loop {
        let (events, now, ended) = log.read(seen, events_of).await;
        seen = now;
        for event in events {
            let _hung_up = lines.send(Line::Event(event));
        }
        if ended {
            return;
        }
    }
}
