//! One request and its attempts.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Env, ModelError, ModelErrorKind, millis};
use baton_http::suspended::{self, Late};
use baton_http::{media_type, read_some};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};

use super::entra::{Entra, Token};
use super::http;
use super::retry::Refusal;
use crate::address::SettingsError;
use crate::credentials::Credentials;
use crate::limits::{Patience, Retries};
use crate::settings::ModelSettings;
use crate::wire::{HttpRequest, WireFormat};

/// Enough of an error's body for its codes.
const ERROR_BODY: usize = 4 * 1024;
/// The time limit for that: the status alone decides.
const ERROR_BODY_PATIENCE: Duration = Duration::from_secs(2);

/// The connections to one service, and the rules for requests to it.
pub(crate) struct Exchange {
    http: Client,
    access: Access,
    patience: Patience,
    retries: Retries,
    env: Arc<dyn Env>,
}

enum Access {
    Open,
    Header(HeaderName, HeaderValue),
    Entra(Box<Entra>),
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
        };
        Ok(Self {
            http: http::client(service, settings, settings.http2_prior_knowledge)?,
            access,
            patience: settings.patience,
            retries: settings.retries,
            env,
        })
    }

    /// Sends the request until a response can be read or no retry is left.
    pub(crate) async fn ask(
        &self,
        format: &dyn WireFormat,
        request: HttpRequest,
    ) -> Result<Response, ModelError> {
        let last_try = self.env.now() + millis(self.retries.total);
        let mut tries = 1;
        loop {
            let refusal = match self.ask_once(format, &request).await {
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
            tracing::warn!(model.tries = tries, model.wait_ms = millis(wait), model.error = %refusal.error, "a model request is tried again");
            self.env.sleep_until(next_try).await;
            tries += 1;
        }
    }

    async fn ask_once(
        &self,
        format: &dyn WireFormat,
        request: &HttpRequest,
    ) -> Result<Response, Refusal> {
        let response = match &self.access {
            Access::Open => self.send(request, None).await?,
            Access::Header(name, value) => self.send(request, Some((name, value))).await?,
            Access::Entra(entra) => self.send_with_token(request, entra).await?,
        };
        if response.status().is_success() {
            return readable(format, response).map_err(Refusal::never);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_some(response, ERROR_BODY, ERROR_BODY_PATIENCE).await;
        let fault = format.fault(status, &headers, &body);
        Err(Refusal::from_response(
            "the model",
            status,
            &headers,
            &fault,
            self.env.now(),
        ))
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

/// The response, if the format can read its media type.
fn readable(format: &dyn WireFormat, response: Response) -> Result<Response, ModelError> {
    let media_type = media_type(response.headers()).unwrap_or_default();
    if !format.takes(&media_type) {
        return Err(ModelError::new(
            ModelErrorKind::BadStream,
            format!("the answer is {media_type}, not a stream"),
        ));
    }
    Ok(response)
}
