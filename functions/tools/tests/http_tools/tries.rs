//! An action at a service from its acceptance to its end, tried by the engine: once, again, or never more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{
    Change, Env, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream, Store,
};
use baton_handoff::record::{ActionRecord, ActionState, decode, keys};
use baton_handoff::{CannotReport, Engine, Executed, Ports, Report, Tenant};
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_tools::tokens::ToolTokens;
use futures_util::future::BoxFuture;

use crate::service::{Does, Service, answer, json};
use crate::support::{Script, Setup};

/// Nobody speaks in these tests.
struct Mute;

impl Model for Mute {
    fn stream(
        self: Arc<Self>,
        _request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let error = ModelError::new(ModelErrorKind::Unreachable, "mute");
        Box::pin(std::future::ready(Err(error)))
    }
}

/// One accepted action, and what works on it.
struct Accepted {
    engine: Arc<Engine>,
    store: Arc<MemoryStore>,
    clock: Arc<baton_kit::conformance::TestClock>,
    id: ActionId,
}

impl Accepted {
    async fn of(setup: &Setup) -> Self {
        let booking = setup.build();
        let (clock, team) = (booking.clock, booking.team);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store: store.clone(),
            queue: Arc::new(MemoryQueue::new(clock.clone())),
            model: Arc::new(Mute),
            tools: booking.tools,
            env: clock.clone(),
        };
        let arguments = "{\"table\":\"T1\"}";
        let id = ActionId::new(ConversationId::parse("c").unwrap(), 1, "book", arguments, 0);
        let record = ActionRecord {
            id: id.clone(),
            owner: baton_handoff::Owner::none(),
            speaker: baton_handoff::Speaker::default(),
            tool: "book".to_owned(),
            arguments: arguments.to_owned(),
            amount_cents: None,
            over: None,
            confirmation: None,
            agent: "Front".to_owned(),
            state: ActionState::Queued,
            accepted_at: clock.now(),
            ended_at: None,
            due_at: clock.now(),
            attempts: 0,
            first_try_at: None,
            tried_before: false,
            awaited_until: None,
            place: 0,
            after: None,
            fence: 0,
            holder: String::new(),
            result: None,
            reason: None,
            reason_for_customer: None,
            approvals: Vec::new(),
            decided: None,
            receipt: 0,
        };
        let accept = Change::Create(keys::action(&id), record.record());
        store.commit(vec![accept]).await.unwrap();
        Self {
            engine: Engine::new(team, ports),
            store,
            clock,
            id,
        }
    }

    async fn tried(&self) -> Executed {
        self.engine.action(&self.id).execute().await
    }

    /// Tries as often as it is to be tried, each time when it is due, and says how often that was.
    async fn tried_to_its_end(&self) -> usize {
        for tries in 1..100 {
            match self.tried().await {
                Executed::Over => return tries,
                Executed::Later(wait) => self.clock.advance(wait),
            }
        }
        unreachable!("an action is tried without end")
    }

    async fn record(&self) -> ActionRecord {
        decode(
            &self
                .store
                .get(&keys::action(&self.id))
                .await
                .unwrap()
                .unwrap(),
        )
        .unwrap()
    }

    async fn end(&self) -> (ActionState, String) {
        let record = self.record().await;
        (record.state, record.result.unwrap_or_default())
    }
}

fn post(service: &Service, more: &str) -> Setup {
    Setup::action(format!(
        "method = \"POST\"\nurl = \"http://tables.example:{}/\"\n{more}",
        service.address.port()
    ))
}

fn keys_seen(service: &Service) -> BTreeSet<String> {
    let came = service.came();
    came.iter()
        .map(|came| came.header("idempotency-key")[0].to_owned())
        .collect()
}

#[tokio::test]
async fn every_try_of_an_action_has_the_same_key() {
    let service = Service::start(|number| match number {
        0 => Does::HangsUp,
        1 => Does::Says(answer("503 Service Unavailable", "", "")),
        _ => Does::Says(json("{\"booking\":7}")),
    })
    .await;
    let action = Accepted::of(&post(&service, "")).await;
    assert_eq!(action.tried_to_its_end().await, 3);
    assert_eq!(
        action.end().await,
        (ActionState::Done, "{\"booking\":7}".to_owned())
    );
    assert_eq!(service.came().len(), 3);
    let key = action.record().await.idempotency_key();
    assert_eq!(keys_seen(&service), BTreeSet::from([key]));
    // The message may come again; nothing is left to do.
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(service.came().len(), 3);
}

