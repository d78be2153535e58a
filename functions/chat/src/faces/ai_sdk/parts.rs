//! A turn as a UI message stream. A client takes a stream that ends without `finish` for an answer that is over, so whatever is not
//! over ends with `error`.

use baton_handoff::event::{ConfirmationAsked, Event, EventKind, ToolFinished};
use baton_handoff::ports::Usage;
use baton_handoff::record::ToolOutcome;
use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::{Value, json};

use crate::faces::{CONTINUES, confirm_text};
use crate::stream::Encoder;

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// What stands for a part of a call that customers do not see.
const HIDDEN: Value = Value::Null;

/// The parts of one listener.
pub(super) struct Parts {
    /// The id of the assistant's message.
    message: String,
    has_begun: bool,
    /// The open step, by its number in the turn.
    step: Option<u32>,
    /// The open text.
    text: Option<String>,
    /// How many texts there were: each has an id of its own.
    texts: usize,
    /// Calls of the server's tools that have no output yet. A hand-off is the output of its own.
    open: Vec<String>,
    /// Whether the client has calls to execute.
    has_calls: bool,
    usage: Usage,
}

impl Parts {
    pub(super) fn new(message: String) -> Self {
        Self {
            message,
            has_begun: false,
            step: None,
            text: None,
            texts: 0,
            open: Vec::new(),
            has_calls: false,
            usage: Usage::default(),
        }
    }

    fn begin(&mut self, out: &mut BytesMut, turn: u32) {
        if !self.has_begun {
            self.has_begun = true;
            part(
                out,
                &json!({
                    "type": "start",
                    "messageId": self.message,
                    "messageMetadata": { "turn": turn },
                }),
            );
        }
    }

    /// The step of the turn is open, and no other.
    fn in_step(&mut self, out: &mut BytesMut, step: u32) {
        if self.step != Some(step) {
            self.end_step(out);
            self.step = Some(step);
            part(out, &json!({ "type": "start-step" }));
        }
    }

    fn end_text(&mut self, out: &mut BytesMut) {
        if let Some(id) = self.text.take() {
            part(out, &json!({ "type": "text-end", "id": id }));
        }
    }

    fn end_step(&mut self, out: &mut BytesMut) {
        self.end_text(out);
        if self.step.take().is_some() {
            part(out, &json!({ "type": "finish-step" }));
        }
    }

    fn say(&mut self, out: &mut BytesMut, delta: &str) {
        if self.text.is_none() {
            self.texts += 1;
            let id = format!("text-{}", self.texts);
            part(out, &json!({ "type": "text-start", "id": id }));
            self.text = Some(id);
        }
        if let Some(id) = &self.text {
            part(
                out,
                &Delta {
                    kind: "text-delta",
                    id,
                    text: delta,
                },
            );
        }
    }

    /// What was said in this step is taken back.
    fn reset(&mut self, out: &mut BytesMut, step: u32) {
        if self.step == Some(step) {
            self.text = None;
            part(out, &json!({ "type": "reset-step" }));
        }
    }

    fn confirm(&mut self, out: &mut BytesMut, asked: &ConfirmationAsked) {
        self.say(out, &confirm_text(asked));
        self.end_text(out);
        let fields: Value = serde_json::from_str(&asked.shown).unwrap_or_default();
        let data = json!({
            "action": asked.action,
            "name": asked.name,
            "title": asked.title,
            "fields": fields,
            "argumentsHash": asked.arguments_hash,
            "expiresAt": asked.expires_at,
        });
        part(
            out,
            &json!({ "type": "data-confirmation", "id": asked.action, "data": data }),
        );
    }

    fn finish(&mut self, out: &mut BytesMut, status: &str) {
        self.end_step(out);
        let reason = if self.has_calls { "tool-calls" } else { "stop" };
        self.finish_for(out, reason, status);
    }

