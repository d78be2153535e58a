//! Signatures of AWS in requests. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
//! Knows Bedrock's hosts, those of receivers of traces, and how a request is signed; not where credentials come from.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use baton_handoff::ports::{Env, ModelError, ModelErrorKind};
use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::{HttpRequest, Signer};

/// Signs requests to services of AWS.
pub struct SigV4 {
    credentials: SharedCredentialsProvider,
    region: String,
    env: Arc<dyn Env>,
}

impl SigV4 {
    /// With these credentials, which the provider renews; the region is for hosts that do not name theirs.
    pub fn new(
        credentials: SharedCredentialsProvider,
        region: impl Into<String>,
        env: Arc<dyn Env>,
    ) -> Self {
        Self {
            credentials,
            region: region.into(),
            env,
        }
    }

    /// The headers that sign this POST.
    ///
    /// # Errors
    /// There are no credentials, or the request has a header that cannot be signed.
    pub async fn sign_post(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<HeaderMap, ModelError> {
        let credentials = self.credentials.provide_credentials().await.map_err(|_| {
            let detail = "there are no credentials of AWS to sign the request with";
            ModelError::new(ModelErrorKind::Unauthorized, detail)
        })?;
        self.signature(&credentials.into(), url, headers, body)
            .ok_or_else(|| {
                let detail = "the request cannot be signed";
                ModelError::new(ModelErrorKind::BadRequest, detail)
            })
    }

    fn signature(
        &self,
        identity: &aws_smithy_runtime_api::client::identity::Identity,
        url: &Url,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<HeaderMap> {
        let (service, region) = scope(url, &self.region);
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(region)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_millis(self.env.now()))
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let headers = headers.iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable =
            SignableRequest::new("POST", url.as_str(), headers, SignableBody::Bytes(body));
        let (instructions, _) = sign(signable.ok()?, &parameters).ok()?.into_parts();
        let header = |(name, value): (&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        };
        instructions.headers().map(header).collect()
    }
}

impl Signer for SigV4 {
    fn sign<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<HeaderMap, ModelError>> {
        Box::pin(self.sign_post(&request.url, &request.headers, &request.body))
    }
}

impl fmt::Debug for SigV4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigV4")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The receiver of traces: the first label of its host, and its name in signatures.
const RECEIVER: &str = "xray";

/// The service's name in signatures and its region: `bedrock-mantle.eu-central-1.api.aws`, `xray.eu-central-1.amazonaws.com`.
fn scope<'a>(url: &'a Url, region: &'a str) -> (&'static str, &'a str) {
    let mut labels = url.host_str().unwrap_or_default().split('.');
    let endpoint = labels.next().unwrap_or_default();
    if endpoint == RECEIVER {
        return (RECEIVER, labels.next().unwrap_or(region));
    }
    let service = if endpoint.starts_with("bedrock-mantle") {
        "bedrock-mantle"
    } else {
        "bedrock"
    };
    let named = labels.next().filter(|_| endpoint.starts_with("bedrock-"));
    (service, named.unwrap_or(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_names_service_and_region() {
        for (host, wanted) in [
            (
                "bedrock-mantle.eu-west-1.api.aws",
                ("bedrock-mantle", "eu-west-1"),
            ),
            (
                "bedrock-runtime.us-east-1.amazonaws.com",
                ("bedrock", "us-east-1"),
            ),
            (
                "bedrock-runtime-fips.us-east-1.amazonaws.com",
                ("bedrock", "us-east-1"),
            ),
            ("proxy.example", ("bedrock", "eu-central-1")),
            ("xray.eu-west-1.amazonaws.com", ("xray", "eu-west-1")),
        ] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert_eq!(scope(&url, "eu-central-1"), wanted, "{host}");
        }
    }
}
