//! A turn as chunks of a completion. Calls of the server's tools are told beside the protocol: a client would execute `tool_calls`.

use baton_handoff::event::{ClientCalled, Event, EventKind};
use baton_handoff::ports::Usage;
use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::{Value, json};

use super::completion::{id, usage};
use super::extension::extension;
use super::request::Completion;
use crate::faces::door::Answer;
use crate::faces::{CONTINUES, confirm_text, error_body};
use crate::stream::Encoder;
use crate::stream::ndjson::ONCE_MORE;

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// The chunks of one listener.
pub(super) struct Chunks {
    /// What each chunk begins with.
    head: String,
    include_usage: bool,
    has_begun: bool,
    /// How many calls the client has to execute.
    calls: usize,
    usage: Usage,
}

impl Chunks {
    pub(super) fn new(completion: &Completion, answer: &Answer) -> Self {
        Self::of(completion, &id(answer))
    }

    pub(super) fn of(completion: &Completion, id: &str) -> Self {
        let head = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": completion.created,
            "model": completion.model,
        });
        let head = head.to_string();
        Self {
            // The object stays open.
            head: format!("data: {}", head.strip_suffix('}').unwrap_or(&head)),
            include_usage: completion.include_usage,
            has_begun: false,
            calls: 0,
            usage: Usage::default(),
        }
    }

    fn chunk(
        &self,
        out: &mut BytesMut,
        delta: &impl Serialize,
        finish: Option<&str>,
        more: Option<Value>,
    ) {
        out.put_slice(self.head.as_bytes());
        out.put_slice(br#","choices":[{"index":0,"delta":"#);
        put(out, delta);
        out.put_slice(br#","finish_reason":"#);
        put(out, &finish);
        out.put_slice(b"}]");
        if let Some(more) = more {
            out.put_slice(br#","baton":"#);
            put(out, &more);
        }
        out.put_slice(b"}\n\n");
    }

    fn text(&self, out: &mut BytesMut, content: &str, more: Option<Value>) {
        self.chunk(out, &Content { content }, None, more);
    }

    fn call(&mut self, out: &mut BytesMut, called: &ClientCalled) {
        let delta = json!({ "tool_calls": [{
            "index": self.calls,
            "id": called.call,
            "type": "function",
            "function": { "name": called.name, "arguments": called.arguments },
        }] });
        self.calls += 1;
        self.chunk(out, &delta, None, None);
    }

    fn finish(&self, out: &mut BytesMut) {
        let reason = finish_reason(self.calls);
        self.chunk(out, &json!({}), Some(reason), None);
        if self.include_usage {
            out.put_slice(self.head.as_bytes());
            out.put_slice(br#","choices":[],"usage":"#);
            put(out, &usage(&self.usage));
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

/// Why a completion is over: the client has calls to execute, or it is said.
pub(super) fn finish_reason(calls: usize) -> &'static str {
    if calls > 0 { "tool_calls" } else { "stop" }
}

#[derive(Serialize)]
struct Content<'a> {
    content: &'a str,
}

fn put(out: &mut BytesMut, value: &impl Serialize) {
    // Writing to a growing buffer cannot fail.
    let _ = serde_json::to_writer(out.writer(), value);
}

/// An error instead of a chunk: official clients raise it, whatever comes before.
fn error(out: &mut BytesMut, sentence: &str, code: &str) {
    out.put_slice(b"data: ");
    put(out, &error_body(sentence, "server_error", Some(code)));
    out.put_slice(b"\n\n");
}

impl Encoder for Chunks {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        if !self.has_begun {
            self.has_begun = true;
            let role = json!({ "role": "assistant", "content": "" });
            self.chunk(out, &role, None, None);
        }
        match &event.kind {
            EventKind::TurnStarted(_) => {}
            EventKind::TextDelta(text) => self.text(out, text, None),
            EventKind::Reset { .. } => self.text(out, ONCE_MORE, extension(&event.kind)),
            EventKind::ConfirmationAsked(asked) => {
                self.text(out, &confirm_text(asked), extension(&event.kind));
            }
            EventKind::ClientCalled(called) => self.call(out, called),
            EventKind::Usage(usage) => self.usage = **usage,
            EventKind::ToolCalled(_)
            | EventKind::ToolFinished(_)
            | EventKind::ActionQueued(_)
            | EventKind::ActionFinished(_)
            | EventKind::HandedOff(_) => {
                self.chunk(out, &json!({}), None, extension(&event.kind));
            }
            EventKind::TurnCompleted | EventKind::TurnStopped => self.finish(out),
            EventKind::TurnFailed(code) => error(out, code.sentence(), code.as_str()),
            EventKind::TurnContinues => error(out, CONTINUES, "turn_continues"),
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

#[cfg(test)]
mod tests {
    use baton_handoff::event::HandedOff;
    use baton_handoff::failure::FailureCode;

    use super::*;

    /// What the chunks of these events are: JSON, or a word.
    fn chunks(kinds: Vec<EventKind>) -> Vec<Value> {
        let completion = Completion {
            model: "baton".to_owned(),
            stream: true,
            include_usage: true,
            created: 7,
        };
        let mut encoder = Chunks::of(&completion, "chatcmpl-c.1");
        let mut out = BytesMut::new();
        for kind in kinds {
            let event = Event {
                position: "1.1.1.1".parse().unwrap(),
                agent: "".into(),
                kind,
            };
            encoder.event(&mut out, &event);
        }
        let text = std::str::from_utf8(&out).unwrap();
        let events = text.split_terminator("\n\n");
        let data = events.map(|event| event.strip_prefix("data: ").unwrap());
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }

    fn text(text: &str) -> EventKind {
        EventKind::TextDelta(text.to_owned())
    }

    #[test]
    fn a_turn_is_role_content_reason_usage_and_done() {
        let hand_off = HandedOff {
            from: "Triage".into(),
            to: "Sales".into(),
        };
        let usage = Usage {
            prompt_tokens: 3,
            completion_tokens: 4,
            ..Usage::default()
        };
        let chunks = chunks(vec![
            EventKind::HandedOff(Box::new(hand_off)),
            text("مرحبا 👋"),
            EventKind::Usage(Box::new(usage)),
            EventKind::TurnCompleted,
        ]);
        let [role, hand_off, said, finish, usage, done] = &chunks[..] else {
            panic!("{chunks:?}");
        };
        assert_eq!(role["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(role["id"], "chatcmpl-c.1");
        assert_eq!(hand_off["baton"]["to"], "Sales");
        assert_eq!(hand_off["choices"][0]["delta"], json!({}));
        assert_eq!(said["choices"][0]["delta"]["content"], "مرحبا 👋");
        assert_eq!(finish["choices"][0]["finish_reason"], "stop");
        assert_eq!(
            (&usage["choices"], &usage["usage"]["total_tokens"]),
            (&json!([]), &json!(7))
        );
        assert_eq!(done, "[DONE]");
    }

    #[test]
    fn what_is_not_over_or_failed_never_ends_like_an_answer() {
        for (kind, code) in [
            (EventKind::TurnContinues, "turn_continues"),
            (EventKind::TurnFailed(FailureCode::ModelCut), "model_cut"),
        ] {
            let chunks = chunks(vec![text("He"), kind]);
            let last = chunks.last().unwrap();
            assert_eq!(last["error"]["code"], code);
            assert!(!last["error"]["message"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn calls_of_the_client_end_the_completion_for_them() {
        let called = ClientCalled {
            call: "call_1".into(),
            name: "open_door".into(),
            arguments: "{}".into(),
        };
        let call = || EventKind::ClientCalled(Box::new(called.clone()));
        let chunks = chunks(vec![call(), call(), EventKind::TurnCompleted]);
        let index = |chunk: &Value| chunk["choices"][0]["delta"]["tool_calls"][0]["index"].clone();
        assert_eq!([index(&chunks[1]), index(&chunks[2])], [json!(0), json!(1)]);
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "tool_calls");
    }

    #[test]
    fn what_is_taken_back_is_said_in_words_and_beside_them() {
        let chunks = chunks(vec![text("He"), EventKind::Reset { step: 1 }]);
        assert_eq!(chunks[2]["choices"][0]["delta"]["content"], ONCE_MORE);
        assert_eq!(chunks[2]["baton"]["type"], "reset");
    }
}
