//! A turn as the events of a run: everything that is opened is closed before the one event that ends the run. Knows events; never where
//! they come from.
//!
//! ```text
//! RUN_STARTED · STATE_SNAPSHOT · STEP_STARTED(agent) · TEXT_MESSAGE_* · TOOL_CALL_START/ARGS/END/RESULT · STEP_FINISHED
//!   · STATE_DELTA(/agent) · CUSTOM(handoff) · STEP_STARTED(next agent) · … · STEP_FINISHED · RUN_FINISHED
//! ```

use std::sync::Arc;

use baton_handoff::event::{
    ClientCalled, ConfirmationAsked, Event, EventKind, HandedOff, ToolCalled, ToolFinished,
};
use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::Usage;
use baton_handoff::team::Team;
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::names::{Held, Namer, of_interrupt};
use super::wire::{self, Outcome, Wire, send};
use crate::stream::Encoder;

/// The run's code where its stream ends before it does.
const CONTINUES: &str = "turn_continues";

/// What a run is made with.
pub(super) struct Runs {
    /// The client's name for the conversation.
    pub(super) thread: ConversationId,
    /// The client's name for the run.
    pub(super) run: Arc<str>,
    pub(super) team: Arc<Team>,
    /// The client's messages that another stream of the turn has brought.
    pub(super) held: Held,
}

impl Runs {
    /// The encoder, and how its stream begins.
    pub(super) fn of(self, conversation: &ConversationId) -> (Run, Bytes) {
        let mut out = BytesMut::new();
        send(
            &mut out,
            &Wire::RunStarted {
                thread_id: self.thread.as_str(),
                run_id: &self.run,
                protocol_version: "1.0",
            },
        );
        let run = Run {
            names: Namer::new(&self.run, &self.held),
            runs: self,
            conversation: conversation.clone(),
            turn: 0,
            agent: None,
            text: None,
            said: None,
            calls: Vec::new(),
            pending: Vec::new(),
            interrupts: Vec::new(),
            usage: None,
        };
        (run, out.freeze())
    }
}

/// One run, as one listener is told it.
pub(super) struct Run {
    runs: Runs,
    names: Namer,
    conversation: ConversationId,
    /// 0 before the first event.
    turn: TurnNumber,
    /// The agent whose step is open.
    agent: Option<Arc<str>>,
    /// The text message that is open.
    text: Option<Arc<str>>,
    /// The text message of this step.
    said: Option<(u32, Arc<str>)>,
    /// Calls without a result.
    calls: Vec<Call>,
    /// The client's calls.
    pending: Vec<String>,
    /// What the customer is asked, by tool.
    interrupts: Vec<(String, Value)>,
    usage: Option<Usage>,
}

/// A call of the model.
struct Call {
    /// The model's id.
    id: String,
    name: String,
    arguments: Option<String>,
    /// Our id, once it was told. Calls of unknown tools are not told before it is known whether they are the client's.
    told: Option<Arc<str>>,
}

