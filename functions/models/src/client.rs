//! The model port over HTTP: a wire format encodes and decodes, the transport sends.

use std::sync::Arc;

use baton_handoff::ports::{
    Env, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream, OUTPUT_TOKENS,
};
use baton_http::inflate::{self, Encoding, UnknownEncoding};
use futures_util::future::BoxFuture;

use crate::address::SettingsError;
use crate::formats;
use crate::limits::{Bounds, OutputLimit, Patience};
use crate::settings::ModelSettings;
use crate::transport::exchange::Exchange;
use crate::transport::response::Chunks;
use crate::wire::{Opened, WireFormat};

/// A model service.
pub struct ModelClient {
    format: Box<dyn WireFormat>,
    exchange: Exchange,
    patience: Patience,
    bounds: Bounds,
    name: String,
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

    fn output_tokens(&self) -> u32 {
        self.output_tokens
    }

    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let written = self.format.request(&request)?;
            drop(request);
            let response = self.exchange.ask(&*self.format, written).await?;
            let encoding = Encoding::of(response.headers()).map_err(unread)?;
            let chunks = Chunks::new(
                inflate::body(response, encoding),
                self.format.framing(),
                self.format.decoder(),
                &self.patience,
                &self.bounds,
            );
            Ok(Box::pin(chunks) as ModelStream)
        })
    }
}

fn unread(UnknownEncoding(name): UnknownEncoding) -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        format!("the answer is compressed as {name}, which is not read here"),
    )
}
