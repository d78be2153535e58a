//! One request to a service, within safe limits: the host is resolved once, its addresses are checked and pinned. No redirect, no
//! proxy, no retry; time is bounded. Knows nothing of tools; reports with a failure whether anything may have been sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::outside::{Class, Names, Network, Pinned};
use baton_http::chain;
use baton_http::suspended::{self, Late};

/// The time limits for resolving a name and for connecting, unless a third of the tool's time-out is less. A request that fails
/// before both are done was certainly not sent.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The most addresses tried of one host.
const MAX_ADDRESSES: usize = 8;

/// One request.
pub(crate) struct Question<'a> {
    /// The name of the tool or server, for the log.
    pub(crate) of: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    pub(crate) allow_private: bool,
    /// The time limit for everything.
    pub(crate) timeout: Duration,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The host has no address that this tool may call. Nothing was sent.
    Barred,
    /// Nothing was sent; the reason.
    NotSent(&'static str),
    /// The request was sent, wholly or in part, and no answer came; the reason.
    Cut(&'static str),
}

/// This process's way to services.
pub(crate) struct Line {
    names: Arc<dyn Names>,
    /// Private networks that every tool may reach.
    networks: Vec<Network>,
    tls: ClientConfig,
}

impl Line {
    pub(crate) fn new(
        names: Arc<dyn Names>,
        networks: Vec<Network>,
        mut tls: ClientConfig,
    ) -> Self {
        // One request per connection: HTTP/2 has no advantage here and more ways to fail.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            names,
            networks,
            tls,
        }
    }

    pub(crate) fn may_reach(&self, address: IpAddr, allow_private: bool) -> bool {
        match Class::of(address) {
            Class::Public => true,
            Class::Private => {
                allow_private
                    || self
                        .networks
                        .iter()
                        .any(|network| network.contains(address))
            }
            Class::Forbidden => false,
        }
    }

    /// Sends the request and waits for the head of an answer. The caller reads the body, by the same deadline.
    pub(crate) async fn send(
        &self,
        question: Question<'_>,
        deadline: Instant,
    ) -> Result<Response, NoAnswer> {
        let patience = (question.timeout / 3).min(LONGEST_CONNECT);
        let addresses = self.checked_addresses(&question, patience).await?;
        let client = match self.client(addresses, patience) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(of = question.of, error = %chain(&error), "no HTTP client can be made");
                return Err(NoAnswer::NotSent("no request could be made"));
            }
        };
        let mut request = client
            .request(question.method, question.url)
            .headers(question.headers);
        if let Some(body) = question.body {
            request = request.body(body);
        }
        match suspended::until(deadline, request.send()).await {
            Err(Late) => Err(NoAnswer::Cut("no answer came in time")),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let unsent = error.is_connect() || error.is_builder();
                let error = chain(&error.without_url());
                tracing::warn!(of = question.of, %error, unsent, "a service did not answer");
                Err(if unsent {
                    NoAnswer::NotSent("no connection could be made")
                } else {
                    NoAnswer::Cut("the connection was cut before an answer came")
                })
            }
        }
    }

    /// The only resolution of the name; the client connects to the returned addresses.
    async fn checked_addresses(
        &self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Arc<[IpAddr]>, NoAnswer> {
        let found = match literal_address(&question.url) {
            Some(address) => vec![address],
            None => self.resolve(question, patience).await?,
        };
        if found.is_empty() {
            return Err(NoAnswer::NotSent("its name has no address"));
        }
        let allowed: Arc<[IpAddr]> = found
            .iter()
            .copied()
            .filter(|address| self.may_reach(*address, question.allow_private))
            .take(MAX_ADDRESSES)
            .collect();
        if allowed.is_empty() {
            tracing::error!(
                of = question.of,
                addresses = ?found,
                "the host of a tool is at no address that it may reach; allow_private or a setting can allow private ones"
            );
            return Err(NoAnswer::Barred);
        }
        Ok(allowed)
    }

    async fn resolve(
        &self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Vec<IpAddr>, NoAnswer> {
        let host = question.url.host_str().unwrap_or_default();
        match suspended::within(patience, self.names.addresses(host)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => {
                tracing::warn!(of = question.of, %error, "the host of a tool could not be resolved");
                Err(NoAnswer::NotSent("its name could not be resolved"))
            }
            Err(Late) => Err(NoAnswer::NotSent("its name could not be resolved in time")),
        }
    }

    /// A new client for each call: a pooled connection may be dead already, and then it is unknown whether the service read the
    /// request.
    fn client(&self, addresses: Arc<[IpAddr]>, patience: Duration) -> reqwest::Result<Client> {
        Client::builder()
            .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Pinned(addresses))
            // A proxy would resolve the name again, and the check would be void.
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .connect_timeout(patience)
            .tls_backend_preconfigured(self.tls.clone())
            .build()
    }
}

/// The host of a URL as an address, in any spelling that URLs have for one.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    // The parser has written every spelling as the usual one.
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}
