//! Sends notices to endpoints of other systems, signed as [Standard Webhooks 1.0](https://www.standardwebhooks.com) has it.
//! Knows HTTP, addresses and secrets; never what a notice says, or when it is sent again.

mod clients;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use baton_handoff::ports::{ClientEndpoint, Delivered, Destination, Env, Posted, Webhooks};
use baton_handoff::team::{Team, Webhook};
use baton_http::retry_after;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use ring::hmac;
use tokio::time::Instant;

use self::clients::Clients;
pub use self::clients::{NotAHost, PushHost};
use crate::outgoing::line::{Line, NoAnswer, Question, literal_address};
use crate::outside::Outside;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with, as Standard Webhooks writes it.
const PREFIX: &str = "whsec_";

/// The bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One, or two while they are changed.
const MOST_SECRETS: usize = 2;

/// Why an endpoint cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("webhook {name:?} {reason}")]
pub struct WebhookError {
    name: String,
    reason: String,
}

/// The endpoints of a team, and the way to those that clients bring.
pub struct HttpWebhooks {
    endpoints: BTreeMap<String, Endpoint>,
    clients: Clients,
    line: Line,
    env: Arc<dyn Env>,
}

struct Endpoint {
    url: Url,
    secrets: Vec<hmac::Key>,
}

impl HttpWebhooks {
    /// Prepares every endpoint of the team. `hosts`: where clients may have endpoints.
    ///
    /// # Errors
    /// The first unusable one, as one sentence for the operator that starts Baton.
    pub fn new(
        team: &Team,
        hosts: Vec<PushHost>,
        outside: &Outside<'_>,
    ) -> Result<Self, WebhookError> {
        let clients = Clients::new(hosts, outside.plain_hosts.clone());
        let mut endpoints = BTreeMap::new();
        for webhook in team.webhooks() {
            endpoints.insert(webhook.name.clone(), Endpoint::of(webhook, outside)?);
        }
        let is_secure = |endpoint: &Endpoint| endpoint.url.scheme() == "https";
        let secure = clients.may_have_any() || endpoints.values().any(is_secure);
        let tls = baton_http::tls(secure, &outside.extra_roots, false).map_err(|error| {
            let name = endpoints.keys().next().cloned().unwrap_or_default();
            let reason = format!("cannot use the platform's certificates: {error}");
            WebhookError { name, reason }
        })?;
        let line = Line::new(outside.names.clone(), outside.networks.clone(), tls);
        for webhook in team.webhooks() {
            let url = endpoints.get(&webhook.name).map(|endpoint| &endpoint.url);
            if let Some(address) = url.and_then(literal_address)
                && !line.may_reach(address, webhook.allow_private)
            {
                let name = webhook.name.clone();
                let reason = format!(
                    "has the address {address}, which it may not call; `allow_private` in the team file allows private addresses, \
                     and nothing allows link-local and reserved ones"
                );
                return Err(WebhookError { name, reason });
            }
        }
        Ok(Self {
            endpoints,
            clients,
            line,
            env: outside.env.clone(),
        })
    }
}

impl Endpoint {
    fn of(webhook: &Webhook, outside: &Outside<'_>) -> Result<Self, WebhookError> {
        let bad = |reason: String| WebhookError {
            name: webhook.name.clone(),
            reason,
        };
        let url =
            Url::parse(&webhook.url).map_err(|error| bad(format!("has a bad URL: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "must not have a user name or a password in its URL".to_owned()
            ));
        }
        if !baton_http::may_carry_secrets(url.as_str(), &outside.plain_hosts) {
            return Err(bad(
                "would be told without TLS; use https://, or name the host in BATON_PLAIN_HTTP"
                    .to_owned(),
            ));
        }
        let variable = &webhook.secret;
        let text = (outside.variables)(variable).ok_or_else(|| {
            bad(format!(
                "needs the environment variable {variable}, which is not set"
            ))
        })?;
        let secrets: Option<Vec<_>> = text.split_whitespace().map(secret).collect();
        let secrets = secrets.filter(|secrets| (1..=MOST_SECRETS).contains(&secrets.len()));
        let secrets = secrets.ok_or_else(|| {
            bad(format!(
                "needs in {variable} one secret, or two while it is changed, such as: echo whsec_$(openssl rand -base64 32)"
            ))
        })?;
        Ok(Self { url, secrets })
    }

