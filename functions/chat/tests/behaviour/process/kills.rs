//! `kill -9` of one of two servers on one file, at random moments, again and again, while customers talk, order and get refunds:
//! what was confirmed is there, the rest goes on at once on the other server, nothing happens twice. Once with a model that has
//! nothing to hide, and once with two of two services that sign their thoughts and want them back, in a small window.
//!
//! `BATON_KILLS` says how many kills, `BATON_KILLS_THINKING` how many with the latter, `BATON_KILLS_SEED` which moments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_kit::dice::Dice;
use baton_rehearsal::scripted::{Answer, Captured, Format, ScriptedModel};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;

use crate::backend::file_in;
use crate::suite::support::{Asked, Client, Folder, Line, Turn, body, clerk, soon, until};

use super::local::{Local, command};

/// Kills, unless a setting says how many.
const KILLS: u64 = 30;

/// Kills on one file; then its books are checked and the next round begins with an empty one.
const ROUND: u64 = 50;

/// Rounds at once.
const STORES: u64 = 3;

/// Customers of a round who talk at once.
const CUSTOMERS: usize = 3;

/// Messages of a conversation; then its customer begins another.
const MESSAGES: usize = 6;

/// How many lines all customers of a round read between two kills, at most.
const LINES: u64 = 40;

/// How often a customer sends a message that was cut off before something must be wrong.
const TRIES: usize = 60;

/// What a customer sent, and the answer that came to its end.
struct Sent {
    conversation: String,
    id: String,
    message: String,
    answer: Turn,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    kills: u64,
    messages: usize,
    cuts: usize,
    failed: usize,
    requests: usize,
    /// Requests with thoughts that their service gave out before.
    returned: usize,
    /// Requests of later turns without the conversation's first.
    shortened: usize,
}

/// The servers of a round: their file, their models, their team.
struct Shop {
    folder: Folder,
    models: Vec<ScriptedModel>,
    team: Option<&'static str>,
}

impl Shop {
    /// The ACME team with one model.
    async fn plain() -> Self {
        Self {
            folder: Folder::new(),
            models: vec![ScriptedModel::responding(clerk).await],
            team: None,
        }
    }

    /// The same team with a model of Anthropic's at the desk and for repairs, and one of Google's in sales, which sign what they
    /// think, in a window that holds a few turns.
    async fn thoughtful() -> Self {
        let model = async |format| {
            let model = ScriptedModel::responding(thinking_clerk).await;
            model.speaking(format)
        };
        let models = vec![model(Format::Anthropic).await, model(Format::Gemini).await];
        let folder = Folder::new();
        let mut team = include_str!("../../../../handoff/teams/acme.toml").to_owned();
        for (from, to) in [
            ("window_tokens = 8000", "window_tokens = 700"),
            (TRIAGE, &format!("{TRIAGE}\nmodel = \"careful\"")),
            (REPAIRS, &format!("{REPAIRS}\nmodel = \"careful\"")),
            (SALES, &format!("{SALES}\nmodel = \"quick\"")),
        ] {
            assert!(team.contains(from), "{from:?} is not in the team file");
            team = team.replace(from, to);
        }
        for (name, api, model) in [
            ("careful", "anthropic", &models[0]),
            ("quick", "gemini", &models[1]),
        ] {
            let url = model.url();
            writeln!(
                team,
                "\n[[model]]\nname = \"{name}\"\napi = \"{api}\"\nurl = \"{url}\"\nmodel = \"{name}\"\neffort = \"low\""
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("team.toml"), team).unwrap();
        Self {
            folder,
            models,
            team: Some("team.toml"),
        }
    }

    fn command(&self) -> Command {
        let mut command = command(&file_in(&self.folder), &self.models[0].url());
        if let Some(team) = self.team {
            command.args(["--team", team]);
        }
        command
    }

    async fn start(&self) -> Local {
        Local::run(self.command()).await
    }
}

const TRIAGE: &str = "name = \"TriageAgent\"";
const SALES: &str = "name = \"SalesAgent\"";
const REPAIRS: &str = "name = \"IssuesAndRepairsAgent\"";

/// The clerk who thinks before each answer.
fn thinking_clerk(asked: &Captured) -> Answer {
    let thought = format!("{} results", asked.results().len());
    clerk(asked).thought_out(&thought)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_nothing_and_does_nothing_twice() {
    many_rounds(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_while_models_think_leaves_only_requests_that_their_services_take() {
    let all = many_rounds(true).await;
    assert!(all.returned > 0, "no thought was ever wanted back");
    assert!(all.shortened > 0, "no window was ever cut");
}

#[expect(clippy::print_stdout, reason = "the figures of a long run")]
async fn many_rounds(thinks: bool) -> Counts {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|number| number.parse().unwrap())
    };
    let kills = if thinks {
        "BATON_KILLS_THINKING"
    } else {
        "BATON_KILLS"
    };
    let kills: u64 = number(kills).unwrap_or(KILLS);
    let seed: u64 = number("BATON_KILLS_SEED").unwrap_or(1);
    let rounds = kills.div_ceil(ROUND).max(STORES);
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let stores = (0..STORES).map(|_| {
        let next = next.clone();
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= rounds {
                    return all;
                }
                let share = kills / rounds + u64::from(number < kills % rounds);
                let shop = if thinks {
                    Shop::thoughtful().await
                } else {
                    Shop::plain().await
                };
                all.push(round(shop, seed.wrapping_mul(1_000_003) + number, share).await);
            }
        })
    });
    let mut all = Counts::default();
    for counts in join_all(stores).await.into_iter().flat_map(Result::unwrap) {
        all.kills += counts.kills;
        all.messages += counts.messages;
        all.cuts += counts.cuts;
        all.failed += counts.failed;
        all.requests += counts.requests;
        all.returned += counts.returned;
        all.shortened += counts.shortened;
    }
    println!(
        "seed {seed}: {all:?} in {} s; 0 lost, 0 double",
        began.elapsed().as_secs()
    );
    assert_eq!(all.kills, kills);
    assert!(all.cuts > 0, "no kill hit anything");
    all
}

