//! Every route × every caller, in every mode.

#[path = "../matrix/mod.rs"]
pub(crate) mod shared;

use std::collections::BTreeMap;

use baton_chat::settings::{Settings, Values};
use baton_handoff::Bound;
use baton_rehearsal::scripted::ScriptedModel;

use self::shared::people::People;
use self::shared::{Ask, Asks, Mode, Reply, check, people, tokens};
use super::support::{Client, OPERATOR, SESSIONS, Server, Setup, alone, clerk, soon};

impl Asks for Client {
    async fn ask(&self, ask: &Ask) -> Reply {
        let mut request = self.bare(&ask.method, &ask.path);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let response = soon("an answer", request.send()).await.unwrap();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = value.to_str().unwrap().to_owned();
            headers.entry(name.to_string()).or_default().push(value);
        }
        let status = response.status().as_u16();
        let is_endless = headers
            .get("content-type")
            .is_some_and(|kind| kind == &["text/event-stream"]);
        let body = if is_endless {
            String::new()
        } else {
            soon("a body", response.text()).await.unwrap()
        };
        Reply {
            status,
            headers,
            body,
        }
    }
}

/// A server in this mode with both issuers, and the keys and operators in its store.
pub(super) async fn open(mode: Mode, model: &ScriptedModel) -> (Server, People) {
    open_for(mode, model, &[]).await
}

/// The same for pages of these origins.
pub(super) async fn open_for(
    mode: Mode,
    model: &ScriptedModel,
    origins: &[&str],
) -> (Server, People) {
    let mut setup = Setup::new(model);
    setup.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    open_with(mode, setup, &tokens::settings()).await
}

/// The same with these settings of issuers.
pub(super) async fn open_with(
    mode: Mode,
    mut setup: Setup,
    issuers: &[(&str, String)],
) -> (Server, People) {
    let mut values = Values::default();
    for (name, value) in issuers {
        values.set(name, value.clone());
    }
    values.set("BATON_AUTH", mode.setting().to_owned());
    // Each caller says something on every route that takes a message, and does not wait for the answers.
    let bounds = setup.engine.bounds.with(Bound::MessagesOwner, 1_000);
    setup.engine.bounds = bounds
        .with(Bound::TurnsOwner, 1_000)
        .with(Bound::StreamsOwner, 1_000);
    let settings = Settings::read(&values).unwrap();
    (setup.strangers, setup.issuers) = (settings.access.strangers, settings.access.issuers);
    let (store, queue) = setup.backend.open(setup.clock.clone()).await;
    let people = people::make(store, queue, setup.clock.clone(), OPERATOR).await;
    // Large, and the tests hold it.
    (Box::pin(setup.open()).await, people)
}

async fn check_mode(mode: Mode) {
    let _turn = alone().await;
    let model = ScriptedModel::responding(clerk).await;
    let (server, people) = open(mode, &model).await;
    check(&server.client(), mode, &people, SESSIONS).await;
}

#[tokio::test]
async fn every_route_is_for_its_owner_where_strangers_are_welcome() {
    check_mode(Mode::Open).await;
}

#[tokio::test]
async fn every_route_is_for_its_owner_where_strangers_become_visitors() {
    check_mode(Mode::Visitors).await;
}

#[tokio::test]
async fn every_route_is_for_its_owner_where_strangers_are_refused() {
    check_mode(Mode::Tokens).await;
}
