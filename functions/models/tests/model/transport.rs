//! Below the protocol: TLS, whom it trusts, and HTTP/2 for many streams over few connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_handoff::ports::{FinishReason, ModelErrorKind};
use baton_models::ModelSettings;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{ask, client, openai};

const ANSWER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// An authority of our own, and a certificate of its for this name.
struct Certificates {
    root: Vec<u8>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn certificates(name: &str) -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    Certificates {
        root: authority.der().to_vec(),
        chain: vec![leaf.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An HTTPS service on loopback that speaks HTTP/2 and names the version in its answer's text.
async fn https(certificates: Certificates) -> SocketAddr {
    let (listener, address) = listen().await;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.chain, certificates.key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(socket) = acceptor.accept(socket).await {
                tokio::spawn(http2(socket, None));
            }
        }
    });
    address
}

/// Serves one connection; with a barrier, answers only when as many requests are open as it wants.
async fn http2(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    all: Option<Arc<Barrier>>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let all = all.clone();
        async move {
            assert_eq!(request.version(), Version::HTTP_2);
            if let Some(all) = all {
                all.wait().await;
            }
            let response = Response::builder().header("content-type", "text/event-stream");
            Ok::<_, Infallible>(
                response
                    .body(Full::new(Bytes::from_static(ANSWER.as_bytes())))
                    .unwrap(),
            )
        }
    });
    let _ended = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(10_000)
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

fn trusting(address: SocketAddr, roots: Vec<Vec<u8>>) -> ModelSettings {
    ModelSettings {
        extra_roots: roots,
        ..openai(format!("https://{address}/v1"))
    }
}

#[tokio::test]
async fn a_service_of_a_trusted_authority_is_talked_to() {
    let certificates = certificates("127.0.0.1");
    let root = certificates.root.clone();
    let address = https(certificates).await;
    let reply = ask(&client(&trusting(address, vec![root]))).await;
    assert_eq!(
        (reply.text().as_str(), reply.finished()),
        ("Hi", Some(FinishReason::Stop)),
        "{:?}",
        reply.error
    );
}

#[tokio::test]
async fn a_service_of_an_unknown_authority_is_unreachable() {
    let address = https(certificates("127.0.0.1")).await;
    let error = ask(&client(&trusting(address, vec![])))
        .await
        .error
        .unwrap();
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert!(
        error
            .detail
            .contains("invalid peer certificate: UnknownIssuer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_name_is_unreachable() {
    let certificates = certificates("api.acme.example");
    let root = certificates.root.clone();
    let address = https(certificates).await;
    let error = ask(&client(&trusting(address, vec![root])))
        .await
        .error
        .unwrap();
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert!(
        error.detail.contains("certificate not valid for name"),
        "{error}"
    );
}

#[tokio::test]
async fn a_service_that_speaks_no_tls_is_unreachable() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _left = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = ask(&client(&trusting(address, vec![])))
        .await
        .error
        .unwrap();
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert!(error.detail.contains("corrupt message"), "{error}");
}

#[tokio::test]
async fn a_thousand_streams_share_one_http2_connection() {
    const STREAMS: usize = 1000;
    let (listener, address) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let all = Arc::new(Barrier::new(STREAMS));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(http2(socket, Some(Arc::clone(&all))));
        }
    });
    let client = client(&ModelSettings {
        http2_prior_knowledge: true,
        ..openai(format!("http://{address}/v1"))
    });
    let asking: Vec<_> = (0..STREAMS)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { ask(&client).await })
        })
        .collect();
    for reply in asking {
        let reply = reply.await.unwrap();
        assert_eq!(reply.text(), "Hi", "{:?}", reply.error);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
