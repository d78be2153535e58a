//! What a wire format must be able to say and to read, so that one list of behaviours covers all.

use std::sync::Arc;

use baton_handoff::ports::{Message, ModelChunk, ModelErrorKind, ModelRequest, ToolCall, Usage};
use baton_models::{ModelClient, ModelSettings};
use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, stream};

use crate::anthropic::Anthropic;
use crate::bedrock::Claude;
use crate::gemini::Gemini;
use crate::support::{Reply, ask_for, client, request};

/// A part of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Say {
    /// A text, in these pieces.
    Text(&'static [&'static str]),
    /// A call: id, name, arguments.
    Call(&'static str, &'static str, &'static str),
    /// A thought and its signature.
    Thought(&'static str, &'static str),
    /// Something that no version of the format has yet.
    Strange,
}

/// The end of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stop {
    Done,
    Length,
    Filtered,
    /// A reason that no version of the format has yet.
    Unknown,
}

/// What a service refuses a request for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Key,
    Mistake,
    TooLong,
    Filtered,
    Rate,
    /// A quota that waiting does not bring back.
    Quota,
    Overloaded,
}

pub(crate) const REFUSALS: [(Refusal, ModelErrorKind); 7] = [
    (Refusal::Key, ModelErrorKind::Unauthorized),
    (Refusal::Mistake, ModelErrorKind::BadRequest),
    (Refusal::TooLong, ModelErrorKind::TooLong),
    (Refusal::Filtered, ModelErrorKind::Filtered),
    (Refusal::Rate, ModelErrorKind::RateLimited),
    (Refusal::Quota, ModelErrorKind::RateLimited),
    (Refusal::Overloaded, ModelErrorKind::Unavailable),
];

/// The tokens of every answer.
pub(crate) const TOKENS: Usage = Usage {
    prompt_tokens: 1_130,
    completion_tokens: 42,
    cached_tokens: 1_000,
    cache_write_tokens: 0,
};

pub(crate) trait Speaks: Sync {
    fn name(&self) -> &'static str;

    /// Whether responses have ids.
    fn has_ids(&self) -> bool {
        true
    }

    /// A client's settings for the service at this origin.
    fn settings(&self, origin: &str) -> ModelSettings;

    /// The frames of an answer.
    fn frames(&self, says: &[Say], stop: Option<Stop>) -> Vec<Vec<u8>>;

    /// The same answer in one document, if the service can do that.
    fn document(&self, says: &[Say]) -> Option<serde_json::Value> {
        let _ = says;
        None
    }

    /// A response that refuses, if the service can refuse for this: status and body.
    fn refusal(&self, why: Refusal) -> Option<(u16, String)>;

    /// The same inside a stream that was accepted, if the service does that.
    fn reports(&self, why: Refusal) -> Option<Vec<u8>>;

    /// A frame that is not of the format.
    fn garbage(&self) -> Vec<u8>;

    /// Reads a request as the strictest service does: panics where it would refuse it. A line a part:
    /// `system …`, `tool NAME`, `user …`, `says …`, `calls ID NAME ARGUMENTS`, `own SIGNATURE`, `result ID …`; `---` between messages.
    fn outline(&self, request: &Captured) -> Vec<String>;
}

pub(crate) const FORMATS: &[&dyn Speaks] = &[
    &Anthropic,
    &Gemini,
    &Claude,
    #[cfg(feature = "aws")]
    &crate::converse::Converse,
];

/// An answer of this format.
pub(crate) fn answer(format: &dyn Speaks, says: &[Say], stop: Option<Stop>) -> Answer {
    whole(format.frames(says, stop))
}

pub(crate) fn whole(frames: Vec<Vec<u8>>) -> Answer {
    frames.into_iter().fold(stream(), Answer::raw).ends_there()
}

pub(crate) async fn service(answers: impl IntoIterator<Item = Answer>) -> ScriptedModel {
    // It checks the messages of OpenAI only.
    ScriptedModel::start(answers).await.taking_anything()
}

pub(crate) fn client_of(format: &dyn Speaks, service: &ScriptedModel) -> Arc<ModelClient> {
    client(&format.settings(&service.origin()))
}

/// One answer, one request; the settings may be changed.
pub(crate) async fn play_with(
    format: &dyn Speaks,
    answer: Answer,
    change: impl FnOnce(&mut ModelSettings),
) -> Reply {
    let service = service([answer]).await;
    let mut settings = format.settings(&service.origin());
    change(&mut settings);
    ask_for(&client(&settings), hello()).await
}

pub(crate) async fn play(format: &dyn Speaks, says: &[Say], stop: Option<Stop>) -> Reply {
    play_with(format, answer(format, says, stop), |_| ()).await
}

/// What the service was sent for this request.
pub(crate) async fn sent(
    format: &dyn Speaks,
    request: ModelRequest,
    change: impl FnOnce(&mut ModelSettings),
) -> Captured {
    let done = answer(format, &[Say::Text(&["Hi"])], Some(Stop::Done));
    let service = service([done]).await;
    let mut settings = format.settings(&service.origin());
    change(&mut settings);
    let reply = ask_for(&client(&settings), request).await;
    assert_eq!(reply.text(), "Hi", "{}: {:?}", format.name(), reply.error);
    service.requests().remove(0)
}

pub(crate) fn hello() -> ModelRequest {
    request(vec![user("my card is 4242")], [])
}

pub(crate) fn user(text: &str) -> Message {
    Message::User(text.into())
}

pub(crate) fn result(call: &str, text: &str) -> Message {
    Message::Tool {
        call: call.into(),
        result: text.into(),
    }
}

pub(crate) fn said(text: &str, calls: &[(&str, &str, &str)], opaque: Option<&str>) -> Message {
    let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
        id: (*id).into(),
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    Message::Assistant {
        text: text.into(),
        calls: calls.iter().map(call).collect(),
        opaque: opaque.map(Into::into),
    }
}

/// The last opaque text, after checking that nothing of the response is behind it but its end.
pub(crate) fn opaque(reply: &Reply) -> Option<String> {
    let mut opaque = reply.chunks.iter().filter_map(|chunk| match chunk {
        ModelChunk::Opaque(opaque) | ModelChunk::OpaqueAnywhere(opaque) => Some(opaque.clone()),
        ModelChunk::Text(_)
        | ModelChunk::Call(_)
        | ModelChunk::Finished(_)
        | ModelChunk::Usage(_)
        | ModelChunk::Id(_)
        | ModelChunk::Tries(_) => None,
    });
    opaque.next_back()
}

pub(crate) fn event(name: &str, data: &serde_json::Value) -> Vec<u8> {
    if name.is_empty() {
        format!("data: {}\n\n", halved(data)).into_bytes()
    } else {
        format!("event: {name}\ndata: {}\n\n", halved(data)).into_bytes()
    }
}

/// Stand for the halves of a rocket, each as an escape.
pub(crate) const HALVES: [&str; 2] = ["<HIGH>", "<LOW>"];

/// The document with those escapes, which no JSON value can hold.
pub(crate) fn halved(data: &serde_json::Value) -> String {
    let json = data.to_string();
    json.replace(HALVES[0], "\\ud83d")
        .replace(HALVES[1], "\\ude80")
}
