//! The model port over HTTP: a wire format encodes and decodes, the transport sends.

use std::sync::Arc;

use baton_handoff::ports::{Env, Model, ModelError, ModelRequest, ModelStream, OUTPUT_TOKENS};
use futures_util::future::BoxFuture;

use crate::address::SettingsError;
use crate::formats;
use crate::limits::{Bounds, OutputLimit, Patience};
use crate::settings::ModelSettings;
use crate::transport::exchange::{Body, Exchange, Heard};
use crate::transport::response::{Chunks, document};
use crate::wire::{Opened, WireFormat};

/// A model service.
pub struct ModelClient {
    format: Box<dyn WireFormat>,
    exchange: Exchange,
    patience: Patience,
    bounds: Bounds,
    name: String,
    provider: &'static str,
    output_tokens: u32,
}

impl ModelClient {
    /// Reads the settings; talks to no service yet.
    pub fn new(settings: &ModelSettings, env: Arc<dyn Env>) -> Result<Arc<Self>, SettingsError> {
        let Opened {
            service,
            format,
            credentials,
        } = formats::open(settings)?;
        Ok(Arc::new(Self {
            format,
            exchange: Exchange::new(&service, credentials, settings, env)?,
            patience: settings.patience,
            bounds: settings.bounds,
            name: settings.endpoint.model().to_owned(),
            provider: settings.endpoint.provider(),
            output_tokens: settings
                .output_limit
                .map_or(OUTPUT_TOKENS, OutputLimit::tokens),
        }))
    }
}

impl Model for ModelClient {
    fn name(&self) -> &str {
        &self.name
    }

    fn provider(&self) -> &'static str {
        self.provider
    }

    fn output_tokens(&self) -> u32 {
        self.output_tokens
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let Heard { body, tries } = self.exchange.ask(&*self.format, request).await?;
            let decoder = self.format.decoder();
            Ok(match body {
                Body::Stream(body) => Box::pin(Chunks::new(
                    body,
                    self.format.framing(),
                    decoder,
                    &self.patience,
                    &self.bounds,
                    tries,
                )) as ModelStream,
                Body::Document(body) => Box::pin(document(&body, decoder, &self.bounds, tries)),
            })
        })
    }
}
