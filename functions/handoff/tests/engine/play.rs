//! A play: customers, operators and processes on one set of records. The one place in this suite that knows the engine's API.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::history::{History, Item};
use baton_handoff::ids::{ActionId, ConversationId, MessageId, TurnNumber};
use baton_handoff::ports::{Env as _, Lane, Traces};
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::team::{BackOfficeTools, Team};
use baton_handoff::{
    Accepted, AuditLine, Bounds, Conversation, Day, Decision, DecisionError, Engine,
    EngineSettings, Executed, Followed, NoticeLane, Operator, Overlap, Ports, Principal, Reasons,
    Refusal, Resume, Role, Seen, Shown, Subject, Submission, Tenant, TurnLog, Unread, View,
    events_of,
};
use tokio::time::Instant;

use crate::model::{Script, calls, says};
use crate::ports::{Post, Process, Shop};
use crate::store::{Records, Way};

/// The conversation of every play.
pub(crate) const CONVERSATION: &str = "c";

/// The reason of every decision.
pub(crate) const REASON: &str = "so it is";

/// One process of a play, and what it shares with the others.
pub(crate) struct Play {
    pub(crate) model: Arc<Script>,
    pub(crate) shop: Arc<Shop>,
    pub(crate) post: Arc<Post>,
    pub(crate) records: Arc<Records>,
    pub(crate) way: Arc<Way>,
    pub(crate) engine: Arc<Engine>,
    team: Arc<Team>,
    process: Arc<Process>,
    began: Instant,
    drawn: Arc<AtomicU64>,
}

/// What a listener has heard of a turn, up to the event that ends the stream.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) turn: TurnNumber,
    pub(crate) events: Vec<Event>,
}

impl Heard {
    /// The text, without what was taken back.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            if let EventKind::Reset { .. } = event.kind {
                text.clear();
            }
            if let EventKind::TextDelta(more) = &event.kind {
                text.push_str(more);
            }
        }
        text
    }

    /// The event that ends it.
    pub(crate) fn end(&self) -> &EventKind {
        &self.events.last().unwrap().kind
    }

    pub(crate) fn has(&self, is: impl Fn(&EventKind) -> bool) -> bool {
        self.events.iter().any(|event| is(&event.kind))
    }
}

/// A message as most customers send it.
pub(crate) fn message(text: &str) -> Submission {
    Submission {
        message: text.to_owned(),
        message_id: None,
        overlap: Overlap::Queue,
        background: false,
        ..Submission::default()
    }
}

/// A message with the client's own id for it.
pub(crate) fn message_as(id: &str, text: &str) -> Submission {
    Submission {
        message_id: Some(MessageId::parse(id).unwrap()),
        ..message(text)
    }
}

/// Longer than a lease.
pub(crate) async fn a_minute_passes() {
    tokio::time::sleep(Duration::from_mins(1)).await;
}

impl Play {
    /// A process without workers.
    pub(crate) fn begin() -> Self {
        Self::of_team(Team::acme())
    }

