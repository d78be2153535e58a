//! A new kind of tool is one file and one line: `shelf.rs`, and its line in the list of kinds. This holds it against the engine on
//! the memory store, as ARCHITECTURE says.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod shelf;

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::event::EventKind;
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{
    CallContext, CallDelta, FinishReason, Lane, Message, Model, ModelChunk, ModelError,
    ModelRequest, ModelStream, Queue, ToolRequest, Tools,
};
use baton_handoff::record::ActionState;
use baton_handoff::team::Team;
use baton_handoff::{
    Decision, Engine, Executed, Operator, Overlap, Owner, Ports, Principal, Reasons, Role, Seen,
    Shown, Subject, Submission, Tenant, events_of,
};
use baton_kit::conformance::TestClock;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_tools::outside::{Outside, SystemNames};
use baton_tools::toolbox::{KINDS, Kind, Toolbox, providers};
use futures_util::future::BoxFuture;
use futures_util::stream;

use shelf::{Shelf, ShelfProvider};

/// Those of Baton and one more.
fn kinds() -> Vec<Kind> {
    let mut kinds = KINDS.to_vec();
    kinds.push(Kind::new(&ShelfProvider, |_, _| {
        Ok(Arc::new(Shelf::default()))
    }));
    kinds
}

const TEAM: &str = r#"name = "Shop"
entry = "Front"

[[agent]]
name = "Front"
instructions = "Help."
tools = ["count", "take", "look_up_item"]

[[tool]]
name = "count"
kind = "lookup"
description = "Counts."
[tool.shelf]
product = "anvil"

[[tool]]
name = "take"
kind = "action"
description = "Takes one."
approval = { above_usd = 5 }
[tool.shelf]
product = "anvil"

[[tool]]
name = "look_up_item"
kind = "lookup"
description = "Finds an item."
parameters.search_query = { type = "string" }
"#;

/// Calls the tool that the customer names in the first line (late results may stand below), and then says what came of it.
struct Obedient;

impl Model for Obedient {
    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let last = match request.messages.into_iter().next_back().unwrap() {
            Message::User(name) => ModelChunk::Call(CallDelta {
                index: 0,
                id: Some("call".to_owned()),
                name: name.lines().next().map(str::to_owned),
                arguments: "{}".to_owned(),
            }),
            Message::Tool { result, .. } => ModelChunk::Text(result.to_string()),
            Message::System(_) | Message::Assistant { .. } => ModelChunk::Text("Well.".to_owned()),
        };
        let chunks = [Ok(last), Ok(ModelChunk::Finished(FinishReason::Stop))];
        Box::pin(std::future::ready(Ok(
            Box::pin(stream::iter(chunks)) as ModelStream
        )))
    }
}

struct Shop {
    engine: Arc<Engine>,
    team: Arc<Team>,
    tools: Arc<Toolbox>,
    queue: Arc<MemoryQueue>,
    clock: Arc<TestClock>,
}

impl Shop {
    fn open() -> Self {
        let clock = Arc::new(TestClock::new());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let queue = Arc::new(MemoryQueue::new(clock.clone()));
        let team = Arc::new(Team::parse("team.toml", TEAM, &providers(&kinds())).unwrap());
        let outside = Outside {
            store: store.clone(),
            env: clock.clone(),
            tokens: None,
            variables: &|_| None,
            networks: Vec::new(),
            plain_hosts: Vec::new(),
            extra_roots: Vec::new(),
            names: Arc::new(SystemNames),
            runs_programs: false,
        };
        let tools = Arc::new(Toolbox::open(&kinds(), &team, &outside).unwrap());
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store,
            queue: queue.clone(),
            model: Arc::new(Obedient),
            tools: tools.clone(),
            env: clock.clone(),
        };
        Self {
            engine: Engine::new(team.clone(), ports),
            team,
            tools,
            queue,
            clock,
        }
    }

    /// Says something and hears the whole answer.
    async fn say(&self, message: &str) -> String {
        let submission = Submission {
            message: message.to_owned(),
            message_id: None,
            overlap: Overlap::Queue,
            background: false,
            ..Submission::default()
        };
        let id = ConversationId::parse("c").unwrap();
        let conversation = self.engine.conversation(&id, &Principal::Open);
        let log = conversation.submit(submission).await.unwrap().log;
        let (mut text, mut seen) = (String::new(), Seen::default());
        loop {
            let (events, now, ended) = log.read(seen, events_of).await;
            for event in events {
                if let EventKind::TextDelta(more) = event.kind {
                    text.push_str(&more);
                }
            }
            if ended {
                return text;
            }
            seen = now;
        }
    }

    /// How often the action in the queue was tried until it was over.
    async fn work(&self) -> usize {
        let (hidden, wait) = (Duration::from_hours(1), Duration::ZERO);
        let received = self.queue.receive(Lane::Actions, 1, hidden, wait).await;
        let id = ActionId::parse(&received.unwrap().first().unwrap().body).unwrap();
        for tries in 1.. {
            match self.engine.action(&id).execute().await {
                Executed::Over => return tries,
                Executed::Later(wait) => self.clock.advance(wait),
            }
        }
        unreachable!("an action is tried without end")
    }
}

#[tokio::test]
async fn a_tool_of_a_new_kind_is_looked_up_priced_approved_and_carried_out_once() {
    let shop = Shop::open();
    assert_eq!(shop.say("count").await, "0 of anvil were taken.");

    let tenant = Tenant::default();
    // It is worth 10 dollars, by what the provider says.
    shop.say("take").await;
    let waiting = shop
        .engine
        .actions(&tenant, ActionState::Proposed, None, 10);
    let waiting = waiting.await.unwrap().actions;
    let [action] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    assert_eq!(action.amount_cents, Some(1_000));
    let (handle, shown) = (shop.engine.action(&action.id), Shown::of(action));
    let carl = Operator {
        name: Subject::parse("carl").unwrap(),
        tenant: tenant.clone(),
        roles: Role::ALL.to_vec(),
    };
    handle
        .decide(Decision::Approve, &shown, &carl, Reasons::default())
        .await
        .unwrap();

    // The answer to the first try is lost, and the second one has the same key.
    assert_eq!(shop.work().await, 2);
    let done = shop.engine.actions(&tenant, ActionState::Done, None, 10);
    let done = done.await.unwrap().actions;
    assert_eq!(
        done.first().unwrap().result.as_deref(),
        Some("One anvil was taken.")
    );
    assert_eq!(shop.say("count").await, "1 of anvil were taken.");
}

#[tokio::test]
async fn tools_of_other_kinds_go_where_they_went_before() {
    let shop = Shop::open();
    let tool = shop.team.tool("look_up_item").unwrap().clone();
    let request = ToolRequest {
        arguments: Arc::new(tool.check(r#"{"search_query":"unicycle"}"#).unwrap()),
        tool,
        context: CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1),
    };
    let found = shop.tools.lookup(&request).await.unwrap();
    assert!(found.contains("item_132612938"), "{found}");
}

#[test]
fn its_mistakes_are_told_with_their_lines() {
    let text = TEAM.replacen("product = \"anvil\"", "product = \"\"", 1);
    let mistake = Team::parse("team.toml", &text, &providers(&kinds())).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "team.toml:14: tool \"count\" names no product."
    );
    // Without its line in the list there is no such kind.
    let mistake = Team::parse("team.toml", TEAM, &providers(KINDS)).unwrap_err();
    assert!(
        mistake
            .to_string()
            .starts_with("team.toml:13: unknown key `shelf`"),
        "{mistake}"
    );
}
