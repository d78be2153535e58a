//! The turn's request to the model, and its streamed answer.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::begun::Opening;
use super::play::Play;
use super::request::{messages, request};
use super::reserve::{Call, costs_nothing};
use super::response::{Broken, Response};
use super::window;
use crate::action::wait::wait_for;
use crate::drive::lease::Trouble;
use crate::failure::FailureCode;
use crate::ports::{Message, Millis};
use crate::record::{AnsweredCard, Origin, StepRecord};

/// The longest time for a response, even if its stream never pauses.
const LONGEST_RESPONSE: Millis = 10 * 60 * 1_000;

impl Play<'_> {
    /// Sends the request and streams the answer.
    pub(super) async fn respond(
        &mut self,
        opening: Option<Opening>,
    ) -> Result<Result<StepRecord, Broken>, Trouble> {
        let opening = if let Some(opening) = opening {
            opening
        } else {
            self.await_confirmed().await;
            self.late_results = self.late_results().await?;
            let late = self.reported.iter().chain(&self.late_results);
            let messages = self.conversation();
            let request = request(self.engine, &self.agent, late, messages);
            if !self.cover(&request).await? {
                return Ok(Err(Broken {
                    code: FailureCode::BudgetExceeded,
                    detail: "a further model call does not fit a budget".to_owned(),
                }));
            }
            self.call = Call::Made;
            self.engine.model.clone().stream(request)
        };
        let mut response = Response::default();
        let read = async {
            let stream = opening.await?;
            response.read(stream, |text| self.narrator.say(text)).await
        };
        // Polled only when it rings, not with every word.
        let until = self.engine.env.now() + LONGEST_RESPONSE;
        let mut alarm = FuturesUnordered::from_iter([self.engine.env.sleep_until(until)]);
        let read = tokio::select! {
            biased;
            read = read => read,
            Some(()) = alarm.next() => Err(Broken {
                code: FailureCode::ModelTimedOut,
                detail: "the response as a whole took too long".to_owned(),
            }),
        };
        if read
            .as_ref()
            .is_err_and(|broken| costs_nothing(broken.code))
        {
            self.call = Call::NotMade;
        }
        Ok(read.map(|()| StepRecord {
            agent: self.agent.name.clone(),
            fence: self.claim.fence,
            text: self.narrator.text(),
            calls: response.calls,
            actions: Vec::new(),
            refused: Vec::new(),
            results: std::mem::take(&mut self.results),
            late_results: std::mem::take(&mut self.late_results),
            usage: response.usage,
            cost: self.engine.cost_of(response.usage),
        }))
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

    /// The past and this turn so far, as messages for the model, without instructions. Built anew for each step: most turns have
    /// only one, and its request was built before the turn began.
    fn conversation(&self) -> Vec<Message> {
        let mut messages = messages(self.engine, &self.past, &self.record);
        if self.record.origin == Origin::LateResult
            && let Some(prompt) = messages.last_mut()
        {
            let late = self
                .steps
                .first()
                .map_or(&self.late_results, |step| &step.late_results);
            *prompt = window::late_prompt(late);
        }
        for (index, step) in self.steps.iter().enumerate() {
            let next = self.steps.get(index + 1);
            window::push_step(
                &mut messages,
                step,
                next.map_or(&self.results, |next| &next.results),
            );
        }
        messages
    }
}