    /// The same with the ACME team's file changed: each `from` must be in it.
    pub(crate) fn with_team(changes: &[(&str, &str)]) -> Self {
        let mut text = include_str!("../../teams/acme.toml").to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from:?} is not in the team file");
            text = text.replace(from, to);
        }
        Self::of_team(Team::parse("acme.toml", &text, &[&BackOfficeTools]).unwrap())
    }

    /// The same with the ACME team's file and more tables behind it.
    pub(crate) fn with_more(tables: &str) -> Self {
        let text = include_str!("../../teams/acme.toml");
        let text = format!("{text}\n{tables}");
        Self::of_team(Team::parse("acme.toml", &text, &[&BackOfficeTools]).unwrap())
    }

    /// The same with models `a` and `b` for every agent, and these tables more in the file.
    pub(crate) fn with_two_models(tables: &str) -> (Self, Arc<Script>, Arc<Script>) {
        let text = include_str!("../../teams/acme.toml");
        let text = format!("{text}\n{tables}");
        let team = Team::parse("acme.toml", &text, &[&BackOfficeTools]).unwrap();
        let play = Self::of_team(team.with_models(&["a", "b"]));
        let (a, b) = (play.model.named("a"), play.model.named("b"));
        (play, a, b)
    }

    fn of_team(team: Team) -> Self {
        Self::with_shop(team, Shop::default())
    }

    /// A process with workers whose traces are sent.
    pub(crate) fn traced() -> Self {
        let text = include_str!("../../teams/acme.toml");
        let team = Team::parse("acme.toml", text, &[&BackOfficeTools]).unwrap();
        let play = Self::with_shop(team, Shop::of_traces());
        play.hire();
        play
    }

    fn with_shop(team: Team, shop: Shop) -> Self {
        Self::open(
            Arc::new(team),
            Arc::default(),
            Arc::new(shop),
            Arc::default(),
            Arc::default(),
            Instant::now(),
            Arc::default(),
            EngineSettings::default(),
        )
    }

    /// A process with workers, where amounts above this one need two operators.
    pub(crate) fn with_four_eyes_above(cents: u64) -> Self {
        let one = Self::begin();
        let settings = EngineSettings {
            four_eyes_above_cents: Some(cents),
            ..EngineSettings::default()
        };
        let play = one.beside(settings);
        play.hire();
        play
    }

    /// Another process on the same records, with these bounds.
    pub(crate) fn with_bounds(&self, bounds: Bounds) -> Self {
        self.beside(EngineSettings {
            bounds,
            ..EngineSettings::default()
        })
    }

    /// Another process on the same records, one of many.
    pub(crate) fn one_of_many(&self) -> Self {
        self.beside(EngineSettings {
            is_one_of_many: true,
            ..EngineSettings::default()
        })
    }

    /// A process with workers.
    pub(crate) fn with_workers() -> Self {
        let play = Self::begin();
        play.hire();
        play
    }

    /// Another process on the same records.
    pub(crate) fn another(&self) -> Self {
        self.beside(EngineSettings::default())
    }

    /// Another process on the same records, with these settings.
    pub(crate) fn beside(&self, settings: EngineSettings) -> Self {
        Self::open(
            self.team.clone(),
            self.model.clone(),
            self.shop.clone(),
            self.post.clone(),
            self.records.clone(),
            self.began,
            self.drawn.clone(),
            settings,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a play, each once")]
    fn open(
        team: Arc<Team>,
        model: Arc<Script>,
        shop: Arc<Shop>,
        post: Arc<Post>,
        records: Arc<Records>,
        began: Instant,
        drawn: Arc<AtomicU64>,
        settings: EngineSettings,
    ) -> Self {
        let process = Arc::new(Process::new(began, drawn.clone()));
        let way = Arc::new(Way::to(records.clone()));
        let ports = Ports {
            webhooks: shop.clone(),
            traces: shop.takes_traces().then(|| shop.clone() as Arc<dyn Traces>),
            store: way.clone(),
            queue: post.clone(),
            model: model.clone(),
            tools: shop.clone(),
            env: process.clone(),
        };
        Self {
            engine: Engine::with(team.clone(), ports, settings),
            model,
            shop,
            post,
            records,
            way,
            team,
            process,
            began,
            drawn,
        }
    }

    /// From now on this process works off what is sent.
    pub(crate) fn hire(&self) {
        let (engine, post, process) =
            (self.engine.clone(), self.post.clone(), self.process.clone());
        self.process.spawn(Box::pin(async move {
            loop {
                let (lane, body) = post.take().await;
                let engine = engine.clone();
                process.spawn(Box::pin(async move { work(&engine, lane, &body).await }));
            }
        }));
    }

    /// Ends the process where it is.
    pub(crate) fn crash(&self) {
        self.process.crash();
    }

    pub(crate) fn conversation(&self) -> Conversation {
        let id = ConversationId::parse(CONVERSATION).unwrap();
        self.engine.conversation(&id, &Principal::Open)
    }

    pub(crate) async fn submit(&self, message: Submission) -> Result<Accepted, Refusal> {
        self.conversation().submit(message).await
    }

    /// Says something and hears the answer.
    pub(crate) async fn say(&self, text: &str) -> Heard {
        let accepted = self.submit(message(text)).await.unwrap();
        listen(&accepted).await
    }

    /// The customer has been handed to this agent's department.
    pub(crate) async fn transferred_by(&self, hand_off: &str) {
        self.model
            .will([calls(&[(hand_off, "{}")]), says(&["Go on."])]);
        self.say("hello").await;
    }

    /// Hears a turn that begins some time, behind a position.
    pub(crate) async fn hear(&self, turn: TurnNumber, after: Option<Position>) -> Heard {
        let conversation = self.conversation();
        loop {
            let watch = conversation.watch();
            match conversation.follow(turn, after).await.unwrap() {
                Followed::Log(log) => {
                    drop(watch);
                    let mut events = read(&log).await;
                    if let Some(after) = after {
                        let mut resume = Resume::after(after);
                        let missing = events.iter().flat_map(|event| resume.missing(event));
                        events = missing.flatten().collect();
                    }
                    return Heard { turn, events };
                }
                Followed::NoSuchTurn => conversation.changed(watch, 1_000).await,
                Followed::NothingLeft(_) => {
                    return Heard {
                        turn,
                        events: Vec::new(),
                    };
                }
            }
        }
    }

    pub(crate) async fn history(&self) -> Option<History> {
        self.history_for(View::Customer).await
    }

    pub(crate) async fn history_for(&self, view: View) -> Option<History> {
        let conversation = self.conversation();
        conversation.history(None, 100, view).await.unwrap()
    }

    /// All items of an export.
    pub(crate) async fn export_for(&self, view: View) -> Vec<Item> {
        let conversation = self.conversation();
        let mut export = conversation.export(view).await.unwrap().unwrap();
        let mut items = Vec::new();
        while let Some(more) = conversation.next_of_export(&mut export).await.unwrap() {
            items.extend(more);
        }
        items
    }

    /// What is shown of how a turn stands.
    pub(crate) async fn turn_item(&self, number: TurnNumber) -> Item {
        let items = self.history().await.unwrap().items.into_iter();
        let mut turns =
            items.filter(|item| matches!(item, Item::Turn { turn, .. } if *turn == number));
        turns.next().unwrap()
    }

    /// The one action in this state, as an operator sees it.
    pub(crate) async fn action(&self, state: ActionState) -> ActionRecord {
        let page = self
            .engine
            .actions(&Tenant::default(), state, None, 10)
            .await
            .unwrap();
        let [action] = page.actions.as_slice() else {
            panic!("{page:?}");
        };
        action.clone()
    }

    pub(crate) async fn decide(
        &self,
        action: &ActionRecord,
        decision: Decision,
    ) -> Result<ActionRecord, DecisionError> {
        let carl = colleague("carl");
        self.decide_as(&carl, action, decision, because("so it is"))
            .await
    }

    pub(crate) async fn decide_as(
        &self,
        operator: &Operator,
        action: &ActionRecord,
        decision: Decision,
        reasons: Reasons,
    ) -> Result<ActionRecord, DecisionError> {
        let shown = Shown::of(action);
        let action = self.engine.action(&action.id);
        action.decide(decision, &shown, operator, reasons).await
    }

    /// The audit trail of this day, in the customers' tenant.
    pub(crate) async fn trail(&self) -> Vec<AuditLine> {
        let day = Day::of(self.process.now());
        let tenant = Tenant::default();
        let page = self.engine.audit(&tenant, &day, None, 100);
        page.await.unwrap().lines
    }

    /// A worker sees to an action once.
    pub(crate) async fn execute(&self, id: &ActionId) -> Executed {
        self.engine.action(id).execute().await
    }
}

async fn work(engine: &Arc<Engine>, lane: Lane, body: &str) {
    match lane {
        Lane::Turns => {
            let conversation = ConversationId::parse(body).unwrap();
            while let Some(delay) = engine.look_after(&conversation).await {
                tokio::time::sleep(delay).await;
            }
        }
        Lane::Actions if let Some(notices) = NoticeLane::parse(body) => {
            while let Executed::Later(delay) = engine.deliver(&notices).await {
                tokio::time::sleep(delay).await;
            }
        }
        Lane::Actions => {
            let action = engine.action(&ActionId::parse(body).unwrap());
            while let Executed::Later(delay) = action.execute().await {
                tokio::time::sleep(delay).await;
            }
        }
    }
}

/// An operator with all roles.
pub(crate) fn colleague(name: &str) -> Operator {
    Operator {
        name: Subject::parse(name).unwrap(),
        tenant: Tenant::default(),
        roles: Role::ALL.to_vec(),
    }
}

/// A reason for colleagues.
pub(crate) fn because(reason: &str) -> Reasons {
    Reasons {
        colleagues: Some(reason.to_owned()),
        customer: None,
    }
}

/// Hears a turn to its end.
pub(crate) async fn listen(accepted: &Accepted) -> Heard {
    Heard {
        turn: accepted.turn,
        events: read(&accepted.log).await,
    }
}

/// Resolves once the turn has come to such an event.
pub(crate) async fn until(accepted: &Accepted, is: impl Fn(&EventKind) -> bool) {
    let mut seen = Seen::default();
    loop {
        let found = |unread: Unread<'_>| events_of(unread).iter().any(|event| is(&event.kind));
        let (found, now, ended) = accepted.log.read(seen, found).await;
        if found {
            return;
        }
        assert!(!ended, "it ends before that");
        seen = now;
    }
}

async fn read(log: &TurnLog) -> Vec<Event> {
    let (mut all, mut seen) = (Vec::new(), Seen::default());
    loop {
        let (events, now, ended) = log.read(seen, events_of).await;
        all.extend(events);
        if ended {
            return all;
        }
        seen = now;
    }
}
