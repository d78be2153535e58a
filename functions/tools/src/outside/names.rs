//! Resolves a host's name to its addresses, once per call. Knows nothing of allowed addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves hosts' names to addresses.
#[async_trait]
pub trait Names: Send + Sync {
    /// All addresses of a host, in the order to try them.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system: its hosts file and its name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// A resolver for the HTTP client that returns the checked addresses for any name. A later change of the name has no effect.
pub(crate) struct Pinned(pub(crate) Arc<[IpAddr]>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        // Port 0 stands for that of the URL.
        let addresses: Vec<_> = self.0.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}
