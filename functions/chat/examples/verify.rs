//! Checks tokens by the settings in the environment. Reads lines of tokens with spaces between them, and answers each line by a
//! list: the status that a request with this token gets, and why. For `infra/test tokens`, and to try an issuer:
//!
//! ```sh
//! BATON_JWT_ISSUER=https://login.example.com BATON_JWT_AUDIENCE=chat cargo run -p baton-chat --example verify
//! ```

use std::io::Write as _;
use std::sync::Arc;

use baton_chat::auth::jwt::{Refusal, Verified, Verifiers};
use baton_chat::settings::{Settings, Values};
use baton_handoff::ports::Env;
use baton_stores::env::SystemEnv;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let issuers = Settings::read(&Values::from_environment(None)?)?.issuers;
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let verifiers = Arc::new(Verifiers::new(issuers, &env));
    verifiers.ready().await;
    for line in std::io::stdin().lines() {
        let line = line?;
        // Tokens of one line are checked at the same time.
        let mut checks = JoinSet::new();
        for (place, token) in line.split(' ').map(str::to_owned).enumerate() {
            let verifiers = verifiers.clone();
            checks.spawn(async move { (place, check(&verifiers, &token).await) });
        }
        let mut answers = checks.join_all().await;
        answers.sort_by_key(|(place, _)| *place);
        let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
        writeln!(std::io::stdout(), "{}", Value::from(answers))?;
    }
    Ok(())
}

/// The answer of the operators' verifier if the token is for it, else that of the customers'.
async fn check(verifiers: &Verifiers, token: &str) -> Value {
    let operators = verifiers.operators.as_ref();
    let operators = operators.filter(|operators| operators.is_for(token));
    let Some(verifier) = operators.or(verifiers.customers.as_ref()) else {
        return json!({"status": 401, "reason": "the token is of no issuer that is set"});
    };
    match verifier.verify(token).await {
        Ok(Verified {
            subject,
            tenant,
            claims,
            roles,
            ..
        }) => {
            json!({"status": 200, "subject": subject, "tenant": tenant, "claims": claims, "roles": roles})
        }
        Err(Refusal::Invalid(reason)) => json!({"status": 401, "reason": reason}),
        Err(refusal @ Refusal::Unavailable { retry_after }) => {
            json!({"status": 503, "reason": refusal.to_string(), "retry_after": retry_after.as_secs()})
        }
    }
}
