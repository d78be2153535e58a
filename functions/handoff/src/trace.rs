//! The trace of a turn, read from its journal and not from the process that ran it: a crash loses no span, a repeat has the same ids,
//! and an old turn can be traced afterwards. What a span is called and carries stands in [`names`]. No prompt, answer or argument is
//! in it, whatever is set.

mod action;
mod draw;
mod ids;
pub mod names;
mod send;
mod span;
mod turn;

pub use ids::{SpanContext, SpanId, TraceId};
pub use span::{Attribute, Kind, Span, SpanEvent, Trace, Value};
