//! Stores and queues to choose from.
//!
//! A new store is a file beside [`machine`] with an [`Opener`], and a line in [`OPENERS`]. The first opener that recognises the settings
//! wins.

#[cfg(feature = "aws")]
mod cloud;
#[cfg(feature = "embedded")]
mod machine;

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Env, Queue, Store};
use futures_util::future::BoxFuture;

#[cfg(feature = "aws")]
pub(crate) use cloud::{read_secrets, table, use_default_chain};

use crate::settings::Settings;

/// An opened store with its queue, and its properties for programs.
pub(crate) struct Records {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    /// Clock, randomness and tasks, under this process's name for other processes on the store.
    pub(crate) env: Arc<dyn Env>,
    /// Closed at the end, if there is something to close.
    pub(crate) file: Option<Arc<dyn Close>>,
    /// The longest time for an answer of the store, its own retries included.
    pub(crate) longest_answer: Duration,
    /// How often a pool sweeps, by the cost of a sweep.
    pub(crate) sweep_every: Duration,
    /// Whether other programs than the HTTP server work on the queue.
    pub(crate) workers_elsewhere: bool,
}

/// A store that must be closed.
#[async_trait::async_trait]
pub(crate) trait Close: Send + Sync {
    /// Writes all pending data, and closes.
    async fn close(&self);
}

/// Opens the store if these settings choose it. The outer result needs no wait; `None` leaves the settings to the next opener.
type Opener = fn(&Settings, &Arc<dyn Env>) -> anyhow::Result<Option<Opening>>;

/// A store that is being opened.
pub(crate) type Opening = BoxFuture<'static, anyhow::Result<Records>>;

const OPENERS: &[Opener] = &[
    #[cfg(feature = "aws")]
    cloud::open,
    #[cfg(not(feature = "aws"))]
    cloud_is_not_built,
    #[cfg(feature = "embedded")]
    machine::open,
];

/// Begins to open the store that the settings choose.
///
/// # Errors
/// A sentence for the operator that started the program.
pub(crate) fn open(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Opening> {
    for opener in OPENERS {
        if let Some(opening) = opener(settings, env)? {
            return Ok(opening);
        }
    }
    anyhow::bail!(
        "BATON_TABLE is not set, and this program was built without the feature `embedded`: it cannot keep anything in {}",
        settings.keeping.data.display()
    )
}

#[cfg(not(feature = "aws"))]
fn cloud_is_not_built(settings: &Settings, _: &Arc<dyn Env>) -> anyhow::Result<Option<Opening>> {
    if let Some(cloud) = &settings.keeping.cloud {
        anyhow::bail!(
            "BATON_TABLE={} is set, and this program was built without the feature `aws`",
            cloud.table
        );
    }
    Ok(None)
}

#[cfg(not(feature = "aws"))]
#[expect(
    clippy::unused_async,
    reason = "with the feature `aws` it waits for AWS"
)]
pub(crate) async fn use_default_chain(_: &Settings) -> anyhow::Result<()> {
    Ok(())
}
