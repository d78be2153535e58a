//! Two processes without workers and sweepers, which do what a scenario tells them and suffer only what it says.

use std::sync::{Arc, Mutex};

use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::Millis;
use baton_handoff::record::{ActionState, Meta, decode, keys};
use baton_handoff::{
    Decision, DecisionError, Engine, Executed, Overlap, Principal, Refusal, Submission, Tenant,
};

use crate::desk::{Card, cards};
use crate::operators::colleague;
use crate::plain;
use crate::script::{Reply, Script, Try};
use crate::town::Town;
use crate::weather::Weather;
use crate::world::{OUTSIDE, World, lock};

pub(super) struct Stage {
    pub(super) town: Arc<Town>,
}

/// What a task of a scenario came to, once it is over.
pub(super) struct Running<T>(Arc<Mutex<Option<T>>>);

impl Stage {
    pub(super) fn set() -> Self {
        let world = World::new(0, 3, std::env::var_os("SIM_SHOW").is_some());
        let weather = Weather {
            processes: 2,
            conversations: 1,
            calm: true,
            ..Weather::default()
        };
        let town = Town::with(world, weather);
        lock(&town.script).directs = true;
        for process in town.process_numbers() {
            let _workers_are_played = town.start_idle(process);
        }
        Self { town }
    }

