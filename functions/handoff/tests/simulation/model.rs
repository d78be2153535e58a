//! A model that says and calls what comes to its mind, fails in every way there is, and checks what it is asked.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use baton_handoff::ports::{
    CallDelta, FinishReason, Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest,
    ModelStream, Usage,
};
use baton_handoff::text::is_blank;
use baton_handoff::{Bound, Bounds};
use futures_util::future::BoxFuture;

use crate::audit::Audit;
use crate::oddities;
use crate::script::{Reply, Script};
use crate::weather::Weather;
use crate::world::{World, lock};

/// The models of every agent, in weather with several.
pub(crate) const MODELS: [&str; 2] = ["alpha", "beta"];

/// How often a model got back what it wanted, in all simulations.
pub(crate) static RETURNED: AtomicU64 = AtomicU64::new(0);

const KINDS: [ModelErrorKind; 14] = [
    ModelErrorKind::BadRequest,
    ModelErrorKind::Unauthorized,
    ModelErrorKind::RateLimited,
    ModelErrorKind::Unavailable,
    ModelErrorKind::Unreachable,
    ModelErrorKind::TimedOut,
    ModelErrorKind::Cut,
    ModelErrorKind::BadStream,
    ModelErrorKind::TooLarge,
    ModelErrorKind::Empty,
    ModelErrorKind::Reported,
    ModelErrorKind::TooLong,
    ModelErrorKind::Filtered,
    ModelErrorKind::Slip,
];

/// The model as one process asks it.
#[derive(Clone)]
pub(crate) struct SimModel {
    /// What its words begin with.
    pub(crate) name: &'static str,
    /// What this process may do at once.
    pub(crate) bounds: Bounds,
    /// Its calls that are not over.
    pub(crate) running: Arc<AtomicU64>,
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) process: usize,
    /// It is asked for summaries, beside the turns.
    pub(crate) sums_up: bool,
}

/// What the model says when it only says one sentence.
pub(crate) const PLAIN: &str = "that is all";

enum Part {
    Chunk(ModelChunk),
    Fails(ModelErrorKind),
    Hangs,
}

impl Model for SimModel {
    fn name(&self) -> &str {
        "sim"
    }

    fn named(&self, name: &str) -> Option<Arc<dyn Model>> {
        if name == "summaries" {
            return Some(Arc::new(Self {
                running: Arc::default(),
                sums_up: true,
                ..self.clone()
            }));
        }
        let name = *MODELS.iter().find(|known| **known == name)?;
        Some(Arc::new(Self {
            name,
            ..self.clone()
        }))
    }

    fn output_tokens(&self) -> u32 {
        100
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        self.check(&request);
        if !self.sums_up {
            self.audit.offered(self.process, &request);
        }
        let keeps_windows = {
            let weather = lock(&self.weather);
            weather.summaries && !weather.blurs
        };
        // Without summaries a process that has read the past anew may know less of it.
        let turn = if self.sums_up || !keeps_windows {
            None
        } else {
            self.audit.asked(self.process, &request)
        };
        Box::pin(async move {
            let call = self.begin_call();
            self.world.sleep(self.world.below(300)).await;
            let faults = lock(&self.weather).model_faults;
            let fails = |kind| {
                if kind == ModelErrorKind::TooLong {
                    self.audit.called_too_long(turn.clone());
                }
                ModelError::new(kind, "simulated")
            };
            if self.world.happens(faults) {
                return Err(fails(self.failure()));
            }
            let parts = if self.sums_up {
                self.sum_up(faults)
            } else {
                self.compose(&request, faults)
            };
            let (world, audit) = (self.world.clone(), self.audit.clone());
            let stream = futures_util::stream::unfold(parts.into_iter(), move |mut parts| {
                let _until_its_end = &call;
                let (world, audit, turn) = (world.clone(), audit.clone(), turn.clone());
                async move {
                    world.sleep(world.below(40)).await;
                    match parts.next()? {
                        Part::Chunk(chunk) => Some((Ok(chunk), parts)),
                        Part::Fails(kind) => {
                            if kind == ModelErrorKind::TooLong {
                                audit.called_too_long(turn);
                            }
                            let error = ModelError::new(kind, "simulated");
                            Some((Err(error), Vec::new().into_iter()))
                        }
                        Part::Hangs => std::future::pending().await,
                    }
                }
            });
            Ok(Box::pin(stream) as ModelStream)
        })
    }
}

