//! Where traces are sent.
//! Knows the settings and the exporter; not when a trace is sent.

use std::sync::Arc;

use baton_handoff::ports::{Env, Traces};
use baton_telemetry::Otlp;

use crate::settings::Settings;
use crate::signed;

/// The exporter of the settings; none where no address is set.
pub(crate) fn traces(
    settings: &Settings,
    env: &Arc<dyn Env>,
) -> anyhow::Result<Option<Arc<dyn Traces>>> {
    let Some(mut otlp) = settings.traces.clone() else {
        return Ok(None);
    };
    if crate::settings::is_signed(&otlp) {
        otlp.signer = Some(signed::for_traces(env)?);
    }
    Ok(Some(Arc::new(Otlp::new(otlp, env.clone())?)))
}
