//! Signatures of AWS: for models on Bedrock that have no key, and for its receivers of traces.
//! Knows where this process has its credentials; not how a request is signed.

use std::borrow::Cow;
use std::sync::Arc;

#[cfg(feature = "aws")]
use anyhow::Context;
use baton_handoff::ports::Env;
use baton_models::ModelSettings;
#[cfg(feature = "aws")]
use baton_models::SigV4;
use baton_telemetry::Signer;

/// These settings, with a signer if the service needs one.
#[cfg(feature = "aws")]
pub(crate) fn signed<'a>(
    settings: &'a ModelSettings,
    env: &Arc<dyn Env>,
) -> anyhow::Result<Cow<'a, ModelSettings>> {
    if !settings.endpoint.is_signed() {
        return Ok(Cow::Borrowed(settings));
    }
    let mut settings = settings.clone();
    settings.signer = Some(Arc::new(signer(env)?));
    Ok(Cow::Owned(settings))
}

/// A signer with the credentials of this process.
#[cfg(feature = "aws")]
fn signer(env: &Arc<dyn Env>) -> anyhow::Result<SigV4> {
    let config = baton_aws::config()?;
    let credentials = config
        .credentials_provider()
        .context("there are no credentials of AWS to sign requests with")?;
    let region = config.region().map(ToString::to_string);
    Ok(SigV4::new(
        credentials,
        region.unwrap_or_default(),
        Arc::clone(env),
    ))
}

/// Signs requests with traces.
#[cfg(feature = "aws")]
pub(crate) fn for_traces(env: &Arc<dyn Env>) -> anyhow::Result<Arc<dyn Signer>> {
    Ok(Arc::new(TracesSigner(signer(env)?)))
}

/// Without the feature nothing can be signed.
#[cfg(not(feature = "aws"))]
pub(crate) fn for_traces(_: &Arc<dyn Env>) -> anyhow::Result<Arc<dyn Signer>> {
    anyhow::bail!(
        "requests to this receiver of traces are signed, and this program was built without the feature aws: build it with --features aws, or set an authorization header in OTEL_EXPORTER_OTLP_HEADERS"
    )
}

#[cfg(feature = "aws")]
#[derive(Debug)]
struct TracesSigner(SigV4);

#[cfg(feature = "aws")]
impl Signer for TracesSigner {
    fn sign<'a>(
        &'a self,
        url: &'a reqwest::Url,
        headers: &'a reqwest::header::HeaderMap,
        body: &'a [u8],
    ) -> futures_util::future::BoxFuture<'a, Result<reqwest::header::HeaderMap, String>> {
        Box::pin(async move {
            let signed = self.0.sign_post(url, headers, body).await;
            signed.map_err(|error| error.to_string())
        })
    }
}

/// Without the feature the model's client refuses such settings.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unnecessary_wraps, reason = "the other one may fail")]
pub(crate) fn signed<'a>(
    settings: &'a ModelSettings,
    _: &Arc<dyn Env>,
) -> anyhow::Result<Cow<'a, ModelSettings>> {
    Ok(Cow::Borrowed(settings))
}
