//! What a turn asks the model, and the answer as it is streamed.

use std::sync::Arc;

use super::{Opening, Play};
use crate::engine::{Engine, Trouble};
use crate::failure::FailureCode;
use crate::ports::{Message, Millis, ModelRequest};
use crate::record::journal::JournaledTurn;
use crate::record::{LateResult, Meta, Origin, StepRecord, TurnRecord};
use crate::team::Agent;
use crate::turn::response::{Broken, Response};
use crate::turn::window;

/// No response may take longer than this, however lively it drips.
const LONGEST_RESPONSE: Millis = 10 * 60 * 1_000;

impl Play<'_> {
    /// Asks the model and streams what it says.
    pub(super) async fn respond(
        &mut self,
        opening: Option<Opening>,
    ) -> Result<Result<StepRecord, Broken>, Trouble> {
        let opening = if let Some(opening) = opening {
            opening
        } else {
            self.late = self.late_results().await?;
            let late = self.told_late.iter().chain(&self.late);
            let messages = self.conversation();
            let request = request(self.engine, &self.agent, late, messages);
            self.engine.model.clone().stream(request)
        };
        let mut response = Response::default();
        let read = async {
            let stream = opening.await?;
            response.read(stream, |text| self.narrator.say(text)).await
        };
        let read = tokio::select! {
           biased;
            read = read => read,
            () = self.engine.sleep(LONGEST_RESPONSE) => Err(Broken {
                code: FailureCode::ModelTimedOut,
                detail: "the response as a whole took too long".to_owned(),
            }),
        };
        Ok(read.map(|()| StepRecord {
            agent: self.agent.name.clone(),
            fence: self.claim.fence,
            text: self.narrator.text(),
            calls: response.calls,
            actions: Vec::new(),
            told: std::mem::take(&mut self.told),
            late: std::mem::take(&mut self.late),
            usage: response.usage,
        }))
    }

    /// The past, and of this turn what was said, as the model is shown it. Without instructions. Made anew for each step: most
    /// turns have but one, whose request was made before the turn began.
    fn conversation(&self) -> Vec<Message> {
        let mut messages = messages(self.engine, &self.past, &self.record);
        if self.record.origin == Origin::LateResult
            && let Some(prompt) = messages.last_mut()
        {
            let late = self.steps.first().map_or(&self.late, |step| &step.late);
            *prompt = window::late_prompt(late);
        }
        for (index, step) in self.steps.iter().enumerate() {
            let next = self.steps.get(index + 1);
            window::push_step(
                &mut messages,
                step,
                next.map_or(&self.told, |next| &next.told),
            );
        }
        messages
    }
}

/// What the model is asked: instructions first, then the conversation.
pub(crate) fn request<'a>(
    engine: &Engine,
    agent: &Agent,
    late: impl Iterator<Item = &'a LateResult>,
    messages: Vec<Message>,
) -> ModelRequest {
    let instructions = window::instructions(&engine.instructions_of(agent), late);
    let messages = std::iter::once(instructions).chain(messages).collect();
    ModelRequest {
        messages,
        tools: agent.tool_definitions.clone(),
    }
}

/// The past, and what this turn begins with.
pub(crate) fn messages(
    engine: &Engine,
    past: &[JournaledTurn],
    record: &TurnRecord,
) -> Vec<Message> {
    let replaced = match record.origin {
        Origin::Customer | Origin::LateResult => None,
        Origin::Regenerated { of } => Some(of),
    };
    let mut messages = window::past_messages(past, replaced, &engine.team.limits);
    messages.push(match record.origin {
        Origin::Customer | Origin::Regenerated { .. } => {
            Message::User(Arc::from(record.message.as_str()))
        }
        // The first step replaces it: only then is it known what has come in.
        Origin::LateResult => window::late_prompt(&[]),
    });
    messages
}

/// Who speaks next in the turn, as far as the journal says: the speaker of its last step, or of the first one of the answer
/// that is said anew.
pub(super) fn first_speaker<'a>(
    turn: &'a JournaledTurn,
    past: &'a [JournaledTurn],
) -> Option<&'a str> {
    let old = match turn.record.origin {
        Origin::Customer | Origin::LateResult => None,
        Origin::Regenerated { of } => past
            .iter()
            .find(|turn| turn.number == of)
            .and_then(|old| old.steps.first()),
    };
    turn.steps.last().or(old).map(|step| step.agent.as_str())
}

/// The agent of this name, or who the conversation was left with. One that the team no longer has becomes the entry agent.
pub(crate) fn active_agent(engine: &Engine, meta: &Meta, name: Option<&str>) -> Arc<Agent> {
    engine
        .team
        .agent(name.unwrap_or(&meta.agent))
        .unwrap_or_else(|| engine.team.entry_agent())
        .clone()
}
