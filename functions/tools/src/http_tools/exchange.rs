//! One request and its answer, within safe limits: the host is resolved once, its addresses are checked and pinned. No redirect,
//! no proxy, no retry; size and time are bounded. Knows nothing of tools; reports with a failure whether anything may have been
//! sent.

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

/// The most bytes read of an answer. A model sees less; JSON of this size may be shown in part.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Beyond that limit an answer's bytes are only counted, up to this number, so that the message can say by how much it is too
/// large.
const MAX_COUNTED: usize = 4 * 1024 * 1024;

/// The time limits for resolving a name and for connecting, unless a third of the tool's time-out is less. A request that fails
/// before both are done was certainly not sent.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The most addresses tried of one host.
const MAX_ADDRESSES: usize = 8;

/// One request.
pub(crate) struct Question<'a> {
    /// The tool's name, for the log.
    pub(crate) tool: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    pub(crate) allow_private: bool,
    /// The time limit for everything.
    pub(crate) timeout: Duration,
}

/// The result of a request.
pub(crate) enum Exchange {
    /// The service answered.
    Answered(Answer),
    /// The host has no address that this tool may call. Nothing was sent.
    Barred,
    /// Nothing was sent; the reason.
    NotSent(&'static str),
    /// The request was sent, wholly or in part, and no answer came; the reason.
    Cut(&'static str),
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Whole(String),
    /// Not UTF-8.
    NotText,
    /// Larger than the limit: this many bytes, or more.
    TooLarge {
        bytes: u64,
        or_more: bool,
    },
    /// Compressed with an unknown encoding.
    Encoded(String),
    /// Does not match its encoding.
    Garbled,
    /// Ended early, or not in time.
    Broken,
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

    pub(crate) async fn ask(&self, question: Question<'_>) -> Exchange {
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

    /// The only resolution of the name; the client connects to the returned addresses.
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

/// The bound counts the decompressed bytes.
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
