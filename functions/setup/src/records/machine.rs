//! A SQLite file on this machine.

use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::Env;
use baton_stores::env::SystemEnv;
use baton_stores::presence::{Presence, PresentEnv};
use baton_stores::sqlite::SqliteStore;
use futures_util::FutureExt as _;

use super::{Close, Opening, Records};
use crate::settings::Settings;

/// A sweep of a local file costs almost nothing.
const SWEEP: Duration = Duration::from_secs(3);

/// Accepts all settings without another store: the file has a default.
pub(super) fn open(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Option<Opening>> {
    let path = &settings.keeping.data;
    let file = Arc::new(SqliteStore::open(path, env.clone())?);
    let records = Records {
        queue: Arc::new(file.queue()),
        store: file.clone(),
        env: present_env(path),
        file: Some(file),
        longest_answer: SqliteStore::LONGEST_ANSWER,
        sweep_every: SWEEP,
        workers_elsewhere: false,
    };
    Ok(Some(ready(Ok(records)).boxed()))
}

#[async_trait]
impl Close for SqliteStore {
    async fn close(&self) {
        Self::close(self).await;
    }
}

/// Without a name in the folder this process looks like one of another machine: its conversations wait for the end of their
/// leases.
fn present_env(data: &Path) -> Arc<dyn Env> {
    match Presence::beside(data) {
        Ok(presence) => Arc::new(PresentEnv(presence)),
        Err(error) => {
            tracing::warn!(%error, "the data's folder has no file locks: after a crash, turns wait for the end of their leases");
            Arc::new(SystemEnv)
        }
    }
}
