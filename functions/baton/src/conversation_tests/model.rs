//! Asks a model that is no agent: a judge or a simulated customer. Bounded in time and in what is read, and counted.
//! Knows the port; never what the answer is for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use baton_handoff::ports::{Model, ModelChunk, ModelRequest, Usage};
use futures_util::StreamExt;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is read of one answer, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Tokens by model, of all calls that are no agent's.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<BTreeMap<String, (u64, Usage)>>);

impl Meter {
    fn add(&self, model: &str, usage: Usage) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, sum) = models.entry(model.to_owned()).or_default();
        *calls += 1;
        *sum += usage;
    }

    /// Calls and tokens of each model.
    pub(super) fn read(&self) -> BTreeMap<String, (u64, Usage)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    /// The arguments of its first call.
    pub(super) arguments: String,
}

/// Asks a model once.
pub(super) async fn ask(
    model: Arc<dyn Model>,
    request: ModelRequest,
    meter: &Meter,
) -> anyhow::Result<Answer> {
    let name = model.name().to_owned();
    let mut usage = Usage::default();
    let read = tokio::time::timeout(PATIENCE, read(model, request, &mut usage)).await;
    // A call that failed has its price too.
    meter.add(&name, usage);
    let seconds = PATIENCE.as_secs();
    read.with_context(|| format!("{name} did not answer within {seconds} s"))?
}

async fn read(
    model: Arc<dyn Model>,
    request: ModelRequest,
    usage: &mut Usage,
) -> anyhow::Result<Answer> {
    let mut stream = model.stream(request).await?;
    let mut answer = Answer::default();
    // The stream ends with the answer; the port bounds its time.
    while let Some(chunk) = stream.next().await {
        match chunk? {
            ModelChunk::Text(text) => answer.text.push_str(&text),
            ModelChunk::Call(call) if call.index == 0 => answer.arguments.push_str(&call.arguments),
            ModelChunk::Usage(more) => *usage += more,
            ModelChunk::Call(_)
            | ModelChunk::Finished(_)
            | ModelChunk::Opaque(_)
            | ModelChunk::OpaqueAnywhere(_)
            | ModelChunk::Id(_)
            | ModelChunk::Tries(_) => {}
        }
        anyhow::ensure!(
            answer.text.len() + answer.arguments.len() <= MOST_BYTES,
            "the answer is longer than {MOST_BYTES} bytes"
        );
    }
    Ok(answer)
}