#[tokio::test]
async fn a_service_without_keys_is_called_once_and_what_was_cut_is_unknown() {
    let service = Service::start(|_| Does::HangsUp).await;
    let action = Accepted::of(&post(&service, "idempotency_keys = false")).await;
    assert_eq!(action.tried_to_its_end().await, 1);
    assert_eq!(action.end().await.0, ActionState::Unknown);
    action.clock.advance(Duration::from_hours(1));
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(service.connections(), 1);
}

fn accepting(service: &Service) -> Setup {
    let tokens = ToolTokens::new("https://chat.example", "0123456789abcdef0123456789abcdef");
    Setup {
        tokens: Some(Arc::new(tokens.unwrap())),
        ..post(
            service,
            "result_within_minutes = 30\nidempotency_keys = false",
        )
    }
}

#[tokio::test]
async fn what_a_service_has_begun_waits_for_its_report() {
    let service = Service::saying(answer("202 Accepted", "", "")).await;
    let mut setup = accepting(&service);
    setup.plain.push("tables.example".to_owned());
    let action = Accepted::of(&setup).await;
    assert_eq!(action.tried_to_its_end().await, 1);
    action.clock.advance(Duration::from_mins(29));
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(action.end().await.0, ActionState::Running);
    let came = service.came();
    assert_eq!(came[0].header("baton-action"), [action.id.to_string()]);
    let token = came[0].header("baton-action-token")[0].to_owned();
    let now = action.clock.now() / 1000;
    let tokens = setup.tokens.as_ref().unwrap();
    assert!(tokens.reports(&token, &action.id, now));
    let done = Report::Done("booked".to_owned());
    let reported = action.engine.action(&action.id);
    reported.report(&Tenant::default(), &done).await.unwrap();
    assert_eq!(action.end().await, (ActionState::Done, "booked".to_owned()));
    reported.report(&Tenant::default(), &done).await.unwrap();
    let refused = Report::Rejected("no".to_owned());
    let refused = reported.report(&Tenant::default(), &refused).await;
    assert!(matches!(
        refused,
        Err(CannotReport::Over(ActionState::Done))
    ));
    let other = Tenant::parse("other").unwrap();
    let strange = reported.report(&other, &done).await;
    assert!(matches!(strange, Err(CannotReport::NotFound)));
    assert_eq!(service.came().len(), 1);
}

#[tokio::test]
async fn what_a_service_has_begun_and_never_reports_is_unknown() {
    let service = Service::saying(answer("202 Accepted", "", "")).await;
    let mut setup = accepting(&service);
    setup.plain.push("tables.example".to_owned());
    let action = Accepted::of(&setup).await;
    assert_eq!(action.tried_to_its_end().await, 1);
    action.clock.advance(Duration::from_mins(30));
    assert_eq!(action.engine.sweep().await.unwrap().actions, 1);
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(action.end().await.0, ActionState::Unknown);
    assert_eq!(service.came().len(), 1);
}

#[tokio::test]
async fn a_service_that_could_not_prove_its_report_is_not_called() {
    let service = Service::saying(answer("202 Accepted", "", "")).await;
    // In clear text to another machine, and without a signer.
    let unsigned = Setup {
        tokens: None,
        ..accepting(&service)
    };
    for setup in [accepting(&service), unsigned] {
        let mistake = setup.mistake();
        assert!(mistake.contains("BATON_TOOL_TOKEN_SECRET"), "{mistake}");
    }
}

