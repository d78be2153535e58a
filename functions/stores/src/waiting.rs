//! How a queue waits for messages without turning in circles.

use std::pin::pin;
use std::time::Duration;

use baton_handoff::ports::{Env, Millis, millis};
use futures_util::future::select;
use tokio::sync::Notify;

/// Returns when something was sent, or at this moment.
pub(crate) async fn for_message(env: &dyn Env, sent: &Notify, moment: Millis) {
    select(pin!(sent.notified()), env.sleep_until(moment)).await;
}

/// The moment this long after another one.
pub(crate) fn later(moment: Millis, by: Duration) -> Millis {
    moment.saturating_add(millis(by))
}