/// Where the two servers are, and what the customers of a round share.
struct Place {
    bases: watch::Sender<[String; 2]>,
    lines: watch::Sender<u64>,
    closing: AtomicBool,
    cuts: AtomicUsize,
}

async fn round(shop: Shop, seed: u64, kills: u64) -> Counts {
    let mut servers = [shop.start().await, shop.start().await];
    let place = Arc::new(Place {
        bases: watch::Sender::new([servers[0].base.clone(), servers[1].base.clone()]),
        lines: watch::Sender::new(0),
        closing: AtomicBool::new(false),
        cuts: AtomicUsize::new(0),
    });
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|customer| tokio::spawn(talk(place.clone(), customer, Dice(seed ^ customer as u64))))
        .collect();
    let mut dice = Dice(seed);
    for _ in 0..kills {
        let moment = *place.lines.borrow() + dice.below(LINES);
        let mut heard = place.lines.subscribe();
        soon(
            "the moment to kill",
            heard.wait_for(|lines| *lines >= moment),
        )
        .await
        .unwrap();
        let which = usize::from(dice.below(2) == 1);
        kill_in(&shop, &mut servers[which], &mut dice).await;
        let base = servers[which].base.clone();
        place.bases.send_modify(|bases| bases[which] = base);
    }
    place.closing.store(true, Ordering::SeqCst);
    let mut sent = Vec::new();
    for customer in customers {
        sent.extend(customer.await.unwrap());
    }
    for server in servers {
        server.kill().await;
    }
    let survivor = shop.start().await;
    let failed = check(&survivor.client(), &sent).await;
    survivor.kill().await;
    // Refused requests fail the test here: the models are as strict as their services.
    let requests = shop.models.iter().flat_map(ScriptedModel::requests);
    let requests: Vec<_> = requests.map(|request| request.messages()).collect();
    let has_thoughts = |messages: &&Vec<Value>| {
        let mut messages = messages.iter();
        messages.any(|message| !message["thoughts"].is_null())
    };
    let is_shortened = |messages: &&Vec<Value>| {
        let first = messages.iter().find(|message| message["role"] == "user");
        let first = first.and_then(|message| message["content"].as_str());
        // A conversation begins with an order of its own name.
        first.is_some_and(|first| !first.ends_with("-0 30"))
    };
    Counts {
        kills,
        messages: sent.len(),
        cuts: place.cuts.load(Ordering::SeqCst),
        failed,
        requests: requests.len(),
        returned: requests.iter().filter(has_thoughts).count(),
        shortened: requests.iter().filter(is_shortened).count(),
    }
}

