//! The tools of one run: the embedded back office for real, stubs in the place of services, and real services on request only.
//! Knows calls and answers; never what is expected of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use baton_handoff::ports::{
    Forgotten, Outcome, Price, Provider as _, ToolError, ToolRequest, Tools,
};
use baton_handoff::team::{BackOfficeTools, Tool, ToolKind};
use baton_tools::office::BackOffice;
use baton_tools::toolbox::Toolbox;
use serde_json::Value;

use super::file::{Case, Stub};
use super::pattern::Before;

/// Which calls may reach real services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) lookups: bool,
    pub(super) actions: bool,
}

impl Live {
    /// Whether any may.
    pub(super) fn any(self) -> bool {
        self.lookups || self.actions
    }

    /// Whether calls of this tool may.
    pub(super) fn allows(self, tool: &Tool) -> bool {
        let is_live = match tool.kind {
            ToolKind::Lookup => self.lookups,
            ToolKind::Action => self.actions,
        };
        is_live && !is_office(tool)
    }
}

/// Something that an action did, once however often it was tried.
#[derive(Debug, Clone)]
pub(super) struct EffectSeen {
    pub(super) tool: String,
    pub(super) arguments: Value,
    /// Whether the service said so. Otherwise it may have happened.
    pub(super) is_certain: bool,
    /// The idempotency key of the action.
    key: String,
}

impl fmt::Display for EffectSeen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.is_certain {
            "took effect"
        } else {
            "may have taken effect"
        };
        write!(out, "{} {} {verb}", self.tool, self.arguments)
    }
}

/// What the tools saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) effects: Vec<EffectSeen>,
    /// Calls that nothing may answer, each a sentence.
    pub(super) unanswered: Vec<String>,
}

impl Seen {
    /// Notes what an attempt of an action did, or may have done.
    fn note(&mut self, request: &ToolRequest, key: &str, outcome: &Outcome) {
        let is_certain = match outcome {
            Outcome::Done(_) | Outcome::Begun(_) => true,
            Outcome::Retry(..) | Outcome::Unknown(_) => false,
            // No effect, now or ever: an earlier attempt that looked like one had none either.
            Outcome::Rejected(_) => {
                self.effects
                    .retain(|effect| effect.is_certain || effect.key != key);
                return;
            }
            Outcome::Conflict(..) | Outcome::NotSent(_) | Outcome::Busy(..) => return,
        };
        if let Some(before) = self.effects.iter_mut().find(|effect| effect.key == key) {
            before.is_certain |= is_certain;
            return;
        }
        self.effects.push(EffectSeen {
            tool: request.tool.name.clone(),
            arguments: request.arguments.as_value().clone(),
            is_certain,
            key: key.to_owned(),
        });
    }
}

#[derive(Default)]
struct State {
    /// How many calls each stub has answered.
    used: Vec<u32>,
    /// What a key was answered: it has one outcome, ever.
    by_key: BTreeMap<String, Outcome>,
    seen: Seen,
}

/// The tools of one run.
pub(super) struct RunTools {
    case: Arc<Case>,
    office: Arc<BackOffice>,
    real: Option<Toolbox>,
    live: Live,
    state: Mutex<State>,
}

/// Who answers a call.
enum Answerer<'a> {
    Stub(&'a Stub),
    Office,
    Service(&'a Toolbox),
    Nobody(String),
}

impl RunTools {
    pub(super) fn new(
        case: Arc<Case>,
        office: Arc<BackOffice>,
        real: Option<Toolbox>,
        live: Live,
    ) -> Self {
        let state = State {
            used: vec![0; case.stubs.len()],
            ..State::default()
        };
        Self {
            case,
            office,
            real,
            live,
            state: Mutex::new(state),
        }
    }

    /// What was seen so far.
    pub(super) fn take_seen(&self) -> Seen {
        std::mem::take(&mut self.lock().seen)
    }

    /// A mutex that is poisoned guards plain data here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who answers this call. A stub is used up by it.
    fn answerer(&self, request: &ToolRequest) -> Answerer<'_> {
        let (name, arguments) = (&request.tool.name, request.arguments.as_value());
        let mut state = self.lock();
        for (stub, used) in self.case.stubs.iter().zip(&mut state.used) {
            let is_left = stub.times.is_none_or(|times| *used < times);
            if is_left
                && stub.tool.get_ref() == name
                && stub.arguments.fits(arguments, &Before::default())
            {
                *used = used.saturating_add(1);
                return Answerer::Stub(stub);
            }
        }
        if is_office(&request.tool) {
            return Answerer::Office;
        }
        if let Some(real) = &self.real
            && self.live.allows(&request.tool)
        {
            return Answerer::Service(real);
        }
        let sentence = format!("{name} {arguments} was called, and no [[stub]] answers it");
        state.seen.unanswered.push(sentence);
        Answerer::Nobody(format!("{name} cannot be used in this test."))
    }
}

/// Whether the embedded back office runs the tool.
pub(super) fn is_office(tool: &Tool) -> bool {
    tool.runs.provider == BackOfficeTools.name()
}

/// The text of a stub's result.
fn text_of(result: Option<&toml::Value>) -> String {
    match result {
        Some(toml::Value::String(text)) => text.clone(),
        Some(value) => {
            super::pattern::json(value.clone()).map_or_else(|why| why, |it| it.to_string())
        }
        None => String::new(),
    }
}

#[async_trait]
impl Tools for RunTools {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        match self.answerer(request) {
            Answerer::Stub(stub) => match &stub.error {
                Some(error) => Err(ToolError::Refused(error.clone())),
                None => Ok(text_of(stub.result.as_ref())),
            },
            Answerer::Office => self.office.lookup(request).await,
            Answerer::Service(real) => real.lookup(request).await,
            Answerer::Nobody(sentence) => Err(ToolError::Refused(sentence)),
        }
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        let before = self.lock().by_key.get(idempotency_key).cloned();
        if let Some(before) = before {
            return before;
        }
        let outcome = match self.answerer(request) {
            Answerer::Stub(Stub {
                error: Some(error), ..
            }) => Outcome::Rejected(error.clone()),
            Answerer::Stub(Stub {
                unknown: Some(reason),
                ..
            }) => Outcome::Unknown(reason.clone()),
            Answerer::Stub(stub) => Outcome::Done(text_of(stub.result.as_ref())),
            Answerer::Office => self.office.act(request, idempotency_key).await,
            Answerer::Service(real) => real.act(request, idempotency_key).await,
            Answerer::Nobody(sentence) => Outcome::Rejected(sentence),
        };
        let is_final = matches!(
            outcome,
            Outcome::Done(_) | Outcome::Rejected(_) | Outcome::Unknown(_)
        );
        let mut state = self.lock();
        state.seen.note(request, idempotency_key, &outcome);
        if is_final {
            state
                .by_key
                .insert(idempotency_key.to_owned(), outcome.clone());
        }
        outcome
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        if is_office(&request.tool) {
            return self.office.price(request).await;
        }
        match &self.real {
            Some(real) if self.live.allows(&request.tool) => real.price(request).await,
            Some(_) | None => Price::CannotTell("a stub has no prices".to_owned()),
        }
    }

    /// A real provider is asked only for tools that it may execute: to ask may start or call a server.
    fn offers(&self, tool: &Tool) -> bool {
        let mut stubs = self.case.stubs.iter();
        match &self.real {
            Some(real) if self.live.allows(tool) => {
                stubs.any(|stub| *stub.tool.get_ref() == tool.name) || real.offers(tool)
            }
            Some(_) | None => true,
        }
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), ToolError> {
        self.office.forget(forgotten).await
    }
}
