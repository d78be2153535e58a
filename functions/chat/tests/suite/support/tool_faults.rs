//! The back office with somebody at its door, who counts calls, holds them up and loses answers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton_handoff::ports::{Forgotten, Outcome, Price, ToolError, ToolRequest, Tools};
use baton_tools::office::BackOffice;
use tokio::sync::watch;

/// What happens at the door. Outlives restarts of the server.
pub(crate) struct ToolFaults {
    calls: Mutex<Vec<(String, String)>>,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    actions_held: bool,
    lookups_held: bool,
    prices_hidden: bool,
    lookups_to_break_off: u32,
    answers_to_lose: u32,
    came: usize,
}

impl ToolFaults {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            state: watch::Sender::default(),
        })
    }

    /// The tool and the idempotency key of each try of an action that was let in.
    pub(crate) fn tries(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().clone()
    }

    /// Actions wait at the door from now on.
    pub(crate) fn hold_actions(&self) {
        self.state.send_modify(|state| state.actions_held = true);
    }

    /// Lookups wait at the door from now on.
    pub(crate) fn hold_lookups(&self) {
        self.state.send_modify(|state| state.lookups_held = true);
    }

    /// Nobody can say from now on what a call is worth.
    pub(crate) fn hide_prices(&self) {
        self.state.send_modify(|state| state.prices_hidden = true);
    }

    /// The next lookups break off in the middle.
    pub(crate) fn break_off_lookups(&self, count: u32) {
        self.state
            .send_modify(|state| state.lookups_to_break_off = count);
    }

    /// Everybody who waits is let in.
    pub(crate) fn let_in(&self) {
        self.state
            .send_modify(|state| (state.actions_held, state.lookups_held) = (false, false));
    }

    /// The next actions have their effect, and the answer is lost.
    pub(crate) fn lose_answers(&self, count: u32) {
        self.state
            .send_modify(|state| state.answers_to_lose = count);
    }

    /// Resolves when so many calls have come to the door.
    pub(crate) async fn came(&self, count: usize) {
        let mut state = self.state.subscribe();
        super::soon(
            "calls of tools",
            state.wait_for(|state| state.came >= count),
        )
        .await
        .unwrap();
    }

    async fn enter(&self, held: impl Fn(&State) -> bool) {
        self.state.send_modify(|state| state.came += 1);
        self.state
            .subscribe()
            .wait_for(|state| !held(state))
            .await
            .unwrap();
    }

    fn loses_answer(&self) -> bool {
        self.is_next(|state| &mut state.answers_to_lose)
    }

    fn breaks_off_lookup(&self) -> bool {
        self.is_next(|state| &mut state.lookups_to_break_off)
    }

    /// Whether there is one left of these; then it is the last but so many.
    fn is_next(&self, left: impl Fn(&mut State) -> &mut u32) -> bool {
        let mut is_next = false;
        self.state.send_if_modified(|state| {
            let left = left(state);
            is_next = *left > 0;
            *left = left.saturating_sub(1);
            is_next
        });
        is_next
    }
}

/// The office of one start of the server, behind the desk.
pub(crate) struct FaultyTools {
    pub(crate) office: Arc<BackOffice>,
    pub(crate) desk: Arc<ToolFaults>,
}

#[async_trait]
impl Tools for FaultyTools {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        self.desk.enter(|state| state.lookups_held).await;
        if self.desk.breaks_off_lookup() {
            return Err(ToolError::Unavailable("It was cut.".to_owned()));
        }
        self.office.lookup(request).await
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        self.desk.enter(|state| state.actions_held).await;
        self.desk
            .calls
            .lock()
            .unwrap()
            .push((request.tool.name.clone(), idempotency_key.to_owned()));
        let outcome = self.office.act(request, idempotency_key).await;
        if self.desk.loses_answer() {
            return Outcome::Retry("the answer was lost".to_owned(), None);
        }
        outcome
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        if self.desk.state.borrow().prices_hidden {
            return Price::CannotTell("the books are away".to_owned());
        }
        self.office.price(request).await
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), ToolError> {
        self.office.forget(forgotten).await
    }
}
