//! A hash of what stands before a response in its request. What a service signed holds only behind the same words.

use sha2::{Digest, Sha256};

use crate::ids::hex;
use crate::ports::{Message, ModelRequest, ToolDefinition};

/// Bytes of the hash that are kept: as many as no two requests of a conversation share by chance.
const KEPT: usize = 16;

/// The hash of the beginning of a request.
pub(super) struct Prefix(Sha256);

/// The hash of a whole request.
pub(super) fn of(request: &ModelRequest) -> String {
    let mut prefix = Prefix::new(&request.tools);
    for message in &request.messages {
        prefix.add(message);
    }
    prefix.so_far()
}

impl Prefix {
    /// Of a request with these tools and no message.
    pub(super) fn new(tools: &[ToolDefinition]) -> Self {
        let mut prefix = Self(Sha256::new());
        for tool in tools {
            prefix.part("tool", &tool.name);
            prefix.part("", &tool.description);
            prefix.part("", tool.parameters.get());
        }
        prefix
    }

    /// One more message.
    pub(super) fn add(&mut self, message: &Message) {
        match message {
            Message::System(text) => self.part("system", text),
            Message::User(text) => self.part("user", text),
            Message::Assistant {
                text,
                calls,
                opaque,
            } => {
                self.part("assistant", text);
                for call in calls.iter() {
                    self.part("call", &call.id);
                    self.part("", &call.name);
                    self.part("", &call.arguments);
                }
                if let Some(opaque) = opaque {
                    self.part("opaque", opaque);
                }
            }
            Message::Tool { call, result } => {
                self.part("result", call);
                self.part("", result);
            }
        }
    }

    /// The hash up to here.
    pub(super) fn so_far(&self) -> String {
        let digest = self.0.clone().finalize();
        hex(digest.get(..KEPT).unwrap_or_default())
    }

    /// With its length, so that no two lists of parts have the same bytes.
    fn part(&mut self, kind: &str, text: &str) {
        self.0.update(kind);
        self.0.update(text.len().to_be_bytes());
        self.0.update(text);
    }
}
