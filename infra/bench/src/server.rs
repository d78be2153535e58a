//! One process under measurement: from its start to its end.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

use crate::client;
use crate::usage::{Cpu, Memory, RunTime};

/// A server that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// Finer than what is measured, coarse enough to leave the processor to the one that starts.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Of its log, when it fails.
const LAST_WORDS: usize = 2000;

/// A process that listens; ended when dropped.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    pub(crate) addr: SocketAddr,
    /// From spawn to the first 200 of `/health`.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts it and waits until it is ready. What it says goes to the file `log`.
    pub(crate) async fn start(
        name: &'static str,
        mut command: Command,
        addr: SocketAddr,
        log: &Path,
    ) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let spawned_at = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut server = Self {
            name,
            child,
            log: log.to_owned(),
            addr,
            ready_after: Duration::ZERO,
        };
        server.wait_until_ready(spawned_at).await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self, spawned_at: Instant) -> Result<()> {
        while spawned_at.elapsed() < READY_WITHIN {
            let probe = tokio::time::timeout(READY_WITHIN, healthy(self.addr));
            if matches!(probe.await, Ok(Ok(true))) {
                self.ready_after = spawned_at.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.last_words());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        bail!(
            "{} was not ready within {READY_WITHIN:?}:\n{}",
            self.name,
            self.last_words()
        )
    }

    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.child.id()).with_context(|| format!("{}:\n{}", self.name, self.last_words()))
    }

    pub(crate) fn run_time(&self) -> Result<RunTime> {
        RunTime::of(self.child.id())
            .with_context(|| format!("{}:\n{}", self.name, self.last_words()))
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
            .with_context(|| format!("{}:\n{}", self.name, self.last_words()))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.ceil_char_boundary(log.len().saturating_sub(LAST_WORDS));
        log.split_at(from).1.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn healthy(addr: SocketAddr) -> Result<bool> {
    // Asked this often, a connection attempt that is refused must cost nothing.
    drop(TcpStream::connect(addr).await?);
    client::get(addr, "/health")
        .await
        .map(|status| status.is_success())
}
