//! Sends the SDK's requests by the same kind of client as the model's.
//!
//! The SDK would bring its own: a second HTTP client with a second TLS library and a second list of trusted certificates, minutes
//! of C to compile and two megabytes of every program. Knows requests and answers; never their purpose.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use baton_http::{builder, is_loopback};
use reqwest::{Body, Client, Request, Url};

/// Services of AWS are near: a connection that takes longer will not succeed.
const CONNECT: Duration = Duration::from_secs(1);

/// One for all clients of AWS in a process. Cheap to clone: clones share their connections.
#[derive(Debug, Clone)]
pub struct Https {
    /// For AWS. Built at the start, because a customer must not wait while trusted certificates are read.
    far: Client,
    /// For stand-ins of AWS on this machine, which no proxy reaches.
    near: Arc<OnceLock<Client>>,
}

/// Usually this machine has no certificate to trust.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client can be made: {0}")]
pub struct HttpsError(#[source] Box<dyn Error + Send + Sync>);

impl Https {
    /// Reads the certificates that this machine trusts.
    ///
    /// # Errors
    /// There are none.
    pub fn new() -> Result<Self, HttpsError> {
        Ok(Self {
            far: client("https://amazonaws.com")?,
            near: Arc::default(),
        })
    }

    fn client(&self, url: &Url) -> Result<Client, ConnectorError> {
        if !is_loopback(url) {
            return Ok(self.far.clone());
        }
        if let Some(client) = self.near.get() {
            return Ok(client.clone());
        }
        let client = client("https://localhost").map_err(user)?;
        Ok(self.near.get_or_init(|| client).clone())
    }

    async fn send(
        self,
        request: HttpRequest,
        patience: Option<Duration>,
    ) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(user)?;
        let request = Request::try_from(request.map(Body::wrap)).map_err(user)?;
        let answering = self.client(request.url())?.execute(request);
        let response = match patience {
            None => answering.await,
            Some(patience) => tokio::time::timeout(patience, answering)
                .await
                .map_err(|late| ConnectorError::timeout(late.into()))?,
        };
        let response: http::Response<Body> = response.map_err(not_answered)?.into();
        HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }
}

/// The client for this address.
fn client(url: &str) -> Result<Client, HttpsError> {
    let url = Url::parse(url).map_err(|error| HttpsError(error.into()))?;
    builder(&url, &[], false)
        .map_err(|error| HttpsError(error.into()))?
        .connect_timeout(CONNECT)
        .build()
        .map_err(|error| HttpsError(error.into()))
}

/// The request itself is not valid: it was never sent.
fn user(error: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}

fn not_answered(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

/// Whether no connection was established, so that nothing was sent.
pub(crate) fn was_not_sent(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_connect)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

impl HttpClient for Https {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            https: self.clone(),
            patience: settings.read_timeout(),
        })
    }
}

/// The client with the time-out of one kind of request, until the first byte of its answer. Connecting has the limit [`CONNECT`]
/// in any case, whatever the SDK's settings say.
#[derive(Debug)]
struct Connector {
    https: Https,
    patience: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // After an answer from a failing service the SDK wants to close the connection, and logs an error if it cannot. Ours
        // stays open: the service has many front ends, and the next attempt may use another one.
        if let Some(capture) = request.extension::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(|| {
                let nothing = || {};
                Some(
                    ConnectionMetadata::builder()
                        .proxied(false)
                        .poison_fn(nothing)
                        .build(),
                )
            });
        }
        HttpConnectorFuture::new(self.https.clone().send(request, self.patience))
    }
}
