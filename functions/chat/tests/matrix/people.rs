//! Keys and operators in a store, made before a server starts on it.

use std::sync::Arc;

use baton_handoff::ports::{Env, Queue, Store};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Operator, Ports, Role, Scope, Subject, Tenant};
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_tools::office::BackOffice;

use super::callers::{Caller, Standing};

/// Every role.
pub(crate) const ROLES: &[&str] = &["see", "approve", "settle", "administer"];

/// Sets of roles: each alone, all but one, and none.
const SETS: [&[&str]; 8] = [
    &[],
    &["see"],
    &["approve"],
    &["settle"],
    &["administer"],
    &["approve", "settle", "administer"],
    &["see", "settle", "administer"],
    &["see", "approve"],
];

/// Credentials of keys and operators.
pub(crate) struct People {
    /// Acts for customers of the tenant `default`, and makes sessions.
    pub(crate) shop: String,
    /// Chats as a service that has the owner's name.
    pub(crate) namesake: String,
    /// Makes sessions only.
    pub(crate) sessions: String,
    /// Acts for customers of another tenant.
    pub(crate) elsewhere: String,
    pub(crate) revoked: String,
    pub(crate) expired: String,
    /// Has every role, by the deployment's secret.
    pub(crate) operator: Caller,
    pub(crate) operators: Vec<Caller>,
    /// An operator's good token, to be shown where none belongs.
    pub(crate) token_in_cookie: String,
}

/// Makes them. `secret`: the deployment's secret for operators.
pub(crate) async fn make(
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    env: Arc<dyn Env>,
    secret: &str,
) -> People {
    let engine = engine(store, queue, env);
    let key = async |name: &str, tenant: &str, scopes: &[Scope], end| {
        let (name, tenant) = (
            Subject::parse(name).unwrap(),
            Tenant::parse(tenant).unwrap(),
        );
        engine
            .create_key(name, tenant, scopes.to_vec(), end)
            .await
            .unwrap()
    };
    let acts = [Scope::Customers, Scope::Sessions, Scope::Chat];
    let revoked = key("revoked", "default", &acts, None).await;
    let default = Tenant::default();
    assert_eq!(engine.revoke_key(&default, "revoked").await.unwrap(), 1);
    let mut operators = Vec::new();
    for (number, roles) in (0..).zip(SETS) {
        let name = format!("operator-{number}");
        let token = operator(&engine, &name, "default", roles).await;
        let standing = Standing::Operator(roles);
        operators.push(Caller::bearer(
            &format!("an operator with {roles:?}"),
            standing,
            &token,
        ));
    }
    let token = operator(&engine, "far", "acme", ROLES).await;
    let standing = Standing::OperatorElsewhere;
    operators.push(Caller::bearer(
        "an operator of another tenant",
        standing,
        &token,
    ));
    let token = operator(&engine, "gone", "default", ROLES).await;
    assert!(engine.remove_operator("gone").await.unwrap());
    operators.push(Caller::bearer(
        "an operator who was removed",
        Standing::Bad,
        &token,
    ));
    People {
        shop: key("shop", "default", &acts, None).await,
        namesake: key("coyote", "default", &[Scope::Chat], None).await,
        sessions: key("sessions", "default", &[Scope::Sessions], None).await,
        elsewhere: key("shop", "acme", &acts, None).await,
        expired: key("expired", "default", &acts, Some(1)).await,
        revoked,
        token_in_cookie: operator(&engine, "cookie", "default", ROLES).await,
        operator: Caller::bearer("the operator", Standing::Operator(ROLES), secret),
        operators,
    }
}

async fn operator(engine: &Engine, name: &str, tenant: &str, roles: &[&str]) -> String {
    let roles = roles.iter().map(|role| Role::parse(role).unwrap());
    let operator = Operator {
        name: Subject::parse(name).unwrap(),
        tenant: Tenant::parse(tenant).unwrap(),
        roles: roles.collect(),
    };
    engine.add_operator(operator).await.unwrap()
}

/// An engine that only keeps records of people.
pub(crate) fn engine(
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    env: Arc<dyn Env>,
) -> Arc<Engine> {
    let model = ModelSettings::new(Endpoint::OpenAi {
        base_url: "http://127.0.0.1:9".to_owned(),
        model: "none".to_owned(),
        key: None,
    });
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        tools: Arc::new(BackOffice::new(store.clone(), env.clone())),
        model: ModelClient::new(&model, env.clone()).unwrap(),
        store,
        queue,
        env,
    };
    Engine::new(Arc::new(Team::acme()), ports)
}
