//! Sends traces to where an operator looks at them.

use async_trait::async_trait;

use super::Delivered;
use crate::trace::Trace;

/// Exports traces, in the protocol of whoever takes them.
#[async_trait]
pub trait Traces: Send + Sync {
    /// Where they are sent, for people.
    fn address(&self) -> &str;

    /// One attempt, of [`Webhook::TIMEOUT`](crate::team::Webhook::TIMEOUT) at most. The same trace may be sent more than once, with the
    /// same ids.
    async fn send(&self, trace: &Trace) -> Delivered;
}
