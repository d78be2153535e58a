//! Every route, asked by every kind of caller. Only the owner and operators with the right role get through; all others learn
//! nothing, not even whether the conversation or the action exists.
//!
//! Knows neither the server nor its store: a test brings a [`Asks`], and [`people`] for its store. The routes come from the
//! document that the server serves, which a test of the crate compares with the route table. A route without a row fails.

pub(crate) mod callers;
pub(crate) mod people;
mod rows;
mod shape;
pub(crate) mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use self::callers::{Caller, Standing};
use self::people::People;
use self::rows::{Gate, Row, Target};

/// Requests at the same time. Bad credentials are answered late, so a sequence of them would take minutes; many more would meet the
/// bounds of connections and of answers that are made at once.
const AT_ONCE: usize = 192;

/// A text that only the owner and operators may read.
const SECRET: &str = "my password is rosebud";

/// The item of the refund that waits for approval.
const ITEM: &str = "item_318205561";

/// The mode of the server, and with it the kind of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `open`; the owner is a customer in whose name a service acts.
    Open,
    /// `anonymous`; the owner is a visitor with a cookie.
    Visitors,
    /// `jwt`; the owner is a customer with a token of the company's issuer.
    #[allow(dead_code, reason = "the tests of the function have no issuer")]
    Tokens,
}

impl Mode {
    /// The value of `BATON_AUTH`.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Open => "open,jwt",
            Self::Visitors => "anonymous,jwt",
            Self::Tokens => "jwt",
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str, caller: &Caller) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: caller.headers.clone(),
            body: None,
        }
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

/// An answer. The body of a stream without an end is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }
}

/// Answers requests.
pub(crate) trait Asks {
    async fn ask(&self, ask: &Ask) -> Reply;
}

/// Asks every route in the name of every caller.
pub(crate) async fn check(server: &impl Asks, mode: Mode, people: &People, sessions: &str) {
    every_route_has_a_row(server).await;
    let owner = callers::owner(server, mode, people).await;
    let target = target(server, &owner, people).await;
    let callers = callers::all(server, people, &owner, sessions).await;
    let before = seen(server, &owner, people, &target).await;
    strangers(server, mode, &callers, &target).await;
    let after = seen(server, &owner, people, &target).await;
    assert_eq!(before, after, "{mode:?}: a stranger has changed something");
    the_right_ones(server, &owner, &callers, &target).await;
    let path = format!("/actions/{}", target.action);
    let action = server
        .ask(&Ask::new("GET", &path, &people.operator))
        .await
        .json();
    assert_ne!(action["state"], "proposed", "nobody could decide: {action}");
}

async fn every_route_has_a_row(server: &impl Asks) {
    let ask = Ask::new("GET", "/openapi.json", &Caller::nobody());
    let document = server.ask(&ask).await.json();
    let paths = document["paths"].as_object().unwrap();
    let routes: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods
                .filter(|name| ["get", "post", "put", "patch", "delete"].contains(&name.as_str()))
                .map(|name| (name.to_uppercase(), path.clone()))
        })
        .collect();
    let rows = rows::all();
    let rows: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.method.to_owned(), row.route.to_owned()))
        .collect();
    assert_eq!(
        rows, routes,
        "each route needs a row in tests/matrix/rows.rs"
    );
}

/// A conversation of the owner with an action that waits for approval.
async fn target(server: &impl Asks, owner: &Caller, people: &People) -> Target {
    let (conversation, _) = say(
        server,
        owner,
        json!({ "message": format!("refund {ITEM}") }),
    )
    .await;
    let message = json!({ "message": SECRET, "conversation_id": conversation });
    let (_, turn) = say(server, owner, message).await;
    let listed = server
        .ask(&Ask::new(
            "GET",
            "/actions?state=proposed",
            &people.operator,
        ))
        .await;
    let listed = listed.json();
    let mut actions = listed["actions"].as_array().unwrap().iter();
    let action = actions
        .find(|action| action["conversation"] == conversation)
        .unwrap_or_else(|| panic!("no refund of the owner waits: {listed}"));
    Target {
        action: action["id"].as_str().unwrap().to_owned(),
        decision: json!({
            "arguments_hash": action["arguments_hash"],
            "fence": action["fence"],
            "reason": "as the test wants it",
            "reason_for_customer": "as the shop wants it",
            "outcome": "done",
        }),
        conversation,
        turn,
    }
}

/// Says something. Returns the conversation and the turn.
async fn say(server: &impl Asks, caller: &Caller, message: Value) -> (String, String) {
    let ask = Ask::new("POST", "/chat/completions", caller).json(message);
    let reply = server.ask(&ask).await;
    assert_eq!(
        reply.status, 200,
        "{} says something: {reply:?}",
        caller.name
    );
    let header = |name| reply.header(name).to_owned();
    (header("x-conversation-id"), header("x-turn"))
}

/// What the owner and an operator see.
async fn seen(server: &impl Asks, owner: &Caller, people: &People, target: &Target) -> [Value; 3] {
    let read = async |path: String, caller: &Caller| {
        let reply = server.ask(&Ask::new("GET", &path, caller)).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.json()
    };
    [
        read(format!("/conversations/{}", target.conversation), owner).await,
        read("/conversations".to_owned(), owner).await,
        read(format!("/actions/{}", target.action), &people.operator).await,
    ]
}