/// A call of the model, until it is dropped.
struct Call(Arc<AtomicU64>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SimModel {
    /// A turn asks once at a time: there are no more calls than turns that may run.
    fn begin_call(&self) -> Call {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        let most = self.bounds.of(Bound::TurnsAll);
        if running > most {
            self.world.break_off(format!(
                "a process asks the model {running} times at once, and may run {most} turns"
            ));
        }
        Call(self.running.clone())
    }

    fn failure(&self) -> ModelErrorKind {
        KINDS[self.world.index(KINDS.len())]
    }

    /// Every call has exactly one result right behind it, no result is without its call, and nobody else's words are here.
    fn check(&self, request: &ModelRequest) {
        let mut open: Vec<&str> = Vec::new();
        for message in &request.messages {
            match message {
                Message::Tool { call, .. } => {
                    let at = open.iter().position(|id| id == call);
                    match at {
                        Some(at) => drop(open.remove(at)),
                        None => self.world.break_off(format!(
                            "the model was sent a result without its call: {call}"
                        )),
                    }
                }
                Message::System(_) | Message::User(_) | Message::Assistant { .. } => {
                    if !open.is_empty() {
                        self.world.break_off(format!(
                            "the model was sent calls without results: {open:?}"
                        ));
                    }
                    if let Message::Assistant { calls, .. } = message {
                        open = calls.iter().map(|call| call.id.as_str()).collect();
                    }
                }
            }
        }
        if !open.is_empty() {
            self.world.break_off(format!(
                "the model was sent calls without results: {open:?}"
            ));
        }
        self.audit.sent_results(request);
        self.check_order(request);
        self.check_opaque(request);
        let mut tags: Vec<_> = request.messages.iter().filter_map(tag).collect();
        tags.dedup();
        if tags.len() > 1 {
            self.world.break_off(format!(
                "one request has the words of several conversations: {tags:?}"
            ));
        }
    }

    /// What the strictest service takes: roles in order, no blank text, and ids that are unique.
    fn check_order(&self, request: &ModelRequest) {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Last {
            Nothing,
            Instructions,
            User,
            Answer,
            Result,
        }
        let mut last = Last::Nothing;
        let mut ids = BTreeSet::new();
        // Who knows less of the past cannot tell that an id was used in it; the wire formats number such calls anew.
        let knows_ids = !lock(&self.weather).has_blurred && !self.audit.do_teams_differ();
        for message in &request.messages {
            let (is_in_order, now) = match message {
                Message::System(_) => (last == Last::Nothing, Last::Instructions),
                Message::User(text) => (
                    matches!(last, Last::Instructions | Last::Answer) && !is_blank(text),
                    Last::User,
                ),
                Message::Assistant { text, calls, .. } => {
                    let unique = calls.iter().all(|call| ids.insert(&call.id));
                    let says = !calls.is_empty() || !is_blank(text);
                    let behind = matches!(last, Last::User | Last::Result);
                    ((unique || !knows_ids) && says && behind, Last::Answer)
                }
                Message::Tool { .. } => (matches!(last, Last::Answer | Last::Result), Last::Result),
            };
            if !is_in_order {
                self.world.break_off(format!(
                    "a strict service refuses {message:?} behind {last:?}"
                ));
            }
            last = now;
        }
        if !matches!(last, Last::User | Last::Result) {
            self.world
                .break_off(format!("a request ends with {last:?}"));
        }
    }

    /// What is sent back is this model's own, and stands behind the same words as when it was made.
    fn check_opaque(&self, request: &ModelRequest) {
        for (index, message) in request.messages.iter().enumerate() {
            let Message::Assistant {
                opaque: Some(opaque),
                ..
            } = message
            else {
                continue;
            };
            RETURNED.fetch_add(1, Ordering::Relaxed);
            let made = signature(self.name, request, index);
            if **opaque != *made {
                self.world.break_off(format!(
                    "{} was sent {opaque} and would sign {made} there",
                    self.name
                ));
            }
        }
    }

    fn compose(&self, request: &ModelRequest, faults: u64) -> Vec<Part> {
        let tag = request.messages.iter().find_map(tag).unwrap_or("");
        let weather = lock(&self.weather).clone();
        if let Some(reply) = self.directed() {
            return self.say(tag, reply);
        }
        if weather.plain {
            return self.say(tag, Reply::default());
        }
        let answered = request
            .messages
            .iter()
            .rev()
            .take_while(|message| !matches!(message, Message::User(_)))
            .count();
        let mut parts = Vec::new();
        let calls = if self.world.happens(150 + 200 * (answered as u64).min(4)) {
            Vec::new()
        } else {
            self.calls(request)
        };
        if calls.is_empty() || self.world.happens(300) {
            parts.push(Part::Chunk(ModelChunk::Text(format!("{tag} "))));
            for _ in 0..self.world.below(4) {
                parts.push(Part::Chunk(ModelChunk::Text(format!(
                    "{}{} ",
                    self.name,
                    self.world.below(1_000)
                ))));
            }
            if self.world.happens(weather.oddities) {
                let text = oddities::text(&self.world, weather.bulk);
                parts.push(Part::Chunk(ModelChunk::Text(text)));
            }
        }
        for (index, (name, arguments)) in (0_u32..).zip(calls) {
            let id = if self.world.happens(weather.oddities) {
                oddities::id(&self.world)
            } else {
                Some(format!("call_{:x}", self.world.below(1 << 40)))
            };
            let cut = arguments.floor_char_boundary(arguments.len() / 2);
            let (first, rest) = arguments.split_at(cut);
            let delta = |id, name, arguments: &str| {
                Part::Chunk(ModelChunk::Call(CallDelta {
                    index,
                    id,
                    name,
                    arguments: arguments.to_owned(),
                }))
            };
            parts.push(delta(id, Some(name), first));
            parts.push(delta(None, None, rest));
        }
        if self.world.happens(300) {
            let signed = signature(self.name, request, request.messages.len());
            parts.push(Part::Chunk(ModelChunk::Opaque(signed)));
        }
        if self.world.happens(weather.oddities) {
            let long = "x".repeat(self.world.index(80 * 1024));
            // Only what is too long to be kept: the model does not know it again.
            if long.len() > 64 * 1024 {
                parts.push(Part::Chunk(ModelChunk::Opaque(long)));
            }
        }
        if self.world.happens(faults) {
            parts.truncate(self.world.index(parts.len() + 1));
            parts.push(if self.world.happens(30) {
                Part::Hangs
            } else {
                Part::Fails(KINDS[self.world.index(KINDS.len())])
            });
            return parts;
        }
        let reason = match self.world.below(1_000) {
            0..5 if faults > 0 => FinishReason::Length,
            5..10 if faults > 0 => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        };
        parts.push(Part::Chunk(ModelChunk::Finished(reason)));
        // Some services do not count.
        if !self.world.happens(50) {
            parts.push(Part::Chunk(ModelChunk::Usage(Usage {
                prompt_tokens: 10 + self.world.below(700),
                completion_tokens: 5,
                ..Usage::default()
            })));
        }
        parts
    }

    /// Some words, which break off or are none now and then.
    fn sum_up(&self, faults: u64) -> Vec<Part> {
        let words = format!("summary {} ", self.world.below(1_000_000));
        let mut parts = vec![Part::Chunk(ModelChunk::Text(words))];
        if self.world.happens(faults) {
            parts.truncate(self.world.index(2));
            parts.push(match self.world.index(3) {
                0 => Part::Hangs,
                1 => Part::Chunk(ModelChunk::Finished(FinishReason::Stop)),
                _ => Part::Fails(KINDS[self.world.index(KINDS.len())]),
            });
            return parts;
        }
        if self.world.happens(50) {
            let text = oddities::text(&self.world, 20_000);
            parts.push(Part::Chunk(ModelChunk::Text(text)));
        }
        parts.push(Part::Chunk(ModelChunk::Finished(FinishReason::Stop)));
        if !self.world.happens(50) {
            parts.push(Part::Chunk(ModelChunk::Usage(Usage {
                prompt_tokens: 10 + self.world.below(400),
                completion_tokens: 5,
                ..Usage::default()
            })));
        }
        parts
    }

    /// What a scenario lets the model say next.
    fn directed(&self) -> Option<Reply> {
        let mut script = lock(&self.script);
        let directs = script.directs;
        directs.then(|| script.replies.pop_front().unwrap_or_default())
    }

    /// This, or one sentence.
    fn say(&self, tag: &str, reply: Reply) -> Vec<Part> {
        let Reply {
            text,
            calls,
            breaks,
        } = reply;
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(Part::Chunk(ModelChunk::Text(text)));
        } else if calls.is_empty() && !breaks {
            parts.push(Part::Chunk(ModelChunk::Text(format!("{tag} {PLAIN}"))));
        }
        for (index, (name, arguments)) in (0_u32..).zip(calls) {
            parts.push(Part::Chunk(ModelChunk::Call(CallDelta {
                index,
                id: Some(format!("call_{:x}", self.world.below(1 << 40))),
                name: Some(name),
                arguments,
            })));
        }
        parts.push(if breaks {
            Part::Fails(ModelErrorKind::Cut)
        } else {
            Part::Chunk(ModelChunk::Finished(FinishReason::Stop))
        });
        parts
    }

    fn calls(&self, request: &ModelRequest) -> Vec<(String, String)> {
        let offered = |name: &str| request.tools.iter().any(|tool| tool.name == name);
        let weather = lock(&self.weather).clone();
        let is_odd = || self.world.happens(weather.oddities);
        let mut calls: Vec<(String, String)> = Vec::new();
        let most = if is_odd() { 20 } else { 3 };
        for _ in 0..=self.world.below(most) {
            let (name, mut arguments) = self.call();
            if self.world.happens(weather.proposals) && offered("close_account") {
                for _ in 0..self.world.below(8) {
                    let account = format!(r#"{{"account":"{}"}}"#, self.world.below(1_000_000));
                    calls.push(("close_account".to_owned(), account));
                }
            }
            if is_odd() {
                arguments = oddities::arguments(&self.world, weather.bulk);
            }
            if is_odd() && is_odd() {
                calls.push((oddities::name(&self.world), arguments));
                continue;
            }
            if offered(name) || self.world.happens(30) {
                calls.push((name.to_owned(), arguments));
            }
        }
        for name in ["open_door", "client_look_up_item"] {
            while offered(name) && self.world.happens(300) {
                let number = self.world.below(3);
                let door = if number == 0 {
                    "{}".to_owned()
                } else {
                    format!(r#"{{"door":{number}}}"#)
                };
                calls.push((name.to_owned(), door));
            }
        }
        if let Some(first) = calls.first().filter(|_| self.world.happens(200)).cloned() {
            calls.push(first);
        }
        if calls.is_empty() && self.world.happens(700) {
            let names = ["to_desk", "to_front"];
            let known = names
                .into_iter()
                .find(|name| offered(name))
                .unwrap_or("nobody_knows_this");
            calls.push((known.to_owned(), String::new()));
        }
        calls
    }

    fn call(&self) -> (&'static str, String) {
        let number = self.world.below(3);
        match self.world.below(31) {
            0..2 => ("look_up_item", r#"{"search_query":"anvil"}"#.to_owned()),
            2..7 => (
                "execute_order",
                format!(r#"{{"product":"anvil {number}","price":{}}}"#, 5 + number),
            ),
            7..11 => (
                "execute_refund",
                format!(
                    r#"{{"item_id":"item-{}","reason":"r{}"}}"#,
                    // Nobody knows the last one.
                    number + self.world.below(2),
                    self.world.below(3)
                ),
            ),
            11..13 => ("call_courier", format!(r#"{{"parcel":"p{number}"}}"#)),
            13..15 => ("book_van", format!(r#"{{"van":"v{number}"}}"#)),
            15 => ("execute_order", r#"{"product":1"#.to_owned()),
            16 => ("nobody_knows_this", "{}".to_owned()),
            17 => ("to_front", String::new()),
            18 => ("book_hall", format!(r#"{{"hall":"h{number}"}}"#)),
            19 => (
                "send_voucher",
                format!(r#"{{"to":"c{number}","usd":{}}}"#, 50 + 50 * number),
            ),
            21 => ("drop_leaflet", format!(r#"{{"street":"s{number}"}}"#)),
            24 | 25 => ("weigh_parcel", format!(r#"{{"parcel":"w{number}"}}"#)),
            26 | 27 => ("seal_parcel", format!(r#"{{"parcel":"w{number}"}}"#)),
            28..31 => (
                "pay_out",
                format!(r#"{{"to":"c{number}","usd":{}}}"#, 50 + 50 * number),
            ),
            20 => ("close_account", format!(r#"{{"account":"a{number}"}}"#)),
            _ => ("to_desk", "{}".to_owned()),
        }
    }
}

/// What a model wants back with a response that stands behind so many messages of this request.
fn signature(model: &str, request: &ModelRequest, behind: usize) -> String {
    let mut hasher = DefaultHasher::new();
    let tools = request
        .tools
        .iter()
        .map(|tool| (&tool.name, tool.parameters.get()));
    tools.for_each(|tool| tool.hash(&mut hasher));
    format!("{:?}", &request.messages[..behind]).hash(&mut hasher);
    format!("{model}#{:016x}", hasher.finish())
}

/// Customers' words begin with the name of their conversation in brackets.
pub(crate) fn tag(message: &Message) -> Option<&str> {
    match message {
        Message::User(text) | Message::Assistant { text, .. } => {
            let end = text.find(']')?;
            text.get(..=end).filter(|tag| tag.starts_with("[c"))
        }
        Message::System(_) | Message::Tool { .. } => None,
    }
}
