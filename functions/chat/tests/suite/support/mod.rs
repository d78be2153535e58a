//! A whole server in this process with a scripted model, and the one client that knows the HTTP interface.

mod client;
mod clock;
mod faults;
mod folder;
mod line;
mod server;
mod service;
mod tool_faults;

use std::time::Duration;

pub(crate) use baton_kit::script::{Asked, clerk};
pub(crate) use client::{Answer, Client, OPERATOR, body};
pub(crate) use clock::Clock;
pub(crate) use faults::{Commits, Faults};
pub(crate) use folder::Folder;
pub(crate) use line::{Line, SseEvent, Turn};
pub(crate) use server::{SESSIONS, Server, Setup};
#[allow(unused_imports, reason = "not every suite plays other services")]
pub(crate) use service::{CHAT, MODEL, OTHERS, Service};
use tokio::sync::{Mutex, MutexGuard};
pub(crate) use tool_faults::ToolFaults;

/// How long a test waits for what it expects. Nothing is measured by it; it only ends a test that would hang.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(20);

/// A turn of a test that fills a server, or the store behind it: beside each other they would wait longer than a server lets its
/// clients wait.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static TURNS: Mutex<()> = Mutex::const_new(());
    TURNS.lock().await
}

/// The value, or a failed test if it does not come.
pub(crate) async fn soon<T>(what: &str, value: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, value)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Looks through the interface until there is something to see.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    soon(what, async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}
