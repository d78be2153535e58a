//! A client, a clock that jumps, and what came of a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_handoff::ports::{
    Env, FinishReason, Message, Millis, Model, ModelChunk, ModelError, ModelErrorKind,
    ModelRequest, ToolDefinition, Usage,
};
use baton_http::Secret;
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{Answer, ScriptedModel};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

pub(crate) const KEY: &str = "sk-very-secret-key";

/// Ends a test that would hang; nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(2);

/// Long before any test's time-out rings by itself.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Sleeps pass at once and are written down; chance is what the test says.
pub(crate) struct Clock {
    now: AtomicU64,
    pub(crate) slept: Mutex<Vec<u64>>,
    random: u128,
}

impl Clock {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_random(0)
    }

    pub(crate) fn with_random(random: u128) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicU64::new(1_800_000_000_000),
            slept: Mutex::default(),
            random,
        })
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn slept(&self) -> Vec<u64> {
        self.slept.lock().unwrap().clone()
    }
}

impl Env for Clock {
    fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        let before = self.now.fetch_max(moment, Ordering::SeqCst);
        self.slept
            .lock()
            .unwrap()
            .push(moment.saturating_sub(before));
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> u128 {
        self.random
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

pub(crate) fn openai(base_url: impl Into<String>) -> ModelSettings {
    ModelSettings::new(Endpoint::OpenAi {
        base_url: base_url.into(),
        model: "gpt-4o".into(),
        key: Some(Secret::new(KEY)),
    })
}

pub(crate) fn client(settings: &ModelSettings) -> Arc<ModelClient> {
    ModelClient::new(settings, Clock::new()).unwrap()
}

pub(crate) fn hello() -> ModelRequest {
    request(vec![Message::User("my card is 4242".into())], [])
}

/// Each tool by its name and its parameters, as the text that is to reach the service.
pub(crate) fn request<'a>(
    messages: Vec<Message>,
    tools: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> ModelRequest {
    let definition = |(name, parameters): (&str, &str)| ToolDefinition {
        name: name.to_owned(),
        description: format!("Describes {name}."),
        parameters: Arc::from(RawValue::from_string(parameters.to_owned()).unwrap()),
    };
    ModelRequest {
        messages,
        tools: tools.into_iter().map(definition).collect(),
    }
}

/// Everything that a stream brought.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) chunks: Vec<ModelChunk>,
    pub(crate) error: Option<ModelError>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        let text = self.chunks.iter().filter_map(|chunk| match chunk {
            ModelChunk::Text(text) => Some(text.as_str()),
            ModelChunk::Call(_)
            | ModelChunk::Finished(_)
            | ModelChunk::Usage(_)
            | ModelChunk::Opaque(_)
            | ModelChunk::OpaqueAnywhere(_)
            | ModelChunk::Id(_)
            | ModelChunk::Tries(_) => None,
        });
        text.collect()
    }

    /// Id, name and arguments of each call, by index.
    pub(crate) fn calls(&self) -> Vec<(String, String, String)> {
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for chunk in &self.chunks {
            let ModelChunk::Call(delta) = chunk else {
                continue;
            };
            let index = delta.index as usize;
            if index == calls.len() {
                let (id, name) = (delta.id.clone().unwrap(), delta.name.clone().unwrap());
                calls.push((id, name, String::new()));
            } else {
                assert_eq!((&delta.id, &delta.name), (&None, &None), "said twice");
            }
            calls[index].2.push_str(&delta.arguments);
        }
        calls
    }

    /// The reason, after checking that it came once and that only the usage is behind it.
    pub(crate) fn finished(&self) -> Option<FinishReason> {
        let at = self
            .chunks
            .iter()
            .position(|chunk| matches!(chunk, ModelChunk::Finished(_)))?;
        assert!(
            self.chunks[at + 1..]
                .iter()
                .all(|chunk| matches!(chunk, ModelChunk::Usage(_))),
            "{:?}",
            self.chunks
        );
        let ModelChunk::Finished(reason) = self.chunks[at] else {
            return None;
        };
        Some(reason)
    }

    pub(crate) fn usages(&self) -> Vec<Usage> {
        let usages = self.chunks.iter().filter_map(|chunk| match chunk {
            ModelChunk::Usage(usage) => Some(*usage),
            ModelChunk::Text(_)
            | ModelChunk::Call(_)
            | ModelChunk::Finished(_)
            | ModelChunk::Opaque(_)
            | ModelChunk::OpaqueAnywhere(_)
            | ModelChunk::Id(_)
            | ModelChunk::Tries(_) => None,
        });
        usages.collect()
    }

    pub(crate) fn kind(&self) -> Option<ModelErrorKind> {
        self.error.as_ref().map(|error| error.kind)
    }
}

/// Asks, reads to the end, and checks that an error is the last thing and says nothing that must not be logged.
pub(crate) async fn ask(model: &Arc<ModelClient>) -> Reply {
    ask_for(model, hello()).await
}

pub(crate) async fn ask_for(model: &Arc<ModelClient>, request: ModelRequest) -> Reply {
    let reply = tokio::time::timeout(PATIENCE, read_all(model, request)).await;
    reply.unwrap()
}

async fn read_all(model: &Arc<ModelClient>, request: ModelRequest) -> Reply {
    let mut reply = Reply::default();
    match Arc::clone(model).stream(request).await {
        Err(error) => reply.error = Some(error),
        Ok(mut stream) => {
            while let Some(item) = stream.next().await {
                assert!(reply.error.is_none(), "{item:?} came after an error");
                match item {
                    Ok(chunk) => reply.chunks.push(chunk),
                    Err(error) => reply.error = Some(error),
                }
            }
        }
    }
    if let Some(error) = &reply.error {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY) && !shown.contains("4242"), "{shown}");
    }
    reply
}

/// One answer, one request.
pub(crate) async fn play(answer: Answer) -> Reply {
    let model = ScriptedModel::start([answer]).await;
    ask(&client(&openai(model.url()))).await
}
