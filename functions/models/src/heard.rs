//! For tests: what a decoder makes of a body, however the network cuts it.

use std::convert::Infallible;

use baton_handoff::ports::{FinishReason, ModelChunk, ModelErrorKind, Usage};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::limits::{Bounds, Patience};
use crate::transport::response::Chunks;
use crate::wire::WireFormat;

/// An answer as its reader has it at the end.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// Name and arguments.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) ids: Vec<String>,
    pub(crate) finished: Option<FinishReason>,
    pub(crate) failed: Option<ModelErrorKind>,
    pub(crate) opaque: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) response: Option<String>,
}

impl Heard {
    /// Names and arguments, to compare with.
    pub(crate) fn calls(&self) -> Vec<(&str, &str)> {
        let calls = self.calls.iter();
        calls
            .map(|(name, arguments)| (name.as_str(), arguments.as_str()))
            .collect()
    }
}

/// The answer in this body: the same whole, byte by byte, and cut in two at every byte.
pub(crate) fn heard(format: &dyn WireFormat, body: &str) -> Heard {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let whole = read(format, vec![bytes.clone()]);
    let single = (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect();
    assert_eq!(read(format, single), whole, "byte by byte: {body}");
    for at in 1..bytes.len() {
        let halves = vec![bytes.slice(..at), bytes.slice(at..)];
        assert_eq!(read(format, halves), whole, "cut at {at}: {body}");
    }
    whole
}

pub(crate) fn read(format: &dyn WireFormat, pieces: Vec<Bytes>) -> Heard {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(async {
        let body = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        let (framing, decoder) = (format.framing(), format.decoder());
        let patience = Patience::default();
        let chunks = Chunks::new(body, framing, decoder, &patience, &Bounds::default(), 1);
        let mut heard = Heard::default();
        for item in chunks.collect::<Vec<_>>().await {
            assert_eq!(heard.failed, None, "{item:?} behind a failure");
            match item {
                Ok(chunk) => heard.take(chunk),
                Err(error) => heard.failed = Some(error.kind),
            }
        }
        heard
    })
}

impl Heard {
    fn take(&mut self, chunk: ModelChunk) {
        match chunk {
            ModelChunk::Text(text) => self.text.push_str(&text),
            ModelChunk::Call(delta) => {
                if let (Some(id), Some(name)) = (delta.id, delta.name) {
                    self.ids.push(id);
                    self.calls.push((name, String::new()));
                }
                self.calls[delta.index as usize].1 += &delta.arguments;
            }
            ModelChunk::Finished(reason) => {
                assert_eq!(self.finished.replace(reason), None, "finished twice");
            }
            ModelChunk::Usage(usage) => self.usage = Some(usage),
            ModelChunk::Opaque(opaque) | ModelChunk::OpaqueAnywhere(opaque) => {
                self.opaque = Some(opaque);
            }
            ModelChunk::Id(id) => self.response = Some(id),
            ModelChunk::Tries(tries) => panic!("{tries} tries"),
        }
    }
}
