//! The client: one request, its tries, and the stream that comes of it.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Env, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue,
};
use reqwest::{Client, Response, StatusCode, Url};

use crate::decode::Decoder;
use crate::entra::{Entra, Token};
use crate::failure::{Fault, transport};
use crate::prepared::Prepared;
use crate::request::Frame;
use crate::retry::Refusal;
use crate::settings::{
    AzureAuth, Bounds, Endpoint, ModelSettings, Patience, Retries, SettingsError, address,
};
use baton_http::inflate::{self, Encoding, UnknownEncoding};
use baton_http::suspended::{self, Late};
use baton_http::{builder, read_some};

/// Enough of an error's body for its codes.
const ERROR_BODY: usize = 4 * 1024;
/// The same for its time: the status alone says what to do.
const ERROR_BODY_PATIENCE: Duration = Duration::from_secs(2);

/// A service that speaks Chat Completions.
pub struct OpenAiModel {
    http: Client,
    url: Url,
    frame: Frame,
    access: Access,
    patience: Patience,
    retries: Retries,
    bounds: Bounds,
    env: Arc<dyn Env>,
}

enum Access {
    Open,
    Header(HeaderName, HeaderValue),
    Entra(Box<Entra>),
}

impl OpenAiModel {
    /// Reads the settings; talks to nobody yet.
    pub fn new(settings: &ModelSettings, env: Arc<dyn Env>) -> Result<Arc<Self>, SettingsError> {
        let (url, model, access) = match &settings.endpoint {
            Endpoint::OpenAi {
                base_url,
                model,
                key,
            } => {
                let url = address("the model's base URL", base_url, &["chat", "completions"])?;
                let access = match key {
                    Some(key) => {
                        let value = key.header("Bearer ").ok_or(SettingsError::Key {
                            what: "the model's key",
                        })?;
                        Access::Header(AUTHORIZATION, value)
                    }
                    None => Access::Open,
                };
                (url, Some(model.clone()), access)
            }
            Endpoint::Azure {
                resource,
                deployment,
                api_version,
                auth,
            } => {
                let path = ["openai", "deployments", deployment, "chat", "completions"];
                let mut url = address("the Azure OpenAI resource", resource, &path)?;
                url.query_pairs_mut()
                    .append_pair("api-version", api_version);
                (url, None, azure_access(auth, settings, &env)?)
            }
        };
        Ok(Arc::new(Self {
            http: http_client(&url, settings, settings.http2_prior_knowledge)?,
            url,
            frame: Frame {
                model,
                ask_usage: settings.ask_usage,
                output_limit: settings.output_limit,
                prepared: Prepared::default(),
            },
            access,
            patience: settings.patience,
            retries: settings.retries,
            bounds: settings.bounds,
            env,
        }))
    }

    /// Asks until there is a response worth reading, or no hope of one.
    async fn ask(&self, body: Bytes) -> Result<Response, ModelError> {
        let last_try = self.env.now() + millis(self.retries.total);
        let mut tries = 1;
        loop {
            let refusal = match self.ask_once(&body).await {
                Ok(response) => return Ok(response),
                Err(refusal) => refusal,
            };
            let Some(wait) = self.retries.wait(tries, refusal.again, self.env.random()) else {
                return Err(refusal.error);
            };
            let next_try = self.env.now() + millis(wait);
            if next_try > last_try {
                return Err(refusal.error);
            }
            tracing::warn!(model.tries = tries, model.wait_ms = millis(wait), model.error = %refusal.error, "model is asked again");
            self.env.sleep_until(next_try).await;
            tries += 1;
        }
    }

