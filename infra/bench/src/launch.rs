//! Who is started, and how: this program again in another role, and the real `local`.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::server::Server;

const TEAM: &str = r#"name = "Bench"
entry = "Shop"
[[agent]]
name = "Shop"
instructions = "You sell anvils. Order what the customer asks for."
tools = ["execute_order"]
[[tool]]
name = "execute_order"
kind = "action"
description = "Orders a product."
[tool.parameters.product]
type = "string"
[tool.parameters.price]
type = "integer"
"#;

/// How the servers talk to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelProtocol {
    /// One connection for each call that runs: the default of both.
    Http1,
    /// All calls over one connection, known beforehand.
    Http2,
}

/// Starts processes; their files are in a folder of the working directory, on whose disk the commits are measured.
pub(crate) struct Launcher {
    myself: PathBuf,
    local: Option<PathBuf>,
    pub(crate) scratch: Scratch,
    started: Cell<u32>,
}

/// A folder that goes when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::current_dir()?.join(format!(".baton-bench-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("baton-bench: {} stays: {error}", self.0.display());
        }
    }
}

impl Launcher {
    /// Takes this `local`, or builds the one that belongs to this program, where one is wanted.
    pub(crate) fn new(local: Option<&Path>, is_wanted: bool) -> Result<Self> {
        let myself = std::env::current_exe().context("cannot find this program")?;
        let local = match local {
            Some(path) => Some(
                path.canonicalize()
                    .with_context(|| format!("cannot find {}", path.display()))?,
            ),
            None if is_wanted => Some(build(&myself, "local", &["--package", "baton-chat"], &[])?),
            None => None,
        };
        Ok(Self {
            myself,
            local,
            scratch: Scratch::new()?,
            started: Cell::new(0),
        })
    }

    /// A model that says this many words, one after each delay.
    pub(crate) async fn model(&self, words: usize, delay: Duration) -> Result<Server> {
        self.model_with(words, delay, &[]).await
    }

    /// With more of its arguments.
    pub(crate) async fn model_with(
        &self,
        words: usize,
        delay: Duration,
        more: &[&str],
    ) -> Result<Server> {
        let addr = free_address()?;
        let mut command = Command::new(&self.myself);
        command
            .arg("serve-model")
            .args(["--addr", &addr.to_string()])
            .args(["--words", &words.to_string()]);
        command
            .args(["--delay-ms", &delay.as_millis().to_string()])
            .args(more);
        Server::start("the model stand-in", command, addr, &self.file("log")).await
    }

    pub(crate) async fn relay(&self, model: &Server, protocol: ModelProtocol) -> Result<Server> {
        let addr = free_address()?;
        let mut command = Command::new(&self.myself);
        command
            .arg("serve-relay")
            .args(["--addr", &addr.to_string()])
            .args(["--model-url", &url(model)]);
        if protocol == ModelProtocol::Http2 {
            command.arg("--http2");
        }
        Server::start("the relay", command, addr, &self.file("log")).await
    }

    /// Baton on a new data file, asking this model.
    pub(crate) async fn baton(&self, model: &Server, protocol: ModelProtocol) -> Result<Server> {
        let mut settings = vec![("BATON_MODEL_URL", url(model).into())];
        if protocol == ModelProtocol::Http2 {
            settings.push(("BATON_MODEL_HTTP2", "true".into()));
        }
        self.baton_with(&self.file("db"), settings).await
    }

    /// Baton on this data file, which others may have open too, with this team.
    pub(crate) async fn baton_on(
        &self,
        data: &Path,
        team: &Path,
        model: &Server,
    ) -> Result<Server> {
        let settings = vec![
            ("BATON_MODEL_URL", url(model).into()),
            ("BATON_TEAM", team.into()),
        ];
        self.baton_with(data, settings).await
    }

    /// A team of one agent, in a file: what customers get without hand-offs.
    pub(crate) fn team(&self, more: &str) -> Result<PathBuf> {
        let file = self.file("toml");
        fs::write(&file, format!("{TEAM}{more}"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Baton as its first command starts it, with the rehearsal model inside, on this data file.
    pub(crate) async fn baton_alone(&self, data: &Path) -> Result<Server> {
        self.baton_with(data, Vec::new()).await
    }

    async fn baton_with(&self, data: &Path, settings: Vec<(&str, OsString)>) -> Result<Server> {
        let addr = free_address()?;
        let local = self
            .local
            .as_deref()
            .context("`local` was said not to be wanted")?;
        let mut command = Command::new(local);
        // Neither the caller's settings nor a `.env` of the working directory may change what is measured.
        command
            .env_clear()
            .current_dir(self.scratch.path())
            .envs(settings);
        command
            .env("BATON_ADDR", addr.to_string())
            .env("BATON_DATA", data)
            .env("BATON_BOUNDS", "off")
            .env("BATON_LOG", "warn");
        Server::start("Baton", command, addr, &self.file("log")).await
    }

    /// The bare function, with the SDK as it comes, and the function `chat` as it is deployed.
    pub(crate) fn functions(&self) -> Result<(PathBuf, PathBuf)> {
        let bare = [
            "--package=baton-bare-function",
            "--features=baton-bare-function/sdk-https",
        ];
        // What `[workspace.metadata.lambda.build]` says.
        let chat = [
            "--package=baton-chat",
            "--package=baton-worker",
            "--no-default-features",
            "--features=baton-chat/aws,baton-worker/aws",
        ];
        let deployed: Vec<(&str, &str)> = include_str!("../../function.env")
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let bare = build(&self.myself, "bare-function", &bare, &deployed)?;
        Ok((bare, build(&self.myself, "chat", &chat, &deployed)?))
    }

    /// A file name that is new in this run.
    pub(crate) fn file(&self, extension: &str) -> PathBuf {
        let number = self.started.get() + 1;
        self.started.set(number);
        self.scratch.path().join(format!("{number}.{extension}"))
    }
}

pub(crate) fn url(model: &Server) -> String {
    format!("http://{}/v1", model.addr)
}

/// Free a moment ago: good enough on a machine that is quiet, as it has to be anyway.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?)
}

/// Cargo knows best whether it is stale. A build of its own, because one together with this program would unite their features.
fn build(
    myself: &Path,
    program: &str,
    selection: &[&str],
    profile_settings: &[(&str, &str)],
) -> Result<PathBuf> {
    let profile = myself.parent().context("this program lies nowhere")?;
    // Above it there is a folder of the target platform where one was asked for.
    let mut target = profile
        .parent()
        .context("this program is not in Cargo's target folder; name a binary by --local")?;
    if std::env::var_os("CARGO_BUILD_TARGET").is_some_and(|triple| target.ends_with(triple)) {
        target = target.parent().unwrap_or(target);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--bin", program])
        .args(selection)
        .envs(profile_settings.iter().copied())
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let status = build
        .status()
        .with_context(|| format!("cannot run cargo to build `{program}`"))?;
    ensure!(status.success(), "`{program}` does not build");
    let binary = profile.join(program);
    if !binary.exists() {
        bail!("cargo built `{program}`, but not as {}", binary.display());
    }
    Ok(binary)
}
