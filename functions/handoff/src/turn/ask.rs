//! The turn's request to the model, and its streamed answer.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::begun::Opening;
use super::draft::Begun;
use super::further::Tried;
use super::play::Play;
use super::prefix;
use super::request::request;
use super::reserve::{Call, costs_nothing};
use super::response::{Broken, Response};
use crate::action::wait::wait_for;
use crate::drive::lease::Trouble;
use crate::failure::FailureCode;
use crate::ports::{Millis, ModelErrorKind, ModelRequest};
use crate::record::{AnsweredCard, Asked, Opaque, StepRecord};

/// The longest time for a response, even if its stream never pauses.
const LONGEST_RESPONSE: Millis = 10 * 60 * 1_000;

impl Play<'_> {
    /// Asks until there is a response, or no further call may bring one.
    pub(super) async fn respond(
        &mut self,
        mut opening: Option<Opening>,
    ) -> Result<Result<StepRecord, Broken>, Trouble> {
        if opening.is_none() {
            self.await_confirmed().await;
            self.late_results = self.late_results().await?;
            self.model = self.engine.first_model(&self.agent, self.steps.last());
        }
        let mut tried = Tried::default();
        loop {
            let broken = match self.attempt(opening.take()).await? {
                Ok(step) => return Ok(Ok(step)),
                Err(broken) => broken,
            };
            match self.go_on(&mut tried, broken).await? {
                Ok(()) => {}
                Err(broken) => return Ok(Err(broken)),
            }
        }
    }

    /// One call of a model. What it used until it failed is in the failure.
    async fn attempt(
        &mut self,
        opening: Option<Opening>,
    ) -> Result<Result<StepRecord, Broken>, Trouble> {
        let Opening { model, at, stream } = if let Some(opening) = opening {
            opening
        } else {
            let request = self.request();
            if !self.cover(&request).await? {
                return Ok(Err(Broken::over_budget()));
            }
            self.call = Call::Made;
            self.engine.call(self.model.clone(), request)
        };
        let env = &*self.engine.env;
        let mut response = Response::default();
        let read = async {
            let stream = stream.await?;
            response
                .read(stream, env, |text| self.narrator.say(text))
                .await
        };
        // Polled only when it rings, not with every word.
        let until = env.now() + LONGEST_RESPONSE;
        let mut alarm = FuturesUnordered::from_iter([env.sleep_until(until)]);
        let read = tokio::select! {
            biased;
            read = read => read,
            Some(()) = alarm.next() => Err(Broken {
                code: FailureCode::ModelTimedOut,
                kind: Some(ModelErrorKind::TimedOut),
                usage: None,
                detail: "the response as a whole took too long".to_owned(),
            }),
        };
        if model.has_others {
            match &read {
                Ok(()) => self.engine.note_outcome(&model.name, None),
                Err(broken) if broken.kind.is_some() => {
                    self.engine.note_outcome(&model.name, broken.kind);
                }
                // The service answered, only not to the end.
                Err(_) => {}
            }
        }
        self.tries += response.tries.max(1);
        if let Err(broken) = read {
            if costs_nothing(broken.code) {
                self.call = Call::NotMade;
            }
            let usage = Some(response.usage);
            return Ok(Err(Broken { usage, ..broken }));
        }
        let place = (self.number, self.next_step());
        let earlier = self.past.turns.iter().flat_map(|turn| &turn.steps);
        let earlier = earlier.chain(&self.steps);
        response.name_calls(place, |id| {
            let mut calls = earlier.clone().flat_map(|step| &step.calls);
            calls.any(|call| call.id == id)
        });
        // The request is made once more: only few services want something back.
        let is_bound = response.opaque_is_bound;
        let opaque = response.opaque.take().map(|text| Opaque {
            text,
            prefix: is_bound.then(|| prefix::of(&self.request())),
        });
        let now = env.now();
        let asked = Asked {
            model: model.name.to_string(),
            response: response.id,
            tries: Some(std::mem::take(&mut self.tries))
                .filter(|tries| *tries > 1)
                .unwrap_or(0),
            at,
            first_after: response.first_at.unwrap_or(now).saturating_sub(at),
            end_after: now.saturating_sub(at),
            shortened: self.short,
            failed: std::mem::take(&mut self.failed),
        };
        Ok(Ok(StepRecord {
            agent: self.agent.name.clone(),
            fence: self.claim.fence,
            text: self.narrator.text(),
            calls: response.calls,
            actions: Vec::new(),
            refused: Vec::new(),
            client: Vec::new(),
            results: std::mem::take(&mut self.results),
            late_results: std::mem::take(&mut self.late_results),
            usage: response.usage,
            cost: self.engine.cost_of(&*model.model, response.usage),
            asked,
            opaque,
        }))
    }

    /// The request for the next response. Built anew for each step: most turns have only one, and its request was built before the
    /// turn began.
    fn request(&self) -> ModelRequest {
        let begun = Begun {
            record: &self.record,
            steps: &self.steps,
            results: &self.results,
            late: &self.late_results,
        };
        self.request_of(&begun)
    }

    /// The request of a turn that is this far.
    pub(super) fn request_of(&self, begun: &Begun<'_>) -> ModelRequest {
        request(
            self.engine,
            &self.agent,
            &self.claim.owner,
            &self.model.name,
            self.short,
            &self.past,
            begun,
        )
    }

    /// The customer's message confirmed an action: its result should be in the answer.
    async fn await_confirmed(&self) {
        if let Some(AnsweredCard {
            action, yes: true, ..
        }) = &self.record.answers
            && self.steps.is_empty()
        {
            wait_for(self.engine, action).await;
        }
    }
}
