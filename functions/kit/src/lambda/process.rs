//! A process of a function, as its runtime environment starts it.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{Api, PATIENCE};

/// Killed when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it with these settings, and with nothing of this machine's.
    pub fn start(binary: &Path, api: &Api, settings: &[(&str, String)]) -> Self {
        let name = binary.file_stem().unwrap().to_str().unwrap();
        let environment = [
            ("AWS_LAMBDA_RUNTIME_API", api.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ];
        Self::outside(binary, &[&environment, settings].concat())
    }

    /// The same outside of Lambda.
    pub fn outside(binary: &Path, settings: &[(&str, String)]) -> Self {
        let child = Command::new(binary)
            .env_clear()
            .env("AWS_REGION", "eu-central-1")
            .env("BATON_LOG", "warn")
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        Self { child }
    }

    /// Asks it to end, as an environment that is taken down does.
    pub fn terminate(&self) {
        let id = self.child.id().expect("a process that runs");
        let pid = Pid::from_raw(id.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Its status, once it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait());
        ended.await.expect("the process ends").unwrap()
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