    async fn ask_once(&self, body: &Bytes) -> Result<Response, Refusal> {
        let response = match &self.access {
            Access::Open => self.send(body, None).await?,
            Access::Header(name, value) => self.send(body, Some((name, value))).await?,
            Access::Entra(entra) => self.send_with_token(body, entra).await?,
        };
        if response.status().is_success() {
            return event_stream(response).map_err(Refusal::never);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let fault = Fault::read(&read_some(response, ERROR_BODY, ERROR_BODY_PATIENCE).await);
        Err(Refusal::from_response(
            "the model",
            status,
            &headers,
            &fault,
            self.env.now(),
        ))
    }

    /// A token can be revoked before its time: one refusal is answered with a new one.
    async fn send_with_token(&self, body: &Bytes, entra: &Entra) -> Result<Response, Refusal> {
        let token = entra.token().await?;
        let response = self.send_as(body, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let token = entra.token_instead_of(&token).await?;
        self.send_as(body, &token).await
    }

    async fn send_as(&self, body: &Bytes, token: &Token) -> Result<Response, Refusal> {
        self.send(body, Some((&AUTHORIZATION, token.header())))
            .await
    }

    async fn send(
        &self,
        body: &Bytes,
        access: Option<(&HeaderName, &HeaderValue)>,
    ) -> Result<Response, Refusal> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("text/event-stream"))
            // What compresses a stream holds its first words back. Some do it all the same, and are read.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .body(body.clone());
        if let Some((name, value)) = access {
            request = request.header(name, value);
        }
        match suspended::within(self.patience.first_byte, request.send()).await {
            Ok(sent) => sent.map_err(|error| Refusal::without_head(transport(error))),
            Err(Late) => Err(Refusal::without_head(ModelError::new(
                ModelErrorKind::TimedOut,
                format!("no answer within {:?}", self.patience.first_byte),
            ))),
        }
    }
}

impl Model for OpenAiModel {
    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let body = self.frame.body(&request)?;
            drop(request);
            let response = self.ask(body).await?;
            let encoding = Encoding::of(response.headers()).map_err(unread)?;
            let body = inflate::body(response, encoding);
            let decoder = Decoder::new(body, &self.patience, &self.bounds);
            Ok(Box::pin(decoder) as ModelStream)
        })
    }
}

fn azure_access(
    auth: &AzureAuth,
    settings: &ModelSettings,
    env: &Arc<dyn Env>,
) -> Result<Access, SettingsError> {
    match auth {
        AzureAuth::Key(key) => {
            let value = key.header("").ok_or(SettingsError::Key {
                what: "the Azure OpenAI key",
            })?;
            Ok(Access::Header(HeaderName::from_static("api-key"), value))
        }
        AzureAuth::Entra {
            authority,
            tenant,
            client_id,
            client_secret,
            scope,
        } => {
            let url = address(
                "the Entra authority",
                authority,
                &[tenant, "oauth2", "v2.0", "token"],
            )?;
            let http = http_client(&url, settings, false)?;
            Ok(Access::Entra(Box::new(Entra::new(
                http,
                url,
                client_id,
                client_secret,
                scope,
                settings.patience,
                Arc::clone(env),
            ))))
        }
    }
}

fn unread(UnknownEncoding(name): UnknownEncoding) -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        format!("the answer is compressed as {name}, which is not read here"),
    )
}

/// A service that did not understand `stream` answers with one JSON document; a wrong address often with a page.
fn event_stream(response: Response) -> Result<Response, ModelError> {
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if matches!(media_type.as_str(), "application/json" | "text/html") {
        return Err(ModelError::new(
            ModelErrorKind::BadStream,
            format!("the answer is {media_type}, not an event stream"),
        ));
    }
    Ok(response)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A client for a model service at this address.
pub(crate) fn http_client(
    url: &Url,
    settings: &ModelSettings,
    http2_prior_knowledge: bool,
) -> Result<Client, SettingsError> {
    builder(url, &settings.extra_roots, http2_prior_knowledge)
        .map_err(SettingsError::Certificates)?
        .connect_timeout(settings.patience.connect)
        .build()
        .map_err(SettingsError::Client)
}
