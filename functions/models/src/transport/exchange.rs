//! One request and its attempts.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Env, ModelError, ModelErrorKind, ModelRequest, millis};
use baton_http::inflate::{self, Encoding, UnknownEncoding};
use baton_http::suspended::{self, Late};
use baton_http::{media_type, read_some};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use super::entra::{Entra, Token};
use super::http;
use super::retry::{Again, Refusal};
use crate::address::SettingsError;
use crate::credentials::Credentials;
use crate::fault::Fault;
use crate::limits::{Patience, Retries};
use crate::settings::ModelSettings;
use crate::wire::{HttpRequest, Signer, WireFormat};

/// Enough of an error's body for its codes: some services quote the request in it.
const ERROR_BODY: usize = 64 * 1024;
/// The time limit for that: the status alone decides.
const ERROR_BODY_PATIENCE: Duration = Duration::from_secs(2);
/// How many fields a service may refuse, one after the other.
const CONCESSIONS: u32 = 4;

type Broken = inflate::Broken<reqwest::Error>;

/// The connections to one service, and the rules for requests to it.
pub(crate) struct Exchange {
    http: Client,
    access: Access,
    patience: Patience,
    retries: Retries,
    /// The most bytes of an answer that is one document.
    document_bound: usize,
    env: Arc<dyn Env>,
}

/// A response that can be read.
pub(crate) struct Heard<S> {
    /// Its body.
    pub(crate) body: Body<S>,
    /// How often the request was sent.
    pub(crate) tries: u32,
}

pub(crate) enum Body<S> {
    Stream(S),
    /// One document, as a service answers that does not stream.
    Document(Vec<u8>),
}

enum Access {
    Open,
    Header(HeaderName, HeaderValue),
    Entra(Box<Entra>),
    Sign(Arc<dyn Signer>),
}

impl Exchange {
    pub(crate) fn new(
        service: &Url,
        credentials: Credentials,
        settings: &ModelSettings,
        env: Arc<dyn Env>,
    ) -> Result<Self, SettingsError> {
        let access = match credentials {
            Credentials::None => Access::Open,
            Credentials::Header(name, value) => Access::Header(name, value),
            Credentials::Entra(credentials) => {
                let http = http::client(&credentials.token_url, settings, false)?;
                let entra = Entra::new(http, credentials, settings.patience, Arc::clone(&env));
                Access::Entra(Box::new(entra))
            }
            Credentials::Sign(signer) => Access::Sign(signer),
        };
        Ok(Self {
            http: http::client(service, settings, settings.http2_prior_knowledge)?,
            access,
            patience: settings.patience,
            retries: settings.retries,
            document_bound: settings.bounds.text + settings.bounds.event,
            env,
        })
    }

    /// Sends the request until a response can be read or no retry is left.
    pub(crate) async fn ask(
        &self,
        format: &dyn WireFormat,
        request: ModelRequest,
    ) -> Result<Heard<impl Stream<Item = Result<Bytes, Broken>> + Send + Unpin + use<>>, ModelError>
    {
        let last_try = self.env.now() + millis(self.retries.total);
        let mut written = format.request(&request)?;
        let (mut tries, mut conceded) = (1, 0);
        loop {
            let refusal = match self.ask_once(format, &written).await {
                Ok(body) => {
                    let tries = tries + conceded;
                    return Ok(Heard { body, tries });
                }
                Err(refusal) => refusal,
            };
            if refusal.again == Again::Otherwise && conceded < CONCESSIONS {
                conceded += 1;
                written = format.request(&request)?;
                tracing::warn!(model.error = %refusal.error, "the model service refuses an optional field, which is left out from now on");
                continue;
            }
            let Some(wait) = self.retries.wait(tries, refusal.again, self.env.random()) else {
                return Err(refusal.error);
            };
            let next_try = self.env.now() + millis(wait);
            if next_try > last_try {
                return Err(refusal.error);
            }
            tracing::warn!(model.tries = tries, model.wait_ms = millis(wait), model.error = %refusal.error, "a model request is tried again");
            self.env.sleep_until(next_try).await;
            tries += 1;
        }
    }

