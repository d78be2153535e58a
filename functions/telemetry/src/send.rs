//! One request of OTLP over HTTP, and what its answer says.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivered, Env, Traces};
use baton_handoff::trace::Trace;
use baton_http::{builder, chain, read_some, retry_after};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};

use crate::encode;

/// The most bytes of an answer that are read: it says how many spans were rejected.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Encoding {
    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// Signs requests.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The headers to add to this POST; or why there are none.
    fn sign<'a>(
        &'a self,
        url: &'a Url,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<HeaderMap, String>>;
}

/// Where traces are sent, and how.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// The whole address, such as `https://collector.example/v1/traces`.
    pub url: Url,
    /// Headers of every request. Values are secrets, often.
    pub headers: HeaderMap,
    /// How bodies are written.
    pub encoding: Encoding,
    /// Whether bodies are compressed by gzip.
    pub gzip: bool,
    /// How long a request may take.
    pub timeout: Duration,
    /// What describes this deployment in every trace: `service.name` and others.
    pub resource: Vec<(String, String)>,
    /// Signs requests; none: nothing is signed.
    pub signer: Option<Arc<dyn Signer>>,
}

/// Why traces cannot be sent with these settings.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OtlpError(String);

/// Sends traces over OTLP.
pub struct Otlp {
    settings: OtlpSettings,
    /// Without its query, which may have a key in it.
    address: String,
    resource: Resource,
    client: Client,
    env: Arc<dyn Env>,
}

impl Otlp {
    /// A client with these settings.
    ///
    /// # Errors
    /// This machine has no certificates to trust.
    pub fn new(settings: OtlpSettings, env: Arc<dyn Env>) -> Result<Self, OtlpError> {
        let client = builder(&settings.url, &[], false)
            .map_err(|error| OtlpError(error.to_string()))?
            .timeout(settings.timeout)
            .build()
            .map_err(|error| OtlpError(error.to_string()))?;
        let mut address = settings.url.clone();
        address.set_query(None);
        Ok(Self {
            address: address.into(),
            resource: encode::resource(&settings.resource),
            settings,
            client,
            env,
        })
    }

    fn body(&self, trace: &Trace) -> Result<Vec<u8>, String> {
        let request = encode::request(trace, &self.resource);
        let plain = match self.settings.encoding {
            Encoding::Protobuf => request.encode_to_vec(),
            Encoding::Json => serde_json::to_vec(&request).map_err(|error| error.to_string())?,
        };
        if !self.settings.gzip {
            return Ok(plain);
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&plain)
            .and_then(|()| gzip.finish())
            .map_err(|error| error.to_string())
    }

    async fn headers(&self, body: &[u8]) -> Result<HeaderMap, String> {
        let mut headers = self.settings.headers.clone();
        headers.insert(CONTENT_TYPE, self.settings.encoding.media_type());
        if self.settings.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(signer) = &self.settings.signer {
            let signature = signer.sign(&self.settings.url, &headers, body).await?;
            headers.extend(signature);
        }
        Ok(headers)
    }

    async fn post(&self, trace: &Trace) -> Delivered {
        let failed = |reason: String| Delivered::Failed(reason, None);
        let body = match self.body(trace) {
            Ok(body) => body,
            Err(reason) => return failed(reason),
        };
        let headers = match self.headers(&body).await {
            Ok(headers) => headers,
            Err(reason) => return failed(reason),
        };
        let request = self.client.post(self.settings.url.clone());
        let answer = match request.headers(headers).body(body).send().await {
            Ok(answer) => answer,
            // Without its address, which may have a key in it.
            Err(error) => return failed(chain(&error.without_url())),
        };
        let status = answer.status();
        let after = retry_after(answer.headers(), self.env.now());
        let media_type = answer.headers().get(CONTENT_TYPE).cloned();
        let text = read_some(answer, LONGEST_ANSWER, self.settings.timeout).await;
        match status {
            status if status.is_success() => {
                self.note_rejected(&text, media_type.as_ref());
                Delivered::Taken
            }
            // These spans are refused as they are, and would be again; those behind them may be taken.
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY => {
                Delivered::Refused(format!("it answered {}", status.as_u16()))
            }
            status => Delivered::Failed(format!("it answered {}", status.as_u16()), after),
        }
    }

    /// The protocol takes a request and rejects some of its spans in the same answer.
    fn note_rejected(&self, answer: &[u8], media_type: Option<&HeaderValue>) {
        let is_json = media_type.map_or(self.settings.encoding == Encoding::Json, |media_type| {
            media_type.as_bytes().starts_with(b"application/json")
        });
        let rejected = if is_json {
            rejected_in_json(answer)
        } else {
            let read = ExportTraceServiceResponse::decode(answer).ok();
            let partial = read.and_then(|read| read.partial_success);
            partial.map_or(0, |partial| partial.rejected_spans)
        };
        if rejected > 0 {
            tracing::error!(rejected, "spans were refused, and are not sent again");
        }
    }
}

/// Protobuf's JSON has numbers of 64 bits as text; not every receiver writes them so.
fn rejected_in_json(answer: &[u8]) -> i64 {
    let read: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = read.pointer("/partialSuccess/rejectedSpans");
    let number = rejected.and_then(|rejected| match rejected.as_str() {
        Some(text) => text.parse().ok(),
        None => rejected.as_i64(),
    });
    number.unwrap_or(0)
}

#[async_trait]
impl Traces for Otlp {
    fn address(&self) -> &str {
        &self.address
    }

    async fn send(&self, trace: &Trace) -> Delivered {
        self.post(trace).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_spans_are_counted_however_json_has_their_number() {
        for (answer, rejected) in [
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3),
            (r#"{"partialSuccess":{}}"#, 0),
            ("{}", 0),
            ("", 0),
            ("<html>", 0),
        ] {
            assert_eq!(rejected_in_json(answer.as_bytes()), rejected, "{answer}");
        }
    }
}