    pub(super) fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        lock(&self.town.script)
    }

    fn engine(&self, process: usize) -> Arc<Engine> {
        self.town.engine(process).expect("it runs")
    }

    /// Begins something in a process.
    pub(super) fn begin<T: Send + 'static, F>(
        &self,
        process: usize,
        task: impl FnOnce(Arc<Engine>) -> F,
    ) -> Running<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let running = Running(Arc::default());
        let (result, task) = (running.0.clone(), task(self.engine(process)));
        self.town
            .world
            .spawn(process, async move { *lock(&result) = Some(task.await) });
        running
    }

    /// Lets time pass until it is over.
    pub(super) fn end<T>(&self, running: &Running<T>) -> T {
        let world = &self.town.world;
        world.run_until(
            world.now() + 3_600_000,
            || lock(&running.0).is_some(),
            |_| {},
        );
        self.check();
        lock(&running.0).take().expect("it ends")
    }

    pub(super) fn pass(&self, milliseconds: Millis) {
        // Time passes only towards something.
        let (world, running) = (self.town.world.clone(), Running(Arc::default()));
        let over = running.0.clone();
        self.town.world.spawn(OUTSIDE, async move {
            world.sleep(milliseconds).await;
            *lock(&over) = Some(());
        });
        self.end(&running);
    }

    /// Nothing was seen yet that must not happen.
    pub(super) fn check(&self) {
        if let Some(violation) = self.town.world.violation() {
            panic!("{violation}");
        }
    }

    /// A customer's message, and the turn that it begins up to its end. The model calls these, response by response.
    pub(super) fn say(&self, responses: &[&[(&str, &str)]]) {
        let replies = responses.iter().map(|calls| Reply::calls(calls)).collect();
        let taken = self.submit(1, replies);
        assert!(taken.is_ok(), "the message is taken: {taken:?}");
    }

    /// A customer's message to this process, and time for its turn. The model answers with these.
    pub(super) fn submit(
        &self,
        process: usize,
        replies: Vec<Reply>,
    ) -> Result<TurnNumber, Refusal> {
        self.script().replies = replies.into();
        let message = Submission {
            message: "[c0] please".to_owned(),
            message_id: None,
            background: false,
            overlap: Overlap::Queue,
            ..Submission::default()
        };
        let taken = self.begin(process, |engine| async move {
            let conversation = engine.conversation(&conversation(), &Principal::Open);
            conversation
                .submit(message)
                .await
                .map(|accepted| accepted.turn)
        });
        let taken = self.end(&taken);
        // Longer than a turn waits for an action.
        self.pass(20_000);
        taken
    }

    /// Others look after the conversation, as sweepers would have them, until its turns are over.
    pub(super) fn look_after(&self) {
        for _ in 0..20 {
            let meta = {
                let records = lock(&self.town.records);
                let stored = records.now.get(&keys::meta(&conversation()));
                stored.and_then(|stored| decode::<Meta>(stored).ok())
            };
            let meta = meta.expect("it has one");
            if meta.running.is_none() && meta.waiting.is_empty() {
                return;
            }
            self.pass(40_000);
            let look = self.begin(2, |engine| async move {
                engine.look_after(&conversation()).await;
            });
            self.end(&look);
        }
        panic!("its turn never ends");
    }

    /// A plain message is answered.
    pub(super) fn ask_plainly(&self) {
        self.script().result = None;
        let turn = self.submit(2, Vec::new());
        let turn = turn.expect("a plain message is taken");
        self.look_after();
        plain::check(&self.town, &conversation(), turn).expect("it is answered");
    }

    /// The one action that an operator is shown in this state.
    pub(super) fn shown(&self, state: ActionState) -> Card {
        let look = self.begin(2, move |engine| async move {
            let page = engine
                .actions(&Tenant::default(), state, None, 20)
                .await
                .expect("a page");
            cards(page).pop()
        });
        let shown = self.end(&look);
        shown.unwrap_or_else(|| panic!("nothing is {}", state.as_str()))
    }

    /// All actions in this state, the last accepted first.
    pub(super) fn all(&self, state: ActionState) -> Vec<ActionId> {
        let look = self.begin(2, move |engine| async move {
            let page = engine
                .actions(&Tenant::default(), state, None, 20)
                .await
                .expect("a page");
            cards(page)
                .into_iter()
                .map(|shown| shown.action.id)
                .collect()
        });
        self.end(&look)
    }

    pub(super) fn begin_decision(
        &self,
        process: usize,
        shown: &Card,
        decision: Decision,
    ) -> Running<Result<(), DecisionError>> {
        let (town, shown) = (self.town.clone(), shown.clone());
        self.begin(process, move |engine| async move {
            let operator = colleague("carl");
            town.audit.decides(town.world.current_task(), &operator);
            town.audit.shows(&shown.action);
            let decided = shown
                .decide(&engine, &operator, decision, None, "so it is")
                .await;
            decided.map(drop)
        })
    }

    pub(super) fn decide(&self, shown: &Card, decision: Decision) -> Result<(), DecisionError> {
        self.end(&self.begin_decision(2, shown, decision))
    }

    /// A worker sees to an action once.
    pub(super) fn begin_work(&self, process: usize, id: &ActionId) -> Running<Executed> {
        let id = id.clone();
        self.begin(process, move |engine| async move {
            engine.action(&id).execute().await
        })
    }

    /// A worker sees to an action until nothing is left to do.
    pub(super) fn work(&self, process: usize, id: &ActionId) {
        while let Executed::Later(delay) = self.end(&self.begin_work(process, id)) {
            self.pass(Millis::try_from(delay.as_millis()).expect("not long"));
        }
    }

    pub(super) fn tries(&self, tries: &[Try]) {
        self.script().tries = tries.iter().copied().collect();
    }

    pub(super) fn state(&self, id: &ActionId) -> ActionState {
        self.town.audit.state_of(id).expect("it is recorded")
    }

    pub(super) fn effects(&self, id: &ActionId) -> u32 {
        self.town.ledger.effects_of(id)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Tasks hold the town and the town holds them.
        for process in self.town.process_numbers() {
            self.town.crash(process);
        }
        self.town.world.kill(OUTSIDE);
    }
}

impl Stage {
    /// A message of this principal to this process.
    pub(super) fn speak(
        &self,
        process: usize,
        called: &str,
        who: &Principal,
    ) -> Running<Result<TurnNumber, Refusal>> {
        let (town, who) = (self.town.clone(), who.clone());
        let called = ConversationId::parse(called).expect("an id");
        self.begin(process, move |engine| async move {
            town.audit.asks(&who);
            let conversation = town.open(&engine, &called, &who);
            let message = Submission {
                message: format!("[{}] please", conversation.id()),
                message_id: None,
                background: false,
                overlap: Overlap::Queue,
                ..Submission::default()
            };
            let accepted = conversation.submit(message).await;
            accepted.map(|accepted| accepted.turn)
        })
    }

    /// The real id of what this principal calls so.
    pub(super) fn id_of(&self, called: &str, who: &Principal) -> String {
        let called = ConversationId::parse(called).expect("an id");
        let conversation = self.engine(2).conversation(&called, who);
        conversation.id().as_str().to_owned()
    }
}

pub(super) fn conversation() -> ConversationId {
    ConversationId::parse("c0").expect("an id")
}
