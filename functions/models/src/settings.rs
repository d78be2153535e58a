//! The settings of a model client. Parsed here, once; nothing here reads the environment.

use std::sync::Arc;

use baton_handoff::ports::ModelOptions;
use baton_http::Secret;

use crate::bedrock;
use crate::chat;
use crate::chat::azure::AzureAuth;
use crate::limits::{Bounds, OutputLimit, Patience, Retries};
use crate::wire::{Signer, Wire};

/// The address of the model, and the credentials.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// OpenAI and everything that speaks its API: vLLM, Ollama, llama.cpp server, LiteLLM …
    OpenAi {
        /// Usually ends in `/v1`; `/chat/completions` is appended.
        base_url: String,
        /// The model's name.
        model: String,
        /// Sent as a bearer token; local services want none.
        key: Option<Secret>,
    },
    /// Azure OpenAI, where the deployment names the model.
    Azure {
        /// The resource, `https://NAME.openai.azure.com`.
        resource: String,
        /// The deployment's name.
        deployment: String,
        /// The dated version of the API, such as `2024-10-21`.
        api_version: String,
        /// Key or token.
        auth: AzureAuth,
    },
    /// A service of any wire format, by a base URL, a model's name and a key.
    Service {
        /// The wire format, usually one of [`WIRE_FORMATS`](crate::WIRE_FORMATS).
        wire: Wire,
        /// The base URL of the format's paths.
        base_url: String,
        /// The model's name.
        model: String,
        /// Sent in the format's own header.
        key: Option<Secret>,
    },
}

impl Endpoint {
    /// The model's name, or the deployment's.
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi { model, .. } | Self::Service { model, .. } => model,
            Self::Azure { deployment, .. } => deployment,
        }
    }

    /// Who serves it, as OpenTelemetry's conventions name providers.
    pub fn provider(&self) -> &'static str {
        match self {
            Self::OpenAi { .. } => chat::WIRE.provider,
            Self::Azure { .. } => "azure.ai.openai",
            Self::Service { wire, .. } => wire.provider,
        }
    }

    /// Whether the service wants signed requests: Bedrock without a key.
    pub fn is_signed(&self) -> bool {
        match self {
            Self::Service { wire, key, .. } => wire.name == bedrock::WIRE.name && key.is_none(),
            Self::OpenAi { .. } | Self::Azure { .. } => false,
        }
    }
}

/// Everything about one model service.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// The address, the model and the credentials.
    pub endpoint: Endpoint,
    /// Ask for token counts (`stream_options`); a few services refuse the field.
    pub ask_usage: bool,
    /// A limit of output tokens, when not the service's own.
    pub output_limit: Option<OutputLimit>,
    /// How the model is to answer.
    pub options: ModelOptions,
    /// Signs the requests, where the endpoint [wants it](Endpoint::is_signed).
    pub signer: Option<Arc<dyn Signer>>,
    /// Use HTTP/2 from the first byte on `http://` too: many streams over few connections. The service must support it.
    pub http2_prior_knowledge: bool,
    /// Further authorities to trust besides the platform's, as certificates (DER).
    pub extra_roots: Vec<Vec<u8>>,
    /// Time-outs.
    pub patience: Patience,
    /// Retries.
    pub retries: Retries,
    /// Sizes.
    pub bounds: Bounds,
}

impl ModelSettings {
    /// This endpoint with the defaults.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            ask_usage: true,
            output_limit: None,
            options: ModelOptions::default(),
            signer: None,
            http2_prior_knowledge: false,
            extra_roots: Vec::new(),
            patience: Patience::default(),
            retries: Retries::default(),
            bounds: Bounds::default(),
        }
    }
}
