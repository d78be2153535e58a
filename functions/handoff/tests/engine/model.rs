//! A model that answers as a test has written down.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_handoff::ports::{
    CallDelta, FinishReason, Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest,
    ModelStream, Usage,
};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::watch;

/// One response.
#[derive(Clone)]
pub(crate) struct Reply {
    chunks: Vec<Result<ModelChunk, ModelError>>,
    /// How many chunks come before the gate.
    before_gate: usize,
    gate: Option<watch::Receiver<bool>>,
    /// How long it takes until it begins.
    takes: Duration,
}

impl Reply {
    /// Goes on with another one, as if it had not ended before.
    pub(crate) fn and(self, other: Self) -> Self {
        let goes_on = |chunk: &Result<_, _>| !matches!(chunk, Ok(ModelChunk::Finished(_)));
        let chunks = self.chunks.into_iter().filter(goes_on);
        let both = of(chunks.chain(other.chunks).collect());
        if self.gate.is_none() {
            return both;
        }
        Self {
            before_gate: self.before_gate,
            gate: self.gate,
            ..both
        }
    }
}

/// Lets a reply go on that waits for it.
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }
}

fn of(chunks: Vec<Result<ModelChunk, ModelError>>) -> Reply {
    Reply {
        before_gate: chunks.len(),
        chunks,
        gate: None,
        takes: Duration::ZERO,
    }
}

/// Says these pieces of text.
pub(crate) fn says(pieces: &[&str]) -> Reply {
    let text = pieces
        .iter()
        .map(|piece| Ok(ModelChunk::Text((*piece).to_owned())));
    of(text
        .chain([Ok(ModelChunk::Finished(FinishReason::Stop))])
        .collect())
}

/// Says this, and no more before the gate is opened.
pub(crate) fn says_and_waits(text: &str) -> (Reply, Gate) {
    let (gate, opened) = watch::channel(false);
    let reply = Reply {
        before_gate: 1,
        gate: Some(opened),
        ..says(&[text])
    };
    (reply, Gate(gate))
}

/// The same, and takes so long until it begins.
pub(crate) fn after(milliseconds: u64, reply: Reply) -> Reply {
    Reply {
        takes: Duration::from_millis(milliseconds),
        ..reply
    }
}

/// Calls these tools with these arguments.
pub(crate) fn calls(calls: &[(&str, &str)]) -> Reply {
    let calls = calls.iter().zip(0..).map(|((name, arguments), index)| {
        Ok(ModelChunk::Call(CallDelta {
            index,
            id: Some(format!("call-{index}")),
            name: Some((*name).to_owned()),
            arguments: (*arguments).to_owned(),
        }))
    });
    of(calls
        .chain([Ok(ModelChunk::Finished(FinishReason::Stop))])
        .collect())
}

/// The same, with the tokens that the service has counted.
pub(crate) fn counted(reply: Reply, usage: Usage) -> Reply {
    let mut chunks = reply.chunks;
    chunks.push(Ok(ModelChunk::Usage(usage)));
    of(chunks)
}

/// The same, and behind it what else a service tells.
pub(crate) fn with(reply: Reply, chunk: ModelChunk) -> Reply {
    let mut chunks = reply.chunks;
    chunks.push(Ok(chunk));
    of(chunks)
}

/// Says this, and breaks off.
pub(crate) fn breaks_behind(text: &str, kind: ModelErrorKind) -> Reply {
    let error = ModelError::new(kind, "as the test says");
    of(vec![Ok(ModelChunk::Text(text.to_owned())), Err(error)])
}

/// A whole response with nothing in it.
pub(crate) fn empty() -> Reply {
    says(&[])
}

/// Fails.
pub(crate) fn fails(kind: ModelErrorKind) -> Reply {
    of(vec![Err(ModelError::new(kind, "as the test says"))])
}

/// Answers by what it is asked.
type Answers = Box<dyn Fn(&ModelRequest) -> Reply + Send>;

/// The replies to come, and what was asked.
#[derive(Default)]
pub(crate) struct Script {
    /// The models that a team file names.
    named: Mutex<BTreeMap<String, Arc<Script>>>,
    name: Option<String>,
    otherwise: Mutex<Option<Answers>>,
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<ModelRequest>>,
}

impl Script {
    /// Answers with these, one after the other, behind those that it has.
    pub(crate) fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    /// Answers so when it has no reply.
    pub(crate) fn otherwise(&self, answers: impl Fn(&ModelRequest) -> Reply + Send + 'static) {
        *self.otherwise.lock().unwrap() = Some(Box::new(answers));
    }

    /// Another model, under this name.
    pub(crate) fn named(&self, name: &str) -> Arc<Self> {
        let mut named = self.named.lock().unwrap();
        let new = || {
            Arc::new(Self {
                name: Some(name.to_owned()),
                ..Self::default()
            })
        };
        named.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// The messages of all requests.
    pub(crate) fn all_asked(&self) -> Vec<Vec<Message>> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|request| request.messages.clone())
            .collect()
    }

    /// All requests, as they were sent.
    pub(crate) fn requests(&self) -> Vec<ModelRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub(crate) fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// All texts of the last request: instructions, messages, results.
    pub(crate) fn last_asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let messages = asked.last().unwrap().messages.iter();
        let text = |message: &Message| match message {
            Message::System(text) | Message::User(text) | Message::Assistant { text, .. } => {
                text.to_string()
            }
            Message::Tool { result, .. } => result.to_string(),
        };
        messages.map(text).collect()
    }
}

impl Model for Script {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("scripted")
    }

    fn named(&self, name: &str) -> Option<Arc<dyn Model>> {
        let named = self.named.lock().unwrap().get(name).cloned();
        named.map(|model| model as Arc<dyn Model>)
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let reply = self.replies.lock().unwrap().pop_front();
        let otherwise = self.otherwise.lock().unwrap();
        let otherwise = || otherwise.as_ref().map(|answers| answers(&request));
        let reply = reply.or_else(otherwise);
        let reply = reply.unwrap_or_else(|| says(&["Nothing to say."]));
        self.asked.lock().unwrap().push(request);
        let mut before = reply.chunks;
        let behind = before.split_off(reply.before_gate);
        let gate = async move {
            if let Some(mut gate) = reply.gate {
                // A gate that is gone is never opened.
                if gate.wait_for(|open| *open).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            stream::iter(behind)
        };
        let chunks = stream::iter(before).chain(stream::once(gate).flatten());
        async move {
            if !reply.takes.is_zero() {
                tokio::time::sleep(reply.takes).await;
            }
            Ok(Box::pin(chunks) as ModelStream)
        }
        .boxed()
    }
}