    fn finish_for(&self, out: &mut BytesMut, reason: &str, status: &str) {
        let Usage {
            prompt_tokens,
            completion_tokens,
            ..
        } = self.usage;
        part(
            out,
            &json!({
                "type": "finish",
                "finishReason": reason,
                "messageMetadata": {
                    "status": status,
                    "usage": { "inputTokens": prompt_tokens, "outputTokens": completion_tokens },
                },
            }),
        );
        out.put_slice(b"data: [DONE]\n\n");
    }

    fn error(&mut self, out: &mut BytesMut, sentence: &str) {
        self.end_step(out);
        part(out, &json!({ "type": "error", "errorText": sentence }));
    }
}

#[derive(Serialize)]
struct Delta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(rename = "delta")]
    text: &'a str,
}

fn part(out: &mut BytesMut, part: &impl Serialize) {
    out.put_slice(b"data: ");
    // Writing to a growing buffer cannot fail.
    let _ = serde_json::to_writer(out.writer(), part);
    out.put_slice(b"\n\n");
}

/// A call of a tool of the server: the client shows it, and must not execute it.
fn called(call: &str, name: &str, input: Option<&str>) -> Value {
    json!({
        "type": "tool-input-available",
        "toolCallId": call,
        "toolName": name,
        "input": input.map_or(HIDDEN, as_value),
        "dynamic": true,
        "providerExecuted": true,
    })
}

fn finished(event: &ToolFinished) -> Value {
    let result = event.result.as_deref();
    if event.outcome == ToolOutcome::Error {
        return json!({
            "type": "tool-output-error",
            "toolCallId": event.call,
            "errorText": result.unwrap_or("failed"),
            "dynamic": true,
            "providerExecuted": true,
        });
    }
    output(&event.call, event.outcome, result)
}

fn output(call: &str, outcome: ToolOutcome, result: Option<&str>) -> Value {
    json!({
        "type": "tool-output-available",
        "toolCallId": call,
        "output": { "outcome": outcome.as_str(), "result": result },
        "dynamic": true,
        "providerExecuted": true,
    })
}

/// JSON as such, other text as text.
fn as_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

impl Encoder for Parts {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        self.begin(out, event.position.turn);
        let step = event.position.step;
        match &event.kind {
            EventKind::TurnStarted(_) => {}
            EventKind::TextDelta(text) => {
                self.in_step(out, step);
                self.say(out, text);
            }
            EventKind::ToolCalled(event) => {
                self.in_step(out, step);
                self.end_text(out);
                self.open.push(event.call.clone());
                part(
                    out,
                    &called(&event.call, &event.name, event.arguments.as_deref()),
                );
            }
            EventKind::ClientCalled(event) => {
                self.in_step(out, step);
                self.end_text(out);
                self.has_calls = true;
                part(
                    out,
                    &json!({
                        "type": "tool-input-available",
                        "toolCallId": event.call,
                        "toolName": event.name,
                        "input": as_value(&event.arguments),
                    }),
                );
            }
            EventKind::ToolFinished(event) => {
                self.in_step(out, step);
                self.open.retain(|open| *open != event.call);
                part(out, &finished(event));
            }
            EventKind::ActionQueued(event) => {
                let data = json!({ "name": event.name, "state": event.state.as_str() });
                part(
                    out,
                    &json!({ "type": "data-action", "id": event.action, "data": data }),
                );
            }
            EventKind::ActionFinished(event) => {
                let data = json!({
                    "name": event.name,
                    "state": event.state.as_str(),
                    "result": event.result,
                });
                part(
                    out,
                    &json!({ "type": "data-action", "id": event.action, "data": data }),
                );
            }
            EventKind::ConfirmationAsked(asked) => {
                self.in_step(out, step);
                self.confirm(out, asked);
            }
            EventKind::HandedOff(change) => {
                for call in std::mem::take(&mut self.open) {
                    part(out, &output(&call, ToolOutcome::HandedOff, None));
                }
                self.end_step(out);
                let data = json!({ "from": change.from, "to": change.to });
                let id = format!("handoff-{step}");
                part(
                    out,
                    &json!({ "type": "data-handoff", "id": id, "data": data }),
                );
            }
            EventKind::Usage(usage) => self.usage = **usage,
            EventKind::Reset { step } => self.reset(out, *step),
            EventKind::TurnCompleted => self.finish(out, "committed"),
            EventKind::TurnStopped => self.finish(out, "stopped"),
            EventKind::TurnFailed(code) => {
                self.error(out, code.sentence());
                self.finish_for(out, "error", "failed");
            }
            EventKind::TurnContinues => self.error(out, CONTINUES),
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

#[cfg(test)]
mod tests {
    use baton_handoff::event::{HandedOff, ToolCalled};
    use baton_handoff::failure::FailureCode;

    use super::*;

    fn parts(events: Vec<(u32, EventKind)>) -> Vec<Value> {
        let mut encoder = Parts::new("c_1".to_owned());
        let mut out = BytesMut::new();
        for (step, kind) in events {
            let event = Event {
                position: format!("1.{step}.1.1").parse().unwrap(),
                agent: "".into(),
                kind,
            };
            encoder.event(&mut out, &event);
        }
        let text = std::str::from_utf8(&out).unwrap();
        let events = text.split_terminator("\n\n");
        let data = events.map(|event| event.strip_prefix("data: ").unwrap());
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!({ "type": data })))
            .collect()
    }

