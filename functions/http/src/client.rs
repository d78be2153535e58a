//! Connections, TLS and proxies. Knows nothing of the requests.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Per stream, so that one slow reader cannot hold up the others of its connection; more than the largest event in flight.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Per connection, for thousands of streams at once.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// Finds a dead connection, which all streams share, well before their silence time-out.
const HTTP2_PING: Duration = Duration::from_secs(10);

/// The base of every HTTP client: `reqwest` has no TLS provider here, so its own `Client::new` would panic.
///
/// Trusts the platform's certificates and these (DER). Follows no redirect, uses no proxy for this machine. Fails if this machine
/// has no certificates to trust.
pub fn builder(
    url: &Url,
    extra_roots: &[Vec<u8>],
    http2_prior_knowledge: bool,
) -> Result<ClientBuilder, rustls::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(HTTP2_PING)
        .tls_backend_preconfigured(tls(may_be_secure(url), extra_roots, http2_prior_knowledge)?);
    if is_loopback(url) {
        // A proxy's loopback is another machine's.
        builder = builder.no_proxy();
    }
    if http2_prior_knowledge {
        builder = builder.http2_prior_knowledge();
    }
    Ok(builder)
}

/// A TLS configuration on ring. Passes the provider on instead of installing it for the whole process, where another crate may
/// have chosen differently.
///
/// Without `secure` it trusts no certificate: the client never speaks TLS, and reading the platform's certificates would only
/// slow the start. Fails if this machine has no certificates to trust.
pub fn tls(
    secure: bool,
    extra_roots: &[Vec<u8>],
    http2_only: bool,
) -> Result<ClientConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let mut config = if secure {
        config
            .dangerous()
            .with_custom_certificate_verifier(verifier(extra_roots, provider)?)
            .with_no_client_auth()
    } else {
        config
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    };
    config.alpn_protocols = if http2_only {
        vec![b"h2".to_vec()]
    } else {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    };
    Ok(config)
}

/// Trusts the platform's certificates and these. Without extra ones all clients of the process share one list, which takes a
/// hundred files to read and parse.
fn verifier(
    extra_roots: &[Vec<u8>],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<Verifier>, rustls::Error> {
    static PLATFORM: OnceLock<Result<Arc<Verifier>, rustls::Error>> = OnceLock::new();
    if extra_roots.is_empty() {
        return PLATFORM
            .get_or_init(|| Verifier::new(provider).map(Arc::new))
            .clone();
    }
    let extra = extra_roots.iter().cloned().map(CertificateDer::from);
    Verifier::new_with_extra_roots(extra, provider).map(Arc::new)
}

/// A proxy of plain HTTP may be reached by TLS, so only this machine certainly is not.
fn may_be_secure(url: &Url) -> bool {
    url.scheme() != "http" || !is_loopback(url)
}

/// Whether this address is on this machine, even if other machines resolve it differently.
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    match address {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether a secret may be sent to this address: by TLS, to this machine, or to one of these hosts. What is no address is another's
/// mistake to find.
pub fn may_carry_secrets(url: &str, plain_hosts: &[String]) -> bool {
    let Ok(url) = Url::parse(url.trim()) else {
        return true;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    url.scheme() != "http"
        || is_loopback(&url)
        || plain_hosts
            .iter()
            .any(|named| named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_leaves_this_machine_by_tls_or_to_a_named_host() {
        let named = ["models.internal".to_owned(), "fd00::1".to_owned()];
        for url in [
            "https://models.example/v1",
            "http://127.0.0.1:8000/v1",
            "http://localhost:8000",
            "http://[::1]",
            " http://Models.Internal:4000/v1",
            "http://[fd00::1]:4000/v1",
        ] {
            assert!(may_carry_secrets(url, &named), "{url}");
        }
        for url in [
            "http://models.example/v1",
            "HTTP://10.0.0.1/v1",
            "http://127.0.0.1.example",
            "http://models.internal@models.example",
            "http://models.internal.example",
        ] {
            assert!(!may_carry_secrets(url, &named), "{url}");
        }
    }

    #[test]
    fn a_proxy_is_never_asked_for_this_machine() {
        let loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for here in [
            "http://127.0.0.1:11434/v1",
            "http://127.8.8.8",
            "http://[::1]:8080",
            "http://localhost/v1",
        ] {
            assert!(loopback(here), "{here}");
        }
        for there in [
            "https://api.openai.com/v1",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://[fe80::1]",
        ] {
            assert!(!loopback(there), "{there}");
        }
    }
}
