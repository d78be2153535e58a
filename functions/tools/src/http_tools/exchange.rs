//! One request and its answer, with everything around it that keeps it harmless: the host resolved once, its addresses checked
//! and pinned, no redirect, no proxy, no second try, a bound on size and time.
//! Knows nothing of tools; says of a failure whether anything may have been sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::declared::literal_address;
use crate::outside::{Class, Names, Network, Pinned};
use baton_http::chain;
use baton_http::inflate::{self, Broken, Encoding, UnknownEncoding};
use baton_http::suspended::{self, Late};

/// The most of an answer that is read, in bytes. A model is shown less; this much may be JSON that is shown in part.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Beyond the bound an answer's bytes are only counted, so that people can be told by how much it is too large; up to here.
const MAX_COUNTED: usize = 4 * 1024 * 1024;

/// The most that resolving a name may take, and making a connection, where a third of the tool's time-out is not less. What
/// ends before both are done was certainly not sent.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// Addresses of one host that are tried.
const MAX_ADDRESSES: usize = 8;

/// One request.
pub(super) struct Question<'a> {
    /// Whose it is, for the log.
    pub(super) tool: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
    pub(super) allow_private: bool,
    /// For all of it.
    pub(super) timeout: Duration,
}

/// What came of it.
pub(super) enum Exchange {
    /// The service answered.
    Answered(Answer),
    /// The host is at no address that this tool may call. Nothing was sent.
    Barred,
    /// Nothing was sent, for this reason.
    NotSent(&'static str),
    /// It was sent, wholly or in part, and no answer came, for this reason.
    Cut(&'static str),
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

pub(super) enum Body {
    Whole(String),
    /// No UTF-8.
    NotText,
    /// Larger than is read: so many bytes, or more.
    TooLarge {
        bytes: u64,
        or_more: bool,
    },
    /// Compressed in a way that is not known here.
    Encoded(String),
    /// Not what its encoding says.
    Garbled,
    /// It ended early, or not in time.
    Broken,
}

/// How this process reaches services.
pub(super) struct Line {
    names: Arc<dyn Names>,
    /// Private networks that every tool may reach.
    networks: Vec<Network>,
    tls: ClientConfig,
}

impl Line {
    pub(super) fn new(
        names: Arc<dyn Names>,
        networks: Vec<Network>,
        mut tls: ClientConfig,
    ) -> Self {
        // One request per connection: HTTP/2 would bring nothing but more ways to be cut.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            names,
            networks,
            tls,
        }
    }

    pub(super) fn may_reach(&self, address: IpAddr, allow_private: bool) -> bool {
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

    pub(super) async fn ask(&self, question: Question<'_>) -> Exchange {
        let deadline = Instant::now() + question.timeout;
        let patience = (question.timeout / 3).min(LONGEST_CONNECT);
        let addresses = match self.checked_addresses(&question, patience).await {
            Ok(addresses) => addresses,
            Err(barred_or_not_sent) => return barred_or_not_sent,
        };
        let client = match self.client(addresses, patience) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(tool = question.tool, error = %chain(&error), "no HTTP client can be made");
                return Exchange::NotSent("no request could be made");
            }
        };
        let mut request = client
            .request(question.method, question.url)
            .headers(question.headers);
        if let Some(body) = question.body {
            request = request.body(body);
        }
        match suspended::until(deadline, request.send()).await {
            Err(Late) => Exchange::Cut("no answer came in time"),
            Ok(Ok(response)) => Exchange::Answered(read(response, deadline).await),
            Ok(Err(error)) => {
                let unsent = error.is_connect() || error.is_builder();
                let error = chain(&error.without_url());
                tracing::warn!(tool = question.tool, %error, unsent, "a service did not answer");
                if unsent {
                    Exchange::NotSent("no connection could be made")
                } else {
                    Exchange::Cut("the connection was cut before an answer came")
                }
            }
        }
    }

    /// The one time that the name is looked at; what is returned is what will be connected to.
    async fn checked_addresses(
        &self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Arc<[IpAddr]>, Exchange> {
        let found = match literal_address(&question.url) {
            Some(address) => vec![address],
            None => self.resolve(question, patience).await?,
        };
        if found.is_empty() {
            return Err(Exchange::NotSent("its name has no address"));
        }
        let allowed: Arc<[IpAddr]> = found
            .iter()
            .copied()
            .filter(|address| self.may_reach(*address, question.allow_private))
            .take(MAX_ADDRESSES)
            .collect();
        if allowed.is_empty() {
            tracing::error!(
                tool = question.tool,
                addresses = ?found,
                "the host of a tool is at no address that it may reach; allow_private or a setting can allow private ones"
            );
            return Err(Exchange::Barred);
        }
        Ok(allowed)
    }

    async fn resolve(
        &self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Vec<IpAddr>, Exchange> {
        let host = question.url.host_str().unwrap_or_default();
        match suspended::within(patience, self.names.addresses(host)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => {
                tracing::warn!(tool = question.tool, %error, "the host of a tool could not be resolved");
                Err(Exchange::NotSent("its name could not be resolved"))
            }
            Err(Late) => Err(Exchange::NotSent("its name could not be resolved in time")),
        }
    }

    /// A client of its own for each call: a connection that waits for reuse may be dead already, and then nobody knows whether
    /// the request was read.
    fn client(&self, addresses: Arc<[IpAddr]>, patience: Duration) -> reqwest::Result<Client> {
        Client::builder()
            .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Pinned(addresses))
            // A proxy would resolve the name anew, and what was checked would mean nothing.
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

async fn read(mut response: Response, deadline: Instant) -> Answer {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = match (Encoding::of(&headers), announced(&headers)) {
        (Err(UnknownEncoding(name)), _) => Body::Encoded(name),
        (Ok(Encoding::Identity), Some(bytes)) if bytes > MAX_BODY as u64 => Body::TooLarge {
            bytes,
            or_more: false,
        },
        (Ok(encoding), _) => read_body(response, encoding, deadline).await,
    };
    Answer {
        status,
        headers,
        body,
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The bound is that of the body as it was before it was compressed.
async fn read_body(response: Response, encoding: Encoding, deadline: Instant) -> Body {
    let mut pieces = inflate::body(response, encoding);
    let (mut body, mut bytes) = (Vec::new(), 0);
    let reading = async {
        while bytes <= MAX_COUNTED {
            match pieces.next().await {
                Some(Ok(piece)) => {
                    bytes += piece.len();
                    if bytes <= MAX_BODY {
                        body.extend_from_slice(&piece);
                    }
                }
                Some(Err(broken)) => return Err(broken),
                None => return Ok(true),
            }
        }
        Ok(false)
    };
    let read = suspended::until(deadline, reading).await;
    if bytes > MAX_BODY {
        return Body::TooLarge {
            bytes: bytes as u64,
            or_more: !matches!(read, Ok(Ok(true))),
        };
    }
    match read {
        Ok(Ok(_whole)) => String::from_utf8(body).map_or(Body::NotText, Body::Whole),
        Ok(Err(Broken::Garbled)) => Body::Garbled,
        Ok(Err(Broken::Below(_) | Broken::Short)) | Err(Late) => Body::Broken,
    }
}