    /// What comes with the body of this notice.
    fn headers(&self, notice: &Posted<'_>) -> HeaderMap {
        let seconds = notice.at / 1000;
        let signed = format!("{}.{seconds}.{}", notice.id, notice.body);
        let value = |text: String| HeaderValue::try_from(text).ok();
        let json = HeaderValue::from_static("application/json");
        let headers = [
            (CONTENT_TYPE, Some(json)),
            (ID, value(notice.id.to_owned())),
            (TIMESTAMP, value(seconds.to_string())),
            (SIGNATURE, value(self.signature(&signed))),
        ];
        let headers = headers.into_iter();
        headers
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn signature(&self, signed: &str) -> String {
        let signatures = self.secrets.iter().map(|secret| {
            let tag = hmac::sign(secret, signed.as_bytes());
            format!("v1,{}", STANDARD.encode(tag))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// `whsec_` and base64.
fn secret(text: &str) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let fits = SECRET_BYTES.contains(&bytes.len());
    fits.then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[async_trait]
impl Webhooks for HttpWebhooks {
    async fn post(&self, notice: &Posted<'_>) -> Delivered {
        let failed = |reason: &str| Delivered::Failed(reason.to_owned(), None);
        let (of, url, headers, allow_private) = match notice.to {
            Destination::Endpoint(webhook) => {
                let Some(endpoint) = self.endpoints.get(&webhook.name) else {
                    return failed("there is no such endpoint here");
                };
                let headers = endpoint.headers(notice);
                let url = endpoint.url.clone();
                (webhook.name.as_str(), url, headers, webhook.allow_private)
            }
            // The settings may have changed since it was brought.
            Destination::Client(endpoint) => match self.clients.url(endpoint, &self.line) {
                Ok(url) => ("push notification", url, clients::headers(endpoint), false),
                Err(_) => return failed("the settings do not allow its address any more"),
            },
        };
        let question = Question {
            of,
            method: Method::POST,
            url,
            headers,
            body: Some(notice.body.to_owned()),
            allow_private,
            timeout: Webhook::TIMEOUT,
        };
        // The head says it all: no body is read.
        match self
            .line
            .send(question, Instant::now() + Webhook::TIMEOUT)
            .await
        {
            Err(NoAnswer::Barred) => failed("its address is not allowed"),
            Err(NoAnswer::NotSent(reason) | NoAnswer::Cut(reason)) => failed(reason),
            Ok(answer) if answer.status().is_success() => Delivered::Taken,
            Ok(answer) if answer.status() == StatusCode::GONE => Delivered::Gone,
            Ok(answer) => {
                let after = retry_after(answer.headers(), self.env.now());
                Delivered::Failed(format!("it answered {}", answer.status().as_u16()), after)
            }
        }
    }

    fn takes_clients(&self) -> bool {
        self.clients.may_have_any()
    }

    fn check_client(&self, endpoint: &ClientEndpoint) -> Result<(), String> {
        self.clients.url(endpoint, &self.line).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries.
    #[test]
    fn a_notice_is_signed_as_the_standard_has_it() {
        let endpoint = Endpoint {
            url: Url::parse("https://example.com").unwrap(),
            secrets: vec![secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
        };
        let signed = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        assert_eq!(
            endpoint.signature(signed),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_has_enough_bytes_and_the_prefix() {
        let long = format!("{PREFIX}{}", STANDARD.encode([7; 32]));
        assert!(secret(&long).is_some());
        let short = format!("{PREFIX}{}", STANDARD.encode([7; 16]));
        for bad in [short.as_str(), &long[PREFIX.len()..], "whsec_!", ""] {
            assert!(secret(bad).is_none(), "{bad}");
        }
    }
}
