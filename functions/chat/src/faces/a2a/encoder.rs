//! A turn as the stream of its task: the task, updates of its status and of its one artifact, and a status that ends it.

use baton_handoff::event::{Event, EventKind};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::{Value, json};

use super::task::{Artifact, Open, TaskId};
use crate::faces::whole::End;
use crate::stream::Encoder;

/// One stream, of responses to the call with this id.
pub(super) struct TaskStream {
    task: TaskId,
    id: Value,
    artifact: Artifact,
    /// What was said before this step, and the step's number.
    before: String,
    step: u32,
    /// What was said in this step.
    said: String,
    open: Open,
    /// Whether a part of the artifact was sent.
    appends: bool,
}

impl TaskStream {
    /// The encoder, and how its stream begins.
    pub(super) fn of(task: TaskId, artifact: Artifact, id: Value) -> (Self, Bytes) {
        let stream = Self {
            task,
            id,
            artifact,
            before: String::new(),
            step: 0,
            said: String::new(),
            open: Open::default(),
            appends: false,
        };
        let mut out = BytesMut::new();
        let state = match artifact {
            Artifact::Answer => "TASK_STATE_SUBMITTED",
            // The customer has answered a card of a task that was begun before.
            Artifact::Result => "TASK_STATE_WORKING",
        };
        let task = stream.task.in_state(&json!({ "state": state }));
        stream.send(&mut out, &json!({ "task": task }));
        (stream, out.freeze())
    }

    fn send(&self, out: &mut BytesMut, result: &Value) {
        write(
            out,
            &json!({ "jsonrpc": "2.0", "id": self.id, "result": result }),
        );
    }

    fn works(&self, out: &mut BytesMut, metadata: Option<Value>) {
        let status = json!({ "state": "TASK_STATE_WORKING" });
        self.send(out, &self.task.status_update(&status, metadata));
    }

    fn update(&self, out: &mut BytesMut, text: &str, is_last: bool) {
        let update = self
            .task
            .artifact_update(self.artifact, text, self.appends, is_last);
        self.send(out, &update);
    }

    fn say(&mut self, out: &mut BytesMut, step: u32, text: &str) {
        if step != self.step {
            self.step = step;
            self.before.push_str(&std::mem::take(&mut self.said));
        }
        self.said.push_str(text);
        self.update(out, text, false);
        self.appends = true;
    }

    /// What came before stands again, in place of all.
    fn reset(&mut self, out: &mut BytesMut, step: u32) {
        if step == self.step && !self.said.is_empty() {
            self.said.clear();
            self.appends = false;
            self.update(out, &self.before, false);
            self.appends = true;
        }
    }

    fn end(&mut self, out: &mut BytesMut, end: End) {
        if self.appends && end != End::Continues {
            self.update(out, "", true);
        }
        let status = self.task.status(end, &self.open);
        self.send(out, &self.task.status_update(&status, None));
    }
}

impl Encoder for TaskStream {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        match &event.kind {
            EventKind::TurnStarted(_) => self.works(out, None),
            EventKind::TextDelta(text) => self.say(out, event.position.step, text),
            EventKind::ToolCalled(call) => {
                self.works(
                    out,
                    Some(json!({ "tool": { "name": call.name, "state": "called" } })),
                );
            }
            EventKind::ToolFinished(call) => {
                let state = call.outcome.as_str();
                self.works(
                    out,
                    Some(json!({ "tool": { "name": call.name, "state": state } })),
                );
            }
            EventKind::ActionQueued(action) => {
                let state = action.state.as_str();
                let (id, name) = (&action.action, &action.name);
                self.works(
                    out,
                    Some(json!({ "action": { "id": id, "name": name, "state": state } })),
                );
            }
            EventKind::ActionFinished(action) => {
                let state = action.state.as_str();
                let (id, name) = (&action.action, &action.name);
                self.works(
                    out,
                    Some(json!({ "action": { "id": id, "name": name, "state": state } })),
                );
            }
            EventKind::HandedOff(hand_off) => {
                let (from, to) = (&*hand_off.from, &*hand_off.to);
                self.works(out, Some(json!({ "handoff": { "from": from, "to": to } })));
            }
            EventKind::ConfirmationAsked(asked) => self.open.ask(asked),
            EventKind::ClientCalled(call) => self.open.calls.push((**call).clone()),
            EventKind::Usage(_) => {}
            EventKind::Reset { step } => self.reset(out, *step),
            EventKind::TurnCompleted => self.end(out, End::Completed),
            EventKind::TurnFailed(code) => self.end(out, End::Failed(*code)),
            EventKind::TurnStopped => self.end(out, End::Stopped),
            EventKind::TurnContinues => self.end(out, End::Continues),
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

fn write(out: &mut BytesMut, response: &Value) {
    out.put_slice(b"data: ");
    // Writing to a growing buffer cannot fail.
    let _ = serde_json::to_writer((&mut *out).writer(), response);
    out.put_slice(b"\n\n");
}