#[tokio::test]
async fn a_service_without_keys_is_called_when_it_was_not_reached_before() {
    let service = Service::saying(json("{\"booking\":7}")).await;
    let setup = Setup {
        names: Script::of(&[&[], &[], &["127.0.0.1"]]),
        ..post(&service, "idempotency_keys = false")
    };
    let action = Accepted::of(&setup).await;
    assert_eq!(action.tried_to_its_end().await, 3);
    assert_eq!(action.end().await.0, ActionState::Done);
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn what_never_reached_its_service_is_rejected_and_not_unknown() {
    let service = Service::saying(json("[]")).await;
    let setup = Setup {
        names: Script::of(&[&[]]),
        ..post(&service, "idempotency_keys = false")
    };
    let action = Accepted::of(&setup).await;
    assert_eq!(action.tried_to_its_end().await, 10);
    let (state, result) = action.end().await;
    assert_eq!(state, ActionState::Rejected);
    assert_eq!(
        result,
        "the service could not be reached; the last try: its name could not be resolved"
    );
    assert_eq!(service.connections(), 0);
}

/// The worker dies in the middle of the first call; another one comes when its claim has run out.
async fn after_a_dead_worker(keys: &str) -> (Service, ActionState) {
    let service = Service::start(|number| match number {
        0 => Does::FallsSilent(String::new()),
        _ => Does::Says(json("[]")),
    })
    .await;
    let action = Accepted::of(&post(&service, keys)).await;
    tokio::select! {
        _ = action.tried() => unreachable!("the service says nothing"),
        () = service.has_read(1) => {}
    }
    assert!(
        matches!(action.tried().await, Executed::Later(_)),
        "the dead one's claim still holds"
    );
    action.clock.advance(Duration::from_mins(1));
    assert_eq!(action.tried().await, Executed::Over);
    let state = action.end().await.0;
    (service, state)
}

#[tokio::test]
async fn a_worker_that_dies_in_a_call_leaves_it_to_the_key_or_to_a_person() {
    let (service, state) = after_a_dead_worker("").await;
    assert_eq!((service.came().len(), state), (2, ActionState::Done));
    assert_eq!(keys_seen(&service).len(), 1);
    let (service, state) = after_a_dead_worker("idempotency_keys = false").await;
    assert_eq!((service.came().len(), state), (1, ActionState::Unknown));
}

#[tokio::test]
async fn nothing_is_tried_again_past_the_life_of_its_key_which_begins_with_the_first_try() {
    let service = Service::start(|_| Does::HangsUp).await;
    let action = Accepted::of(&post(&service, "key_life_minutes = 30")).await;
    // As long as an approval may take: the service has not heard of the key yet.
    action.clock.advance(Duration::from_hours(72));
    assert!(matches!(action.tried().await, Executed::Later(_)));
    action.clock.advance(Duration::from_mins(20));
    assert!(
        matches!(action.tried().await, Executed::Later(_)),
        "20 of 30 minutes"
    );
    action.clock.advance(Duration::from_mins(10));
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(action.end().await.0, ActionState::Unknown);
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn a_service_is_left_alone_as_long_as_it_asks_for() {
    let busy = answer("429 Too Many Requests", "retry-after: 120\r\n", "");
    let service = Service::saying(busy).await;
    let action = Accepted::of(&post(&service, "key_life_minutes = 30")).await;
    assert_eq!(
        action.tried().await,
        Executed::Later(Duration::from_mins(2))
    );
    action.clock.advance(Duration::from_secs(119));
    assert_eq!(
        action.tried().await,
        Executed::Later(Duration::from_secs(1))
    );
    assert_eq!(service.connections(), 1);
    // Longer than the key lives: there will be no other try, so nobody waits for one.
    let later = answer("503 Service Unavailable", "retry-after: 3000\r\n", "");
    let service = Service::saying(later).await;
    let action = Accepted::of(&post(&service, "key_life_minutes = 30")).await;
    assert_eq!(action.tried().await, Executed::Over);
    assert_eq!(action.end().await.0, ActionState::Unknown);
}

#[tokio::test]
async fn a_conflict_is_a_refusal_at_the_first_try_and_a_wait_after_a_lost_one() {
    let taken = answer("409 Conflict", "content-type: text/plain\r\n", "taken");
    let service = Service::saying(taken.clone()).await;
    let action = Accepted::of(&post(&service, "")).await;
    assert_eq!(action.tried_to_its_end().await, 1);
    assert_eq!(
        action.end().await,
        (ActionState::Rejected, "409 Conflict: taken".to_owned())
    );

    let service = Service::start(move |number| match number {
        0 => Does::HangsUp,
        1 => Does::Says(taken.clone()),
        _ => Does::Says(json("{\"booking\":7}")),
    })
    .await;
    let action = Accepted::of(&post(&service, "")).await;
    assert_eq!(action.tried_to_its_end().await, 3);
    assert_eq!(action.end().await.0, ActionState::Done);
}
