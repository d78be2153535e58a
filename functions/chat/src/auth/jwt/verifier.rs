//! Tokens of issuers.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::Env;
use baton_setup::settings::{Issuers, JwtAlgorithm, JwtSettings, KeySource};
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::keys::{Keys, PATIENCE};
use super::token::Token;
use super::{Refusal, Verified, claims, provider};

/// Checks the tokens of one issuer.
pub struct Verifier {
    settings: JwtSettings,
    keys: Source,
    env: Arc<dyn Env>,
}

enum Source {
    Secret(DecodingKey),
    Fetched(Arc<Keys>),
}

/// The verifiers of customers' and operators' tokens.
pub struct Verifiers {
    /// Of customers' tokens.
    pub customers: Option<Verifier>,
    /// Of operators' tokens.
    pub operators: Option<Verifier>,
}

impl Verifiers {
    /// Verifiers without keys yet. `env` is the clock, and runs the fetches. One issuer of both is asked for its keys once.
    pub fn new(issuers: Issuers, env: &Arc<dyn Env>) -> Self {
        let customers = issuers
            .customers
            .map(|settings| Verifier::new(settings, env.clone()));
        let mut operators = issuers
            .operators
            .map(|settings| Verifier::new(settings, env.clone()));
        if let (Some(customers), Some(operators)) = (&customers, &mut operators) {
            operators.share(customers);
        }
        Self {
            customers,
            operators,
        }
    }

    /// Fetches the keys at the start, in two seconds at most: an issuer that is down must not hold up all else.
    pub async fn ready(&self) {
        let both = [&self.customers, &self.operators].into_iter().flatten();
        join_all(both.map(Verifier::ready)).await;
    }
}

impl Verifier {
    /// The issuer, as its tokens name it.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// A verifier without keys yet. `env` is the clock, and runs the fetches.
    pub fn new(settings: JwtSettings, env: Arc<dyn Env>) -> Self {
        Self::with_patience(settings, env, PATIENCE)
    }

    /// With another bound for requests that wait for a fetch.
    pub(super) fn with_patience(
        settings: JwtSettings,
        env: Arc<dyn Env>,
        patience: Duration,
    ) -> Self {
        provider::install();
        let fetched = || {
            let (source, issuer) = (settings.keys.clone(), settings.issuer.clone());
            Source::Fetched(Keys::new(source, issuer, env.clone(), patience))
        };
        let keys = match &settings.keys {
            // The library takes no empty secret. The fetch then says that there is no key, for ever.
            KeySource::Secret(secret) => DecodingKey::from_secret(secret.expose().as_bytes())
                .map_or_else(|_| fetched(), Source::Secret),
            KeySource::Discovery(_) | KeySource::KeySet(_) => fetched(),
        };
        Self {
            settings,
            keys,
            env,
        }
    }

    /// Takes the keys of another verifier, if they are the same.
    fn share(&mut self, other: &Self) {
        let (ours, theirs) = (&self.settings, &other.settings);
        if let Source::Fetched(keys) = &other.keys
            && ours.issuer == theirs.issuer
            && ours.keys == theirs.keys
        {
            self.keys = Source::Fetched(keys.clone());
        }
    }

    /// Fetches the keys, and waits two seconds at most.
    pub async fn ready(&self) {
        match &self.keys {
            Source::Secret(_) => {}
            Source::Fetched(keys) => keys.ready().await,
        }
    }

    /// Whether a token says that it is of this issuer and for this audience. Believes nothing: it only chooses the verifier.
    pub fn is_for(&self, token: &str) -> bool {
        let claims = Token::parse(token).and_then(|token| token.claims());
        claims.is_ok_and(|claims| {
            claims::is_issuer(&self.settings, &claims)
                && claims::is_audience(&self.settings, &claims)
        })
    }

    /// Checks a token.
    ///
    /// # Errors
    /// The token is bad, or the keys to check it with cannot be had now.
    pub async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let token = Token::parse(token)?;
        check_type(token.header.typ.as_deref())?;
        let allowed = &self.settings.algorithms;
        let algorithm = allowed
            .iter()
            .copied()
            .find(|allowed| allowed.is_named(&token.header.alg))
            .ok_or(Refusal::Invalid(
                "the algorithm of the token is not allowed",
            ))?;
        // Before the signature, although nothing is believed yet: a foreign or expired token must cause no fetch.
        let verified = claims::read(&self.settings, &token.claims()?, self.env.now())?;
        let key = match &self.keys {
            Source::Secret(key) => key.clone(),
            Source::Fetched(keys) => keys.find(token.header.kid.as_deref(), algorithm).await?,
        };
        token.check(&key, library_name(algorithm))?;
        Ok(verified)
    }
}

/// The types of tokens that give access (RFC 9068, 2.1; RFC 8725, 3.11). Tokens of another type, such as logout tokens, come from the
/// same issuer with the same key.
fn check_type(typ: Option<&str>) -> Result<(), Refusal> {
    let Some(typ) = typ.map(str::to_ascii_lowercase) else {
        return Ok(());
    };
    let short = typ.strip_prefix("application/").unwrap_or(&typ);
    match short {
        "jwt" | "at+jwt" => Ok(()),
        _ => Err(Refusal::Invalid("the type of the token is not JWT")),
    }
}

fn library_name(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Hs384 => Algorithm::HS384,
        JwtAlgorithm::Hs512 => Algorithm::HS512,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Rs384 => Algorithm::RS384,
        JwtAlgorithm::Rs512 => Algorithm::RS512,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Ps384 => Algorithm::PS384,
        JwtAlgorithm::Ps512 => Algorithm::PS512,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::Es384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}