impl Encoder for Run {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        if !event.kind.ends_stream() {
            self.enter(out, event);
        }
        match &event.kind {
            EventKind::TurnStarted(_) => {}
            EventKind::TextDelta(text) => self.say(out, event.position.step, text),
            EventKind::ToolCalled(called) => self.called(out, called),
            EventKind::ToolFinished(finished) => self.finished(out, finished),
            EventKind::ActionQueued(action) => {
                let value = json!({
                    "action": action.action, "tool": action.name, "state": action.state.as_str(),
                });
                send(
                    out,
                    &Wire::Custom {
                        name: "action",
                        value,
                    },
                );
            }
            EventKind::ActionFinished(action) => {
                let value = json!({
                    "action": action.action, "tool": action.name, "state": action.state.as_str(),
                    "result": action.result,
                });
                send(
                    out,
                    &Wire::Custom {
                        name: "action",
                        value,
                    },
                );
            }
            EventKind::ConfirmationAsked(asked) => self.ask(asked),
            EventKind::ClientCalled(called) => self.client_called(out, called),
            EventKind::HandedOff(hand_off) => self.handed_off(out, hand_off),
            EventKind::Usage(usage) => self.usage = Some(**usage),
            EventKind::Reset { step } => self.reset(out, *step),
            EventKind::TurnCompleted => self.complete(out),
            EventKind::TurnStopped => {
                self.leave_step(out);
                self.end(out, Outcome::Cancelled);
            }
            EventKind::TurnFailed(code) => self.fail(out, code.sentence(), code.as_str()),
            EventKind::TurnContinues => self.fail(
                out,
                "This stream ends before its run does: the run can be followed.",
                CONTINUES,
            ),
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

impl Run {
    /// Begins the turn with its first event, and the step of the event's agent.
    fn enter(&mut self, out: &mut BytesMut, event: &Event) {
        if self.turn != event.position.turn {
            self.turn = event.position.turn;
            for id in self.runs.held.of(self.turn) {
                send(out, &wire::retracted(id));
            }
            self.snapshot(out, &event.agent);
        }
        if event.agent.is_empty() || self.agent.as_ref() == Some(&event.agent) {
            return;
        }
        self.leave_step(out);
        send(
            out,
            &Wire::StepStarted {
                step_name: &event.agent,
            },
        );
        self.agent = Some(event.agent.clone());
    }

    fn snapshot(&self, out: &mut BytesMut, agent: &str) {
        let snapshot = json!({
            "agent": agent, "conversation": self.conversation, "turn": self.turn,
        });
        send(out, &Wire::StateSnapshot { snapshot });
    }

    fn say(&mut self, out: &mut BytesMut, step: u32, delta: &str) {
        if delta.is_empty() {
            return;
        }
        if self.text.is_some() && self.said.as_ref().is_none_or(|(said, _)| *said != step) {
            self.end_text(out);
        }
        if self.text.is_none() {
            let id = self.names.next(self.turn);
            let start = Wire::TextMessageStart {
                message_id: &id,
                role: "assistant",
                name: self.agent.as_deref(),
            };
            send(out, &start);
            self.said = Some((step, id.clone()));
            self.text = Some(id);
        }
        let message_id = self.text.as_deref().unwrap_or_default();
        send(out, &Wire::TextMessageContent { message_id, delta });
    }

    fn end_text(&mut self, out: &mut BytesMut) {
        if let Some(id) = self.text.take() {
            send(out, &Wire::TextMessageEnd { message_id: &id });
        }
    }

    /// The message becomes an activity without content, which no page shows and no client sends again.
    fn reset(&mut self, out: &mut BytesMut, step: u32) {
        let said = self.said.take_if(|(said, _)| *said == step);
        let Some((_, id)) = said else {
            return;
        };
        self.end_text(out);
        send(out, &wire::retracted(&id));
        let value = json!({ "messageId": &*id });
        send(
            out,
            &Wire::Custom {
                name: "reset",
                value,
            },
        );
    }

    fn called(&mut self, out: &mut BytesMut, called: &ToolCalled) {
        self.end_text(out);
        let mut call = Call {
            id: called.call.clone(),
            name: called.name.clone(),
            arguments: called.arguments.clone(),
            told: None,
        };
        let team = &self.runs.team;
        let agent = self.agent.as_deref().and_then(|agent| team.agent(agent));
        let hands_off = agent.is_some_and(|agent| agent.hand_off(&call.name).is_some());
        if hands_off || team.tool(&call.name).is_some() {
            self.tell(out, &mut call);
        }
        self.calls.push(call);
    }

    /// A call of ours, with what the customer may see of it.
    fn tell(&mut self, out: &mut BytesMut, call: &mut Call) -> Arc<str> {
        if let Some(id) = &call.told {
            return id.clone();
        }
        let id = self.names.next(self.turn);
        let arguments = call.arguments.as_deref().unwrap_or("{}");
        write_call(out, &id, &call.name, arguments);
        call.told = Some(id.clone());
        id
    }

    fn answer(&mut self, out: &mut BytesMut, mut call: Call, content: &str) {
        let tool_call_id = self.tell(out, &mut call);
        let message_id = self.names.next(self.turn);
        let result = Wire::ToolCallResult {
            message_id: &message_id,
            tool_call_id: &tool_call_id,
            content,
            role: "tool",
        };
        send(out, &result);
    }

    fn take_call(&mut self, is_it: impl Fn(&Call) -> bool) -> Option<Call> {
        let at = self.calls.iter().position(is_it)?;
        Some(self.calls.remove(at))
    }

    fn finished(&mut self, out: &mut BytesMut, finished: &ToolFinished) {
        if let Some(call) = self.take_call(|call| call.id == finished.call) {
            let content = finished.result.as_deref();
            self.answer(out, call, content.unwrap_or(finished.outcome.as_str()));
        }
    }

    fn client_called(&mut self, out: &mut BytesMut, called: &ClientCalled) {
        self.end_text(out);
        let _not_ours = self.take_call(|call| call.id == called.call && call.told.is_none());
        write_call(out, &called.call, &called.name, &called.arguments);
        self.pending.push(called.call.clone());
    }

    fn handed_off(&mut self, out: &mut BytesMut, hand_off: &HandedOff) {
        let team = self.runs.team.clone();
        let from = team.agent(&hand_off.from);
        let leads_there = |call: &Call| {
            let found = from.and_then(|from| from.hand_off(&call.name));
            found.is_some_and(|found| *found.to == *hand_off.to)
        };
        if let Some(call) = self.take_call(leads_there) {
            self.answer(out, call, "handed_off");
        }
        self.leave_step(out);
        let delta = json!([{ "op": "replace", "path": "/agent", "value": &*hand_off.to }]);
        send(out, &Wire::StateDelta { delta });
        let value = json!({ "from": &*hand_off.from, "to": &*hand_off.to });
        send(
            out,
            &Wire::Custom {
                name: "handoff",
                value,
            },
        );
        send(
            out,
            &Wire::StepStarted {
                step_name: &hand_off.to,
            },
        );
        self.agent = Some(hand_off.to.clone());
    }

    /// A new card of a tool has taken the place of its last one.
    fn ask(&mut self, asked: &ConfirmationAsked) {
        self.interrupts.retain(|(tool, _)| *tool != asked.name);
        let interrupt = wire::interrupt(asked, &of_interrupt(&asked.action, &asked.arguments_hash));
        self.interrupts.push((asked.name.clone(), interrupt));
    }

    fn leave_step(&mut self, out: &mut BytesMut) {
        self.end_text(out);
        if let Some(agent) = self.agent.take() {
            send(out, &Wire::StepFinished { step_name: &agent });
        }
    }

    fn complete(&mut self, out: &mut BytesMut) {
        self.end_text(out);
        // A client takes a call without a result for one of its own.
        for call in std::mem::take(&mut self.calls) {
            self.answer(out, call, "no result");
        }
        let agent = self.agent.clone();
        self.leave_step(out);
        let asked = std::mem::take(&mut self.interrupts);
        let interrupts: Vec<_> = asked.into_iter().map(|(_, interrupt)| interrupt).collect();
        let outcome = if interrupts.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            Outcome::Success {
                pending_tool_call_ids: pending,
            }
        } else {
            self.snapshot(out, agent.as_deref().unwrap_or_default());
            Outcome::Interrupt { interrupts }
        };
        self.end(out, outcome);
    }

    fn end(&self, out: &mut BytesMut, outcome: Outcome) {
        let finished = Wire::RunFinished {
            thread_id: self.runs.thread.as_str(),
            run_id: &self.runs.run,
            outcome,
            usage: wire::usage(self.usage),
        };
        send(out, &finished);
    }

    fn fail(&mut self, out: &mut BytesMut, message: &str, code: &str) {
        self.leave_step(out);
        let error = Wire::RunError {
            message,
            code,
            usage: wire::usage(self.usage),
        };
        send(out, &error);
    }
}

fn write_call(out: &mut BytesMut, id: &str, name: &str, arguments: &str) {
    let start = Wire::ToolCallStart {
        tool_call_id: id,
        tool_call_name: name,
    };
    send(out, &start);
    let arguments = Wire::ToolCallArgs {
        tool_call_id: id,
        delta: arguments,
    };
    send(out, &arguments);
    send(out, &Wire::ToolCallEnd { tool_call_id: id });
}
