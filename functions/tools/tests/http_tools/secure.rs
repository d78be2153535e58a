//! Services behind TLS: known by the name of the declaration, at the address that was checked.

use std::net::SocketAddr;
use std::sync::Arc;

use baton_handoff::ports::Outcome;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::service::{Service, json};
use crate::support::Setup;

/// TLS in front of a service, with a certificate for this name; returns its address and whom to trust.
async fn front(service: SocketAddr, name: &str) -> (SocketAddr, Vec<u8>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            let Ok(mut socket) = acceptor.accept(socket).await else {
                continue;
            };
            let mut behind = TcpStream::connect(service).await.unwrap();
            let _ended = tokio::io::copy_bidirectional(&mut socket, &mut behind).await;
        }
    });
    (address, authority.der().to_vec())
}

async fn booked(certified: &str) -> (Service, Outcome) {
    let service = Service::saying(json("{\"booking\":7}")).await;
    let (address, root) = front(service.address, certified).await;
    let tool = Setup {
        extra_roots: vec![root],
        ..Setup::action(format!(
            "method = \"POST\"\nurl = \"https://tables.example:{}/\"",
            address.port()
        ))
    };
    let outcome = tool.build().act_plainly().await;
    (service, outcome)
}

#[tokio::test]
async fn a_secure_service_is_known_by_its_name() {
    let (service, outcome) = booked("tables.example").await;
    assert_eq!(outcome, Outcome::Done("{\"booking\":7}".to_owned()));
    assert_eq!(service.came().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_to_a_service_of_another_name() {
    let (service, outcome) = booked("evil.example").await;
    assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
    assert_eq!(service.connections(), 0);
}
