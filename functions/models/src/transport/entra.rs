//! Tokens of Entra ID by the client credentials grant (RFC 6749, 4.4), reused until shortly before they expire.
//! Knows nothing of models.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis, ModelError, ModelErrorKind, millis};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::http::failure;
use super::retry::Refusal;
use crate::credentials::ClientCredentials;
use crate::fault::Fault;
use crate::limits::Patience;
use baton_http::suspended::{self, Late};
use baton_http::{Secret, read_some};

/// Tokens have 1 to 2 KB; with many groups some more.
const ANSWER: usize = 64 * 1024;
/// How long before its end a token is renewed; a shorter-lived token after four fifths of its life.
const AHEAD: Duration = Duration::from_mins(5);
/// The pause after a failed renewal while the old token is valid.
const PAUSE: Duration = Duration::from_secs(30);
/// Our estimate of a token's end may be wrong by the transit time of the answer.
const SLACK: Duration = Duration::from_secs(5);

/// A token and its end.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    /// The number of the renewal that brought it.
    number: u64,
    renew_at: Millis,
    ends_at: Millis,
}

impl Token {
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

pub(super) struct Entra {
    http: Client,
    url: Url,
    form: Bytes,
    patience: Patience,
    env: Arc<dyn Env>,
    held: RwLock<Option<Token>>,
    /// Renewals that ended, successful or not.
    renewals: AtomicU64,
    /// The task with this lock renews. The tasks that waited share the outcome of the last renewal.
    renewing: Mutex<Result<(), ModelError>>,
}

impl Entra {
    pub(super) fn new(
        http: Client,
        credentials: ClientCredentials,
        patience: Patience,
        env: Arc<dyn Env>,
    ) -> Self {
        let ClientCredentials {
            token_url: url,
            client_id,
            client_secret,
            scope,
        } = credentials;
        let mut form = url.clone();
        form.query_pairs_mut()
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client_id)
            .append_pair("client_secret", client_secret.expose())
            .append_pair("scope", &scope);
        Self {
            http,
            url,
            form: Bytes::from(form.query().unwrap_or_default().to_owned()),
            patience,
            env,
            held: RwLock::new(None),
            renewals: AtomicU64::new(0),
            renewing: Mutex::new(Ok(())),
        }
    }

    /// A valid token. Near its end one caller renews it while the others use the old one.
    pub(super) async fn token(&self) -> Result<Token, Refusal> {
        let now = self.env.now();
        let Some(token) = self.held().filter(|token| now < token.ends_at) else {
            return self.renewed(None).await;
        };
        if now < token.renew_at {
            return Ok(token);
        }
        let Ok(mut last) = self.renewing.try_lock() else {
            return Ok(token);
        };
        match self.renew(&mut last).await {
            Ok(token) => Ok(token),
            Err(refusal) => {
                tracing::warn!(model.error = %refusal.error, "the Entra token could not be renewed; the old one is used");
                let token = Token {
                    renew_at: self.env.now() + millis(PAUSE),
                    ..token
                };
                self.hold(token.clone());
                Ok(token)
            }
        }
    }

    /// A new token, after the service refused this one.
    pub(super) async fn token_instead_of(&self, refused: &Token) -> Result<Token, Refusal> {
        self.renewed(Some(refused.number)).await
    }

    /// Waits for a renewal: the current one, or its own. A task that waited shares the outcome, even a failure; otherwise a
    /// hundred customers would wait for a silent authority one after the other.
    async fn renewed(&self, refused: Option<u64>) -> Result<Token, Refusal> {
        let usable =
            |token: &Token| Some(token.number) != refused && self.env.now() < token.ends_at;
        let before = self.renewals.load(Ordering::Acquire);
        let mut last = self.renewing.lock().await;
        if let Some(token) = self.held().filter(usable) {
            return Ok(token);
        }
        let waited = self.renewals.load(Ordering::Acquire) != before;
        match &*last {
            Err(error) if waited => Err(Refusal::without_head(error.clone())),
            Ok(()) | Err(_) => self.renew(&mut last).await,
        }
    }

    async fn renew(&self, last: &mut Result<(), ModelError>) -> Result<Token, Refusal> {
        let fetched = self.fetch(self.renewals.load(Ordering::Acquire)).await;
        *last = fetched
            .as_ref()
            .map(|_| ())
            .map_err(|refusal| refusal.error.clone());
        self.renewals.fetch_add(1, Ordering::AcqRel);
        let token = fetched?;
        self.hold(token.clone());
        Ok(token)
    }

    async fn fetch(&self, number: u64) -> Result<Token, Refusal> {
        let asked_at = self.env.now();
        let request = self
            .http
            .post(self.url.clone())
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            )
            .body(self.form.clone());
        let response = match suspended::within(self.patience.first_byte, request.send()).await {
            Ok(sent) => sent.map_err(|error| Refusal::without_head(failure(error)))?,
            Err(Late) => return Err(Refusal::without_head(late(&self.patience))),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_some(response, ANSWER, self.patience.silence).await;
        if !status.is_success() {
            let mut refusal = Refusal::from_response(
                "Entra",
                status,
                &headers,
                &Fault::from_json(&body),
                self.env.now(),
            );
            if refusal.error.kind == ModelErrorKind::BadRequest {
                // Entra answers 400 for an unknown tenant, client or scope: all of them are credentials.
                refusal.error.kind = ModelErrorKind::Unauthorized;
            }
            return Err(refusal);
        }
        Answer::read(&body)
            .and_then(|answer| answer.token(number, asked_at))
            .ok_or_else(|| {
                Refusal::never(ModelError::new(
                    ModelErrorKind::BadStream,
                    "Entra's answer holds no token",
                ))
            })
    }

    fn held(&self) -> Option<Token> {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, token: Token) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Seconds,
}

/// A number, or a number as text from older endpoints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Answer {
    fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    fn token(self, number: u64, asked_at: Millis) -> Option<Token> {
        let seconds = match self.expires_in {
            Seconds::Number(seconds) => seconds,
            Seconds::Text(text) => text.parse().ok()?,
        };
        let life = seconds.saturating_mul(1000);
        Some(Token {
            header: Secret::new(self.access_token).header("Bearer ")?,
            number,
            renew_at: asked_at.saturating_add(life.saturating_sub(millis(AHEAD)).max(life / 5 * 4)),
            ends_at: asked_at.saturating_add(life.saturating_sub(millis(SLACK))),
        })
    }
}

fn late(patience: &Patience) -> ModelError {
    ModelError::new(
        ModelErrorKind::TimedOut,
        format!("Entra did not answer within {:?}", patience.first_byte),
    )
}
