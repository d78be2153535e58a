//! The time-outs, retries and size limits of a client.

use std::time::Duration;

/// The most tokens of one answer; services disagree on the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimit {
    /// `max_tokens`, understood by nearly all.
    MaxTokens(u32),
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    MaxCompletionTokens(u32),
}

impl OutputLimit {
    /// The tokens.
    pub fn tokens(self) -> u32 {
        match self {
            Self::MaxTokens(tokens) | Self::MaxCompletionTokens(tokens) => tokens,
        }
    }
}

/// Time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// For the response's head, from the moment of asking.
    pub first_byte: Duration,
    /// For the next bytes of a response. Comments count: services send them to show that they still work.
    pub silence: Duration,
    /// For a response as a whole, so that comments cannot keep a turn for ever.
    pub response: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(1),
            silence: Duration::from_mins(1),
            response: Duration::from_mins(10),
        }
    }
}

/// How often a request is tried before the first streamed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Tries in all; 1 for no retry.
    pub tries: u32,
    /// Upper end of the first random wait; doubles with every try.
    pub base: Duration,
    /// The longest wait. A service that asks for more gets no further try.
    pub longest: Duration,
    /// No attempt begins later than this after the first one.
    pub total: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            tries: 3,
            base: Duration::from_millis(500),
            longest: Duration::from_secs(20),
            total: Duration::from_secs(45),
        }
    }
}

/// Size limits; a larger response fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one frame (an event or a line) of the stream; one network read may come on top.
    pub event: usize,
    /// Bytes of one call's arguments, id or name.
    pub arguments: usize,
    /// Calls in one response: what one commit can accept.
    pub calls: usize,
    /// Bytes of text in one response.
    pub text: usize,
    /// Bytes of what the service wants back with one response; what is over it is not kept.
    pub opaque: usize,
    /// Frames of one response that bring nothing, such as thoughts.
    pub idle_frames: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            event: 1024 * 1024,
            arguments: 32 * 1024,
            calls: 16,
            text: 1024 * 1024,
            opaque: 64 * 1024,
            idle_frames: 200_000,
        }
    }
}
