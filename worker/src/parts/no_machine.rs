//! In place of file and script, in programs without the feature `embedded`, as functions are deployed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::Env;
use tokio_util::sync::CancellationToken;

use super::Records;

/// There is none.
pub(super) enum File {}

impl File {
    #[expect(clippy::unused_async, reason = "the other one waits for a disk")]
    pub(super) async fn close(&self) {
        match *self {}
    }
}

pub(super) fn open(path: &Path, _: &Arc<dyn Env>) -> anyhow::Result<Records> {
    anyhow::bail!(
        "BATON_TABLE is not set, and this program was built without the feature `embedded`: it cannot keep anything in {}",
        path.display()
    )
}

#[expect(clippy::unused_async, reason = "the other one waits for a port")]
pub(super) async fn start_rehearsal(_: Duration, _: CancellationToken) -> anyhow::Result<String> {
    anyhow::bail!(
        "BATON_MODEL_URL names no model's address, and this program was built without the rehearsal model, the feature `embedded`"
    )
}
