//! What the checks of credentials need, made from the settings. Knows no route.

use std::sync::Arc;

use baton_handoff::ports::Env;
use baton_http::Secret;
use baton_setup::secret_beside;
use baton_setup::settings::{Settings, Strangers};

use super::guesses::Guesses;
use super::jwt::{Mint, Verifiers};

/// What the checks of credentials need.
pub struct Auth {
    /// How requests without a credential are treated.
    pub strangers: Strangers,
    /// The issuers of JWTs.
    pub issuers: Verifiers,
    /// Signs the tokens of visitors and widgets; none without a secret for it.
    pub mint: Option<Mint>,
    /// The token of the operator with every role.
    pub operator_token: Option<Secret>,
    /// Bad credentials of the last minute.
    pub(super) guesses: Guesses,
}

impl Auth {
    /// Checks of credentials by the settings. Beside a file, missing secrets are made at the first start; the instances of a
    /// function need theirs from the settings, because each must know the tokens of all others. Waits two seconds at most for
    /// the keys of issuers.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn of(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Self> {
        let kept = |given: &Option<Secret>, name: &str| match (given, &settings.keeping.cloud) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, None) => secret_beside(&settings.keeping.data, name, &**env).map(Some),
            (None, Some(_)) => Ok(None),
        };
        let session = kept(&settings.access.session_secret, "session")?;
        if session.is_none() && settings.access.strangers == Strangers::Visitors {
            anyhow::bail!(
                "BATON_SESSION_SECRET is not set, and anonymous visitors need it; make one with: openssl rand -hex 32"
            );
        }
        let mint = session.map(|secret| Mint::new(secret.expose().as_bytes(), env.clone()));
        let issuers = Verifiers::new(settings.access.issuers.clone(), env);
        issuers.ready().await;
        Ok(Self::new(
            settings.access.strangers,
            issuers,
            mint.transpose()?,
            kept(&settings.access.operator_token, "operator")?,
        ))
    }

    /// Checks of credentials.
    pub fn new(
        strangers: Strangers,
        issuers: Verifiers,
        mint: Option<Mint>,
        operator_token: Option<Secret>,
    ) -> Self {
        Self {
            strangers,
            issuers,
            mint,
            operator_token,
            guesses: Guesses::default(),
        }
    }
}