/// Kills a server and starts it again; the next one too, some milliseconds after its start, in one case of five.
async fn kill_in(shop: &Shop, server: &mut Local, dice: &mut Dice) {
    server.kill_now().await;
    if dice.below(5) == 0 {
        let mut unlucky = shop.command().spawn().unwrap();
        // Not a wait for anything: the moment of the kill, which may find it before it listens.
        tokio::time::sleep(Duration::from_micros(dice.below(30_000))).await;
        unlucky.kill().await.unwrap();
    }
    *server = shop.start().await;
}

/// Talks until the round is over. A message whose answer was cut is sent again under its id, to whichever server is there.
async fn talk(place: Arc<Place>, customer: usize, mut dice: Dice) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0.. {
        let conversation = format!("c{customer}-{number}");
        let mut bought = None;
        for turn in 0..MESSAGES {
            if place.closing.load(Ordering::SeqCst) {
                return sent;
            }
            let message = match (turn % 3, bought.take()) {
                (0, _) => format!("order {conversation}-{turn} 30"),
                (1, Some(item)) => format!("refund {item}"),
                _ => format!("hello {turn}"),
            };
            let id = format!("m{turn}");
            let answer = say_until_answered(&place, &mut dice, &conversation, &id, &message).await;
            bought = item_in(&answer.text());
            sent.push(Sent {
                conversation: conversation.clone(),
                id,
                message,
                answer,
            });
        }
    }
    sent
}

