//! The resources of tools of every kind: a store, time, secrets, and the network with its bounds.
//! Knows names and addresses; never a protocol or a tool.

mod address;
mod names;

use std::sync::Arc;

use baton_handoff::ports::{Env, Store};

pub use address::{Network, NotANetwork};
pub use names::{Names, SystemNames};

pub(crate) use address::Class;
pub(crate) use names::Pinned;

use crate::tokens::ToolTokens;

/// The resources of tools.
pub struct Outside<'a> {
    /// For tools with their own records.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub env: Arc<dyn Env>,
    /// Signs the tokens that services get; none are sent without it.
    pub tokens: Option<Arc<ToolTokens>>,
    /// The value of an environment variable, for secrets.
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// Private networks that every tool may reach; the team file may allow more for a tool.
    pub networks: Vec<Network>,
    /// Hosts of other machines that secrets may be sent to without TLS.
    pub plain_hosts: Vec<String>,
    /// Certificates (DER) to trust besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Resolves hosts' names to addresses.
    pub names: Arc<dyn Names>,
    /// Whether programs may be started beside this one.
    pub runs_programs: bool,
}