/// Every row in the name of every caller that must not get through, or gets something of its own.
async fn strangers(server: &impl Asks, mode: Mode, callers: &[Caller], target: &Target) {
    let missing = Target::missing();
    let rows = rows::all();
    let cells = rows
        .iter()
        .flat_map(|row| callers.iter().map(move |caller| (row, caller)))
        .filter(|(row, caller)| !row.lets(caller.standing));
    let answers = cells.map(async |(row, caller)| {
        let (reply, wrong) = cell(server, mode, row, caller, [target, &missing]).await;
        let at = format!("{} {} by {}", row.method, row.route, caller.name);
        let wrong = wrong.map(|wrong| format!("{at}: {wrong}"));
        ((row.method, row.route), reply, wrong.collect::<Vec<_>>())
    });
    let mut answers = stream::iter(answers).buffer_unordered(AT_ONCE);
    let mut all_wrong = Vec::new();
    let mut not_found: BTreeMap<_, BTreeSet<Reply>> = BTreeMap::new();
    while let Some((route, reply, wrong)) = answers.next().await {
        all_wrong.extend(wrong);
        if reply.status == 404 {
            let replies = not_found.entry(route).or_default();
            replies.insert(shape::lasting(&reply));
        }
    }
    let differing = not_found.iter().filter(|(_, replies)| replies.len() > 1);
    all_wrong.extend(differing.map(|differing| format!("404 differs by caller: {differing:?}")));
    assert!(all_wrong.is_empty(), "{mode:?}:\n{}", all_wrong.join("\n"));
    no_method_tells_anything(server, callers, target).await;
}

/// One row in the name of one stranger. Returns what is wrong with the answer, too. `targets`: the owner's, and one of nothing.
async fn cell(
    server: &impl Asks,
    mode: Mode,
    row: &Row,
    caller: &Caller,
    targets: [&Target; 2],
) -> (Reply, impl Iterator<Item = String>) {
    let [target, missing] = targets;
    let reply = server.ask(&row.ask(caller, target)).await;
    let mut wrong = Vec::new();
    let expected = row.expected(caller.standing, mode);
    if !expected.contains(&reply.status) {
        wrong.push(format!("{expected:?} expected"));
    }
    if row.gate != Gate::Everyone {
        let text = format!("{reply:?}");
        let secrets = [SECRET, ITEM, &target.conversation, &target.action];
        let told = secrets.iter().filter(|secret| text.contains(**secret));
        wrong.extend(told.map(|secret| format!("{secret} is told")));
        if reply.status >= 400 {
            wrong.extend(shape::what_is_wrong(&reply));
        }
    }
    // A bad credential is refused before any route, and late.
    if row.method == "GET" && caller.standing != Standing::Bad {
        let mut head = row.ask(caller, target);
        "HEAD".clone_into(&mut head.method);
        let head = server.ask(&head).await;
        if (head.status, head.body.as_str()) != (reply.status, "") {
            wrong.push(format!("HEAD is answered by {}", head.status));
        }
    }
    if row.route.contains("{id}") {
        let other = server.ask(&row.ask(caller, missing)).await;
        if shape::lasting(&reply) != shape::lasting(&other) {
            wrong.push(format!(
                "what is missing has another answer: {} {}",
                other.status, other.body
            ));
        }
    }
    let answer = format!("{} {}", reply.status, reply.body);
    (
        reply,
        wrong
            .into_iter()
            .map(move |wrong| format!("{wrong}: {answer}")),
    )
}

/// A method that a path does not know is refused before any look at the credential or the record.
async fn no_method_tells_anything(server: &impl Asks, callers: &[Caller], target: &Target) {
    let rows = rows::all();
    let rows = rows.iter().filter(|row| row.route.contains("{id}"));
    for row in rows {
        let mut replies = BTreeSet::new();
        for target in [target, &Target::missing()] {
            for caller in callers
                .iter()
                .filter(|caller| caller.standing != Standing::Bad)
            {
                let mut ask = row.ask(caller, target);
                "PUT".clone_into(&mut ask.method);
                let reply = server.ask(&ask).await;
                assert_eq!(reply.status, 405, "PUT {}: {reply:?}", row.route);
                replies.insert(shape::lasting(&reply));
            }
        }
        assert_eq!(replies.len(), 1, "PUT {}: {replies:?}", row.route);
    }
}

/// Every row in the name of its owner and of the operators with the role for it.
async fn the_right_ones(server: &impl Asks, owner: &Caller, callers: &[Caller], target: &Target) {
    for row in rows::all() {
        let operators = callers.iter().filter(|caller| row.lets(caller.standing));
        let owner = row.is_of_owners().then_some(owner);
        for caller in owner.into_iter().chain(operators) {
            // Each begins with a conversation that the one before has not changed.
            let fresh = if row.changes_conversations() {
                let owner = owner.unwrap_or(caller);
                let (conversation, turn) = say(server, owner, json!({ "message": "hello" })).await;
                Target {
                    conversation,
                    turn,
                    ..target.clone()
                }
            } else {
                target.clone()
            };
            let at = format!("{} {} by {}", row.method, row.route, caller.name);
            let reply = server.ask(&row.ask(caller, &fresh)).await;
            assert!(
                row.gets.contains(&reply.status),
                "{at}: {:?}, {reply:?}",
                row.gets
            );
            if row.route.contains("{id}") {
                let missing = server.ask(&row.ask(caller, &Target::missing())).await;
                assert_eq!(missing.status, 404, "{at}, of nothing: {missing:?}");
                assert_eq!(shape::what_is_wrong(&missing), [] as [String; 0], "{at}");
            }
        }
    }
}