async fn say_until_answered(
    place: &Place,
    dice: &mut Dice,
    conversation: &str,
    id: &str,
    message: &str,
) -> Turn {
    let mut named = body(conversation, message);
    named["message_id"] = json!(id);
    for _ in 0..TRIES {
        let base = place.bases.borrow()[usize::from(dice.below(2) == 1)].clone();
        match try_say(place, &base, &named).await {
            // The server could not know what becomes of it, and says so: it goes on elsewhere.
            Some(answer) if !is_unsure(&answer) => return answer,
            Some(_) | None => {
                place.cuts.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    }
    panic!("{conversation} was never answered: {message}");
}

/// Says it to this server, until that is killed and another one has taken its place. In one of some thousand kills the HTTP client
/// has lost its connection and waits all the same, whatever the server is. One that lives gets no such mercy.
async fn try_say(place: &Place, base: &String, named: &Value) -> Option<Turn> {
    let mut bases = place.bases.subscribe();
    let client = Client::new(base);
    let count = |_: &Line| place.lines.send_modify(|lines| *lines += 1);
    tokio::select! {
        biased;
        answer = client.try_say(named, count) => answer,
        killed = bases.wait_for(|bases| !bases.contains(base)) => {
            killed.unwrap();
            None
        }
    }
}

#[tokio::test]
async fn a_customer_leaves_a_server_that_was_killed_even_if_nobody_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let place = Place {
        bases: watch::Sender::new([silent.clone(), String::new()]),
        lines: watch::Sender::new(0),
        closing: AtomicBool::new(false),
        cuts: AtomicUsize::new(0),
    };
    let named = body("c", "hello");
    let mut saying = Box::pin(try_say(&place, &silent, &named));
    let (_connection, _) = tokio::select! {
        _ = &mut saying => panic!("nobody has answered"),
        connected = listener.accept() => connected.unwrap(),
    };
    place
        .bases
        .send_modify(|bases| bases[0] = "http://127.0.0.1:9".to_owned());
    assert!(soon("the customer's leave", saying).await.is_none());
}

fn is_unsure(answer: &Turn) -> bool {
    answer.status() == "running"
}

/// The item that the result of an order names.
fn item_in(answer: &str) -> Option<String> {
    let result: Value = serde_json::from_str(answer).ok()?;
    Some(result["item_id"].as_str()?.to_owned())
}

/// Everything that was answered is there word by word, every action has ended and stands in the books once, and no history has
/// a gap. Says how many turns failed, which they may when their owners are killed again and again.
async fn check(client: &Client, sent: &[Sent]) -> usize {
    for state in ["proposed", "queued", "running", "unknown"] {
        until(
            &format!("the end of the actions that are {state}"),
            async || client.actions(state).await.is_empty().then_some(()),
        )
        .await;
    }
    let mut failed = 0;
    let mut conversations: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for sent in sent {
        let now = client
            .say_as(&sent.id, &sent.conversation, &sent.message)
            .await;
        let place = format!("{} {}", sent.conversation, sent.message);
        assert_eq!(now.number, sent.answer.number, "{place}");
        assert_eq!(now.status(), sent.answer.status(), "{place}");
        assert_eq!(now.text(), last_said(&sent.answer), "{place}");
        failed += usize::from(now.status() == "failed");
        conversations
            .entry(&sent.conversation)
            .or_default()
            .push(sent);
    }
    let mut orders = booked(client, "orders", "product").await;
    let mut refunds = booked(client, "refunds", "item_id").await;
    for (conversation, sent) in conversations {
        check_history(client, conversation, &sent).await;
        for action in client.items_of(conversation, "action").await {
            let arguments: Value =
                serde_json::from_str(action["arguments"].as_str().unwrap()).unwrap();
            let (book, thing) = match action["name"].as_str() {
                Some("execute_order") => (&mut orders, &arguments["product"]),
                Some("execute_refund") => (&mut refunds, &arguments["item_id"]),
                other => panic!("{conversation} has an action {other:?}"),
            };
            assert_eq!(action["state"], "done", "{conversation}: {action}");
            let effects = book.remove(thing.as_str().unwrap());
            assert_eq!(effects, Some(1), "{conversation}: effects of {action}");
        }
    }
    assert!(
        orders.is_empty() && refunds.is_empty(),
        "nobody asked for {orders:?} {refunds:?}"
    );
    failed
}

/// What a listener has in the end: text that was said anew counts once.
fn last_said(answer: &Turn) -> String {
    let mut said = String::new();
    let mut step_began = 0;
    let mut step = String::new();
    for line in &answer.lines {
        let now: String = line.id.split('.').nth(1).unwrap_or_default().to_owned();
        if now != step {
            (step, step_began) = (now, said.len());
        }
        match line.content.kind.as_str() {
            "reset" => said.truncate(step_began),
            "string" => said += &line.content.message,
            _ => {}
        }
    }
    said
}

/// One turn for each message, in their order, without gaps; and what a committed order or refund promised is among its actions.
async fn check_history(client: &Client, conversation: &str, sent: &[&Sent]) {
    let turns = client.items_of(conversation, "turn").await;
    let numbers: Vec<_> = turns
        .iter()
        .map(|turn| turn["turn"].as_u64().unwrap())
        .collect();
    let gapless: Vec<_> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, gapless, "{conversation}");
    assert!(
        turns.iter().all(|turn| turn["status"] != "running"),
        "{conversation}: {turns:?}"
    );
    let said = client.said(conversation).await;
    let by_customer = said.iter().filter(|(_, role, _)| role == "customer");
    let messages: Vec<_> = by_customer
        .map(|(turn, _, text)| (*turn, text.as_str()))
        .collect();
    let expected: Vec<_> = sent
        .iter()
        .map(|sent| (sent.answer.number, sent.message.as_str()))
        .collect();
    assert_eq!(messages, expected, "{conversation}");
    let actions = client.items_of(conversation, "action").await;
    for sent in sent {
        let buys = sent.message.starts_with("order ") || sent.message.starts_with("refund ");
        let own = actions
            .iter()
            .filter(|action| action["turn"] == sent.answer.number)
            .count();
        let answered = sent.answer.status() == "committed";
        assert!(
            own == usize::from(buys) || (!answered && own == 0),
            "{conversation}: {own} actions for {:?}",
            sent.message
        );
    }
}

/// How often each thing stands in the books on behalf of a customer of this test.
async fn booked(client: &Client, book: &str, thing: &str) -> BTreeMap<String, usize> {
    let mut booked = BTreeMap::new();
    let mut path = format!("/{book}?limit=200");
    loop {
        let page = client.get(&path).await.json();
        for entry in page[book]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| !entry["conversation"].is_null())
        {
            *booked
                .entry(entry[thing].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        let Some(next) = page["next"].as_str() else {
            return booked;
        };
        path = format!("/{book}?limit=200&after={next}");
    }
}
