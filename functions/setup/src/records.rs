//! Where records and messages are: the stores to choose from.
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
pub(crate) use cloud::{read_secrets, use_default_chain};

use crate::settings::Settings;

/// An opened store with its queue, and what programs have to know about it.
pub(crate) struct Records {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    /// Clock, chance and tasks, under the name that other processes on this store know this one by.
    pub(crate) env: Arc<dyn Env>,
    /// What is closed at the end, if anything.
    pub(crate) file: Option<Arc<dyn Close>>,
    /// The longest that the store may take to answer, its own retries included.
    pub(crate) longest_answer: Duration,
    /// How often a pool sweeps, by what a sweep costs.
    pub(crate) sweep_every: Duration,
    /// Whether other programs than the one that serves customers work on the queue.
    pub(crate) workers_elsewhere: bool,
}

/// A store that leaves something open.
#[async_trait::async_trait]
pub(crate) trait Close: Send + Sync {
    /// Writes what is not written yet, and closes.
    async fn close(&self);
}

/// Opens the store if these settings mean it. The outer result is what can be told without a wait; `None` leaves it to the next opener.
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

/// Begins to open the store that the settings mean.
///
/// # Errors
/// A sentence for the person that started the program.
pub(crate) fn open(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Opening> {
    for opener in OPENERS {
        if let Some(opening) = opener(settings, env)? {
            return Ok(opening);
        }
    }
    anyhow::bail!(
        "BATON_TABLE is not set, and this program was built without the feature `embedded`: it cannot keep anything in {}",
        settings.data.display()
    )
}

#[cfg(not(feature = "aws"))]
fn cloud_is_not_built(settings: &Settings, _: &Arc<dyn Env>) -> anyhow::Result<Option<Opening>> {
    if let Some(cloud) = &settings.cloud {
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
