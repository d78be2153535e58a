//! What a model client is told at start. Parsed here, once; nothing here reads the environment.

use std::time::Duration;

use baton_http::Secret;
use reqwest::Url;

/// Where the model is and how we prove who we are.
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
}

/// How Azure OpenAI knows us.
#[derive(Debug, Clone)]
pub enum AzureAuth {
    /// The resource's key, in the header `api-key`.
    Key(Secret),
    /// A token of Entra ID by the OAuth 2.0 client credentials grant.
    Entra {
        /// Who issues tokens; [`AzureAuth::AUTHORITY`] but in national clouds and tests.
        authority: String,
        /// The directory (tenant).
        tenant: String,
        /// The application (client).
        client_id: String,
        /// The application's secret.
        client_secret: Secret,
        /// What the token is for; [`AzureAuth::SCOPE`] but in national clouds.
        scope: String,
    },
}

impl AzureAuth {
    /// The public cloud's authority.
    pub const AUTHORITY: &str = "https://login.microsoftonline.com";
    /// The public cloud's scope for Azure OpenAI.
    pub const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
}

/// The most tokens of one answer; services disagree on the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimit {
    /// `max_tokens`, understood by nearly all.
    MaxTokens(u32),
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    MaxCompletionTokens(u32),
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// For the response's head, from the moment of asking.
    pub first_byte: Duration,
    /// For the next bytes of a response. Comments count: services send them to show that they still work.
    pub silence: Duration,
    /// For a response as a whole, so that comments cannot keep a turn for ever.
    pub response: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            response: Duration::from_mins(10),
        }
    }
}

/// How often a request is tried while nothing was streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Tries in all; 1 for no retry.
    pub tries: u32,
    /// Upper end of the first random wait; doubles with every try.
    pub base: Duration,
    /// The longest wait. A service that asks for more gets no further try.
    pub longest: Duration,
    /// No try begins later than this after the first one.
    pub total: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            tries: 3,
            base: Duration::from_millis(500),
            longest: Duration::from_secs(20),
            total: Duration::from_secs(45),
        }
    }
}

/// The sizes beyond which a response is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one event, and so of one line; one network read may come on top.
    pub event: usize,
    /// Bytes of one call's arguments, id or name.
    pub arguments: usize,
    /// Calls in one response: what one commit can accept.
    pub calls: usize,
    /// Bytes of text in one response.
    pub text: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            event: 1024 * 1024,
            arguments: 32 * 1024,
            calls: 16,
            text: 1024 * 1024,
        }
    }
}

/// Everything about one model service.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Where and who.
    pub endpoint: Endpoint,
    /// Ask for token counts (`stream_options`); a few services refuse the field.
    pub ask_usage: bool,
    /// A limit of output tokens, when not the service's own.
    pub output_limit: Option<OutputLimit>,
    /// Talk HTTP/2 from the first byte on `http://` too: many streams over few connections. The service must know it.
    pub http2_prior_knowledge: bool,
    /// Certificates (DER) of authorities that are trusted besides the platform's.
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
            http2_prior_knowledge: false,
            extra_roots: Vec::new(),
            patience: Patience::default(),
            retries: Retries::default(),
            bounds: Bounds::default(),
        }
    }
}

/// Settings that cannot work, said in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not an address of a service.
    #[error("{what} is not the address of a service: {reason}")]
    Address {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that no HTTP header can carry.
    #[error("{what} has characters that no HTTP header can carry")]
    Key {
        /// Which setting.
        what: &'static str,
    },
    /// No HTTPS is possible on this machine.
    #[error("cannot verify certificates on this machine")]
    Certificates(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Reads the address of a service and appends path segments, each percent-encoded.
pub(crate) fn address(
    what: &'static str,
    text: &str,
    segments: &[&str],
) -> Result<Url, SettingsError> {
    let wrong = |reason: &str| SettingsError::Address {
        what,
        reason: reason.to_owned(),
    };
    let mut url = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "a key belongs in its own setting, not in the address",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must have neither ? nor #"));
    }
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path"))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}
