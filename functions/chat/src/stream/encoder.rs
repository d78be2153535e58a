//! A stream format: events in, bytes out.

use baton_handoff::event::{Event, Position};
use baton_handoff::ids::ConversationId;
use bytes::BytesMut;

/// Writes the events of one stream for one listener, in the order of their positions. It may keep state from one event to the next.
///
/// A stream may begin anywhere in a turn, because a listener may reconnect. Its last event is the one with
/// [`EventKind::ends_stream`](baton_handoff::event::EventKind::ends_stream): a format with an epilogue writes it then.
pub trait Encoder: Send {
    /// The listener has everything up to here: at the beginning, and where what came before was erased.
    fn begin(&mut self, _after: Position) {}

    /// Appends an event. Some events have no form in some formats.
    fn event(&mut self, out: &mut BytesMut, event: &Event);

    /// Appends the part that a reconnecting listener may lack at the position of `end`, the event that ends its stream. Only a
    /// format that splits such an event into pieces has anything to append.
    fn rest(&mut self, _out: &mut BytesMut, _end: &Event) {}

    /// Keeps proxies and time-outs quiet while nothing happens.
    fn heartbeat(&self) -> &'static [u8];
}

/// A stream format: its media types, and its encoder.
#[derive(Debug)]
pub struct Format {
    /// The media ranges in `Accept` that select it, in lower case and without parameters.
    pub accepted_by: &'static [&'static str],
    /// The `Content-Type` of its streams.
    pub media_type: &'static str,
    /// Makes the encoder of one listener to this conversation.
    pub encoder: fn(&ConversationId) -> Box<dyn Encoder>,
}
