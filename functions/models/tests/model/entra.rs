//! Azure OpenAI with tokens of Entra ID: fetched once, kept, renewed in time, shared.

use std::sync::Arc;

use baton_handoff::ports::{Env, ModelErrorKind};
use baton_http::Secret;
use baton_models::{AzureAuth, Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{Answer, Gate, ScriptedModel, json, says, status};
use serde_json::json;

use crate::support::{Clock, KEY, ask};

const HOUR: u64 = 3600;

struct Azure {
    authority: ScriptedModel,
    model: ScriptedModel,
    clock: Arc<Clock>,
    client: Arc<ModelClient>,
}

impl Azure {
    async fn start(tokens: Vec<Answer>, answers: Vec<Answer>) -> Self {
        let authority = ScriptedModel::start(tokens).await;
        let model = ScriptedModel::start(answers).await;
        let settings = ModelSettings::new(Endpoint::Azure {
            resource: model.origin(),
            deployment: "gpt".into(),
            api_version: "2024-10-21".into(),
            auth: AzureAuth::Entra {
                authority: authority.origin(),
                tenant: "acme".into(),
                client_id: "baton & co".into(),
                client_secret: Secret::new(KEY),
                scope: AzureAuth::SCOPE.into(),
            },
        });
        let clock = Clock::new();
        let client = ModelClient::new(&settings, Arc::clone(&clock) as Arc<dyn Env>).unwrap();
        Self {
            authority,
            model,
            clock,
            client,
        }
    }

    /// The tokens that the model was shown.
    fn shown(&self) -> Vec<String> {
        let requests = self.model.requests();
        requests
            .iter()
            .map(|request| request.header("authorization").unwrap().to_owned())
            .collect()
    }
}

fn token(name: &str, expires_in: u64) -> Answer {
    json(
        200,
        json!({"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": name}),
    )
}

fn many(count: usize) -> Vec<Answer> {
    (0..count).map(|_| says("Hi")).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let azure = Azure::start(vec![token("one", HOUR)], many(3)).await;
    for _ in 0..3 {
        assert_eq!(ask(&azure.client).await.text(), "Hi");
    }
    assert_eq!(azure.shown(), ["Bearer one"; 3]);
    let asked = azure.authority.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target, "/acme/oauth2/v2.0/token");
    assert_eq!(
        asked[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        asked[0].body,
        "grant_type=client_credentials&client_id=baton+%26+co&client_secret=sk-very-secret-key\
         &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
    );
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let azure = Azure::start(vec![token("one", HOUR), token("two", HOUR)], many(3)).await;
    ask(&azure.client).await;
    azure.clock.pass(HOUR - 301);
    ask(&azure.client).await;
    azure.clock.pass(2);
    ask(&azure.client).await;
    assert_eq!(azure.shown(), ["Bearer one", "Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn a_short_life_is_used_to_four_fifths() {
    let azure = Azure::start(vec![token("one", 100), token("two", 100)], many(3)).await;
    ask(&azure.client).await;
    azure.clock.pass(79);
    ask(&azure.client).await;
    azure.clock.pass(2);
    ask(&azure.client).await;
    assert_eq!(azure.shown(), ["Bearer one", "Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn an_old_token_goes_on_while_its_renewal_fails() {
    let azure = Azure::start(
        vec![token("one", HOUR), status(503), token("two", HOUR)],
        many(4),
    )
    .await;
    ask(&azure.client).await;
    azure.clock.pass(HOUR - 200);
    ask(&azure.client).await;
    // The authority is left alone for a while.
    ask(&azure.client).await;
    assert_eq!(azure.authority.requests().len(), 2);
    azure.clock.pass(31);
    ask(&azure.client).await;
    assert_eq!(
        azure.shown(),
        ["Bearer one", "Bearer one", "Bearer one", "Bearer two"]
    );
}

#[tokio::test]
async fn an_ended_token_is_never_shown() {
    let azure = Azure::start(vec![token("one", HOUR), status(401)], many(2)).await;
    ask(&azure.client).await;
    azure.clock.pass(HOUR);
    assert_eq!(
        ask(&azure.client).await.kind(),
        Some(ModelErrorKind::Unauthorized)
    );
    assert_eq!(azure.shown(), ["Bearer one"]);
}

#[tokio::test]
async fn callers_at_once_share_one_fetch() {
    let gate = Gate::new();
    let azure = Azure::start(vec![token("one", HOUR).gate(&gate)], many(20)).await;
    let asking = all_at_once(&azure.client);
    gate.reached().await;
    gate.open();
    for reply in asking {
        assert_eq!(reply.await.unwrap().text(), "Hi");
    }
    assert_eq!(azure.authority.requests().len(), 1);
}

#[tokio::test]
async fn callers_at_once_share_one_failure() {
    let gate = Gate::new();
    let refused = json(400, json!({"error": "invalid_client"})).gate(&gate);
    let azure = Azure::start(vec![refused], many(20)).await;
    let asking = all_at_once(&azure.client);
    gate.reached().await;
    // Every task of this one thread has run until it waits.
    tokio::task::yield_now().await;
    gate.open();
    for reply in asking {
        let error = reply.await.unwrap().error.unwrap();
        assert_eq!(error.kind, ModelErrorKind::Unauthorized);
        assert_eq!(
            error.detail,
            "Entra answered 400 Bad Request, code invalid_client"
        );
    }
    assert_eq!(azure.authority.requests().len(), 1);
    assert!(azure.model.requests().is_empty());
}

#[tokio::test]
async fn a_renewal_holds_nobody_up_while_the_old_token_is_good() {
    let gate = Gate::new();
    let azure = Azure::start(
        vec![token("one", HOUR), token("two", HOUR).gate(&gate)],
        many(3),
    )
    .await;
    ask(&azure.client).await;
    azure.clock.pass(HOUR - 100);
    let renewing = tokio::spawn({
        let client = Arc::clone(&azure.client);
        async move { ask(&client).await }
    });
    gate.reached().await;
    assert_eq!(ask(&azure.client).await.text(), "Hi");
    gate.open();
    assert_eq!(renewing.await.unwrap().text(), "Hi");
    assert_eq!(azure.shown(), ["Bearer one", "Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let azure = Azure::start(
        vec![token("one", HOUR), token("two", HOUR)],
        vec![status(401), says("Hi")],
    )
    .await;
    assert_eq!(ask(&azure.client).await.text(), "Hi");
    assert_eq!(azure.shown(), ["Bearer one", "Bearer two"]);

    let tokens = vec![token("one", HOUR), token("two", HOUR), token("three", HOUR)];
    let azure = Azure::start(tokens, vec![status(401), status(401), says("Hi")]).await;
    assert_eq!(
        ask(&azure.client).await.kind(),
        Some(ModelErrorKind::Unauthorized)
    );
    assert_eq!(azure.shown(), ["Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn an_authority_that_is_down_is_asked_again() {
    let azure = Azure::start(
        vec![status(503).header("retry-after", "2"), token("one", HOUR)],
        many(1),
    )
    .await;
    assert_eq!(ask(&azure.client).await.text(), "Hi");
    assert_eq!(azure.clock.slept(), [2000]);
}

#[tokio::test]
async fn an_answer_without_a_token_is_an_error() {
    for document in [
        json!({"expires_in": 1}),
        json!({"access_token": "a\nb", "expires_in": 1}),
        json!("token"),
    ] {
        let azure = Azure::start(vec![json(200, document)], many(1)).await;
        assert_eq!(
            ask(&azure.client).await.kind(),
            Some(ModelErrorKind::BadStream)
        );
    }
}

fn all_at_once(client: &Arc<ModelClient>) -> Vec<tokio::task::JoinHandle<crate::support::Reply>> {
    let one = |_| {
        let client = Arc::clone(client);
        tokio::spawn(async move { ask(&client).await })
    };
    (0..20).map(one).collect()
}
