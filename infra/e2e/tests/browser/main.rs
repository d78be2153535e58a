//! The page in a real browser, against the real `local`: what a customer and an operator see. [`lambda`] is against the real
//! `chat`, under a stand-in of the Lambda runtime.
//!
//! Needs Debian's chromium (`BATON_CHROMIUM`, default `/usr/bin/chromium`), axe-core (`BATON_AXE`: its `axe.min.js`) and
//! the binaries `local` and `chat` in the same target folder; `./infra/test browser` brings all of them. Each test has a server, a data
//! file and a browser of its own. Nothing sleeps: the document is looked at until it shows what is expected, or time is up.
//! Every main state is left as a picture in `target/screenshots`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this is test code"
)]

mod access;
mod browser;
mod choppy;
mod complaints;
mod confirm;
mod control;
mod conversation;
mod conversations;
mod desk;
mod desk_lists;
mod fallback;
mod folder;
mod identity;
mod keyboard;
mod lambda;
mod long;
mod look;
mod owners;
mod recovery;
mod safety;
mod server;
mod tab;

use std::time::Duration;

/// How long a test waits for what it expects. Nothing is measured by it; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(30);
