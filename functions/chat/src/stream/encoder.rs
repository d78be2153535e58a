//! What a stream format is: events in, bytes out.

use baton_handoff::event::Event;
use baton_handoff::ids::ConversationId;
use bytes::BytesMut;

/// Writes the events of one stream for one listener, in the order of their positions. It may keep state from one event to the next.
///
/// A stream may begin anywhere in a turn, because a listener may come back. Its last event is the one of which
/// [`EventKind::ends_stream`](baton_handoff::event::EventKind::ends_stream) is true: a format that has an epilogue writes it then.
pub trait Encoder: Send {
    /// Appends an event. Some events have no form in some formats.
    fn event(&mut self, out: &mut BytesMut, event: &Event);

    /// Appends what may be missing to a listener that comes back and names the position of `end`, the event that ends its stream.
    /// Only a format that cuts such an event into pieces has anything to append.
    fn rest(&mut self, _out: &mut BytesMut, _end: &Event) {}

    /// Keeps proxies and time-outs quiet while nothing happens.
    fn heartbeat(&self) -> &'static [u8];
}

/// A stream format: how a client asks for it, and the encoder that writes it.
#[derive(Debug)]
pub struct Format {
    /// The media ranges in `Accept` that ask for it, in lower case and without parameters.
    pub accepted_by: &'static [&'static str],
    /// The `Content-Type` of its streams.
    pub media_type: &'static str,
    /// Makes the encoder of one listener to this conversation.
    pub encoder: fn(&ConversationId) -> Box<dyn Encoder>,
}
