//! Signatures of AWS for models on Bedrock that have no key.
//! Knows where this process has its credentials; not how a request is signed.

use std::borrow::Cow;
use std::sync::Arc;

use baton_handoff::ports::Env;
use baton_models::ModelSettings;

/// These settings, with a signer if the service needs one.
#[cfg(feature = "aws")]
pub(crate) fn signed<'a>(
    settings: &'a ModelSettings,
    env: &Arc<dyn Env>,
) -> anyhow::Result<Cow<'a, ModelSettings>> {
    use anyhow::Context;
    use baton_models::SigV4;

    if !settings.endpoint.is_signed() {
        return Ok(Cow::Borrowed(settings));
    }
    let config = baton_aws::config()?;
    let credentials = config
        .credentials_provider()
        .context("there are no credentials of AWS to sign requests to the model with")?;
    let region = config.region().map(ToString::to_string);
    let signer = SigV4::new(credentials, region.unwrap_or_default(), Arc::clone(env));
    let mut settings = settings.clone();
    settings.signer = Some(Arc::new(signer));
    Ok(Cow::Owned(settings))
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
