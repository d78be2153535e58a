//! What tools of every kind are given of the world: a store, time, secrets, and the network with its bounds.
//! Knows names and addresses; never a protocol, nor a tool.

mod address;
mod names;

use std::sync::Arc;

use baton_handoff::ports::{Env, Store};

pub use address::{Network, NotANetwork};
pub use names::{Names, SystemNames};

pub(crate) use address::Class;
pub(crate) use names::Pinned;

/// What tools are given of the world.
pub struct Outside<'a> {
    /// For tools that keep something.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub env: Arc<dyn Env>,
    /// The value of an environment variable, for secrets.
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// Private networks that every tool may reach; the team file may allow more for a tool.
    pub networks: Vec<Network>,
    /// Certificates (DER) to trust besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Leads from the names of hosts to their addresses.
    pub names: Arc<dyn Names>,
}