    fn kinds(parts: &[Value]) -> Vec<&str> {
        parts
            .iter()
            .map(|part| part["type"].as_str().unwrap())
            .collect()
    }

    fn text(text: &str) -> EventKind {
        EventKind::TextDelta(text.to_owned())
    }

    #[test]
    fn a_turn_is_steps_of_texts_and_calls_with_hand_offs_between_them() {
        let call = ToolCalled {
            call: "call_1".into(),
            name: "transfer_to_sales".into(),
            arguments: None,
        };
        let hand_off = HandedOff {
            from: "Triage".into(),
            to: "Sales".into(),
        };
        let parts = parts(vec![
            (1, text("One ")),
            (1, text("moment.")),
            (1, EventKind::ToolCalled(Box::new(call))),
            (1, EventKind::HandedOff(Box::new(hand_off))),
            (2, text("مرحبا 👋")),
            (2, EventKind::TurnCompleted),
        ]);
        let expected = "start start-step text-start text-delta text-delta text-end tool-input-available tool-output-available \
            finish-step data-handoff start-step text-start text-delta text-end finish-step finish [DONE]";
        assert_eq!(kinds(&parts).join(" "), expected);
        assert_eq!(parts[0]["messageId"], "c_1");
        assert_ne!(parts[2]["id"], parts[11]["id"]);
        assert_eq!(parts[6]["providerExecuted"], true);
        assert_eq!(parts[15]["finishReason"], "stop");
    }

    #[test]
    fn what_is_taken_back_is_said_anew_in_the_same_step() {
        let parts = parts(vec![
            (1, text("He")),
            (1, EventKind::Reset { step: 1 }),
            (1, text("Hello.")),
            (1, EventKind::TurnCompleted),
        ]);
        let expected = "start start-step text-start text-delta reset-step text-start text-delta text-end finish-step finish [DONE]";
        assert_eq!(kinds(&parts).join(" "), expected);
    }

    #[test]
    fn what_is_not_over_never_ends_like_an_answer_and_a_failure_is_an_error() {
        let cut = parts(vec![(1, text("He")), (1, EventKind::TurnContinues)]);
        assert_eq!(kinds(&cut).last(), Some(&"error"));
        let failed = parts(vec![
            (1, text("He")),
            (1, EventKind::TurnFailed(FailureCode::ModelCut)),
        ]);
        let end = kinds(&failed);
        assert_eq!(end[end.len() - 3..], ["error", "finish", "[DONE]"]);
        assert_eq!(failed[failed.len() - 2]["finishReason"], "error");
    }
}