    async fn ask_once(
        &self,
        format: &dyn WireFormat,
        request: &HttpRequest,
    ) -> Result<Body<impl Stream<Item = Result<Bytes, Broken>> + Send + Unpin + use<>>, Refusal>
    {
        let response = match &self.access {
            Access::Open => self.send(request, None).await?,
            Access::Header(name, value) => self.send(request, Some((name, value))).await?,
            Access::Entra(entra) => self.send_with_token(request, entra).await?,
            Access::Sign(signer) => self.send_signed(request, &**signer).await?,
        };
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            return self.readable(format, response, &headers).await;
        }
        let body = read_some(response, ERROR_BODY, ERROR_BODY_PATIENCE).await;
        let fault = format.fault(status, &headers, &body);
        let now = self.env.now();
        let mut refusal = Refusal::from_response("the model", status, &headers, &fault, now);
        if refusal.error.kind == ModelErrorKind::BadRequest && format.concedes(&fault) {
            refusal.again = Again::Otherwise;
        }
        Err(refusal)
    }

    /// The body, if the format can read its media type. One that is said to be a JSON document is read at once, since it may be an
    /// error that a later attempt does not have.
    async fn readable(
        &self,
        format: &dyn WireFormat,
        response: Response,
        headers: &HeaderMap,
    ) -> Result<Body<impl Stream<Item = Result<Bytes, Broken>> + Send + Unpin + use<>>, Refusal>
    {
        let media_type = media_type(headers).unwrap_or_default();
        if !format.takes(&media_type) {
            return Err(Refusal::never(not_a_stream(&media_type)));
        }
        let encoding = Encoding::of(headers).map_err(|unknown| Refusal::never(unread(unknown)))?;
        let mut body = inflate::body(response, encoding);
        let mut document = Vec::new();
        if matches!(
            media_type.as_str(),
            "application/json" | "text/json" | "application/problem+json"
        ) {
            let first = self.next(&mut body).await?.unwrap_or_default();
            document.extend_from_slice(&first);
            let begins = document.iter().find(|byte| !byte.is_ascii_whitespace());
            if matches!(begins, Some(b'{' | b'[') | None) {
                self.rest(&mut body, &mut document).await?;
                return self.document(headers, document).map(Body::Document);
            }
        }
        let first = (!document.is_empty()).then(|| Ok(Bytes::from(document)));
        Ok(Body::Stream(stream::iter(first).chain(body)))
    }

    async fn rest(
        &self,
        body: &mut (impl Stream<Item = Result<Bytes, Broken>> + Unpin),
        document: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        while let Some(bytes) = self.next(body).await? {
            document.extend_from_slice(&bytes);
            if document.len() > self.document_bound {
                let bound = self.document_bound;
                let detail = format!("the answer has more than {bound} bytes");
                return Err(Refusal::never(ModelError::new(
                    ModelErrorKind::TooLarge,
                    detail,
                )));
            }
        }
        Ok(())
    }

    async fn next(
        &self,
        body: &mut (impl Stream<Item = Result<Bytes, Broken>> + Unpin),
    ) -> Result<Option<Bytes>, Refusal> {
        let failed = |kind, detail: String| Refusal::never(ModelError::new(kind, detail));
        match suspended::within(self.patience.silence, body.next()).await {
            Ok(next) => next
                .transpose()
                .map_err(|error| failed(ModelErrorKind::Cut, error.to_string())),
            Err(Late) => Err(failed(
                ModelErrorKind::TimedOut,
                format!("nothing came for {:?}", self.patience.silence),
            )),
        }
    }

    fn document(&self, headers: &HeaderMap, document: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let parsed: Value = serde_json::from_slice(&document).unwrap_or_default();
        match Fault::of_document(&parsed) {
            Some(fault) => Err(Refusal::from_document(headers, &fault, self.env.now())),
            None => Ok(document),
        }
    }

    /// A token can be revoked early: after one refusal a new one is used.
    async fn send_with_token(
        &self,
        request: &HttpRequest,
        entra: &Entra,
    ) -> Result<Response, Refusal> {
        let token = entra.token().await?;
        let response = self.send_as(request, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let token = entra.token_instead_of(&token).await?;
        self.send_as(request, &token).await
    }

    /// A signature holds for minutes, so each attempt has its own.
    async fn send_signed(
        &self,
        request: &HttpRequest,
        signer: &dyn Signer,
    ) -> Result<Response, Refusal> {
        let signature = signer.sign(request).await.map_err(Refusal::never)?;
        let mut attempt = request.clone();
        attempt.headers.extend(signature);
        self.send(&attempt, None).await
    }

    async fn send_as(&self, request: &HttpRequest, token: &Token) -> Result<Response, Refusal> {
        self.send(request, Some((&AUTHORIZATION, token.header())))
            .await
    }

    async fn send(
        &self,
        request: &HttpRequest,
        access: Option<(&HeaderName, &HeaderValue)>,
    ) -> Result<Response, Refusal> {
        let mut request = self
            .http
            .post(request.url.clone())
            .headers(request.headers.clone())
            // Compression delays the first words of a stream. Some services compress all the same, and are read.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .body(request.body.clone());
        if let Some((name, value)) = access {
            request = request.header(name, value);
        }
        match suspended::within(self.patience.first_byte, request.send()).await {
            Ok(sent) => sent.map_err(|error| Refusal::without_head(http::failure(error))),
            Err(Late) => Err(Refusal::without_head(ModelError::new(
                ModelErrorKind::TimedOut,
                format!("no answer within {:?}", self.patience.first_byte),
            ))),
        }
    }
}

fn not_a_stream(media_type: &str) -> ModelError {
    let detail = format!("the answer is {media_type}, not a stream");
    ModelError::new(ModelErrorKind::BadStream, detail)
}

fn unread(UnknownEncoding(name): UnknownEncoding) -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        format!("the answer is compressed as {name}, which is not read here"),
    )
}
