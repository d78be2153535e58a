//! The parts that need nothing but this machine: a file, and a model from a script.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use baton_backends::env::SystemEnv;
use baton_backends::presence::{Presence, PresentEnv};
use baton_backends::sqlite::SqliteStore;
use baton_handoff::ports::Env;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Records;

/// What is closed at the end.
pub(super) type File = SqliteStore;

pub(super) fn open(path: &Path, env: &Arc<dyn Env>) -> anyhow::Result<Records> {
    let file = Arc::new(SqliteStore::open(path, env.clone())?);
    Ok(Records {
        queue: Arc::new(file.queue()),
        store: file.clone(),
        file: Some(file),
        env: present_env(path),
        longest_answer: SqliteStore::LONGEST_ANSWER,
    })
}

/// Without a name in the folder this process is like one of another machine: what it leaves behind is waited for.
fn present_env(data: &Path) -> Arc<dyn Env> {
    match Presence::beside(data) {
        Ok(presence) => Arc::new(PresentEnv(presence)),
        Err(error) => {
            tracing::warn!(%error, "after a crash, turns will wait for the end of their leases: the data's folder has no file locks");
            Arc::new(SystemEnv)
        }
    }
}

/// The rehearsal model on a free port of loopback, reached like any other service.
pub(super) async fn start_rehearsal(
    word_delay: Duration,
    stop: CancellationToken,
) -> anyhow::Result<String> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("the rehearsal model found no free port on loopback")?;
    let address = listener.local_addr()?;
    let settings = baton_rehearsal::Settings { word_delay };
    tokio::spawn(async move {
        let stopped = async move { stop.cancelled().await };
        if let Err(error) = baton_rehearsal::serve(listener, settings, stopped).await {
            tracing::error!(%error, "the rehearsal model ended");
        }
    });
    Ok(format!("http://{address}/v1"))
}
