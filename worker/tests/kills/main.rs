//! `kill -9` of `pool` processes at random moments, while customers of another process on the same file order and get refunds:
//! whatever was accepted happens, and happens once.
//!
//! `BATON_KILLS` says how many servers another test kills; here it is a twentieth as many pools. `BATON_KILLS_SEED`
//! chooses the moments.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test that relies on it"
)]

mod audit;
mod mcp;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ids::{ConversationId, MessageId};
use baton_handoff::{Engine, Overlap, Principal, Submission, Tenant};
use baton_kit::dice::Dice;
use baton_kit::script::clerk;
use baton_rehearsal::scripted::ScriptedModel;
use baton_setup::Services;
use baton_setup::settings::{Settings, Values};
use futures_util::future::join_all;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use audit::{Journal, books};

/// Kills, unless `BATON_KILLS` says how many.
const KILLS: u64 = 30;

/// Customers who begin after each kill.
const CUSTOMERS: u64 = 4;

/// What the model is asked for an order at least: for the call, and with its result.
const ASKED: u64 = 2;

/// The kill comes up to this long after what the dice chose.
const MICROSECONDS: u64 = 5_000;

/// Longer than the lease of whoever was killed last, and than what comes on top of it.
const SETTLED: Duration = Duration::from_mins(3);

/// Between two looks at the books.
const LOOK: Duration = Duration::from_millis(100);

/// Claims of actions end soon after those who made them.
const TEAM: &str = r#"
name = "Shop"
entry = "Clerk"

[[agent]]
name = "Clerk"
instructions = "Do what the customer says."
tools = ["execute_order", "execute_refund"]

[[tool]]
name = "execute_order"
kind = "action"
description = "Orders a product."
timeout_seconds = 1
parameters = { product = { type = "string" }, price = { type = "integer" } }

[[tool]]
name = "execute_refund"
kind = "action"
description = "Refunds an item."
timeout_seconds = 1
identity = ["item_id"]
parameters = { item_id = { type = "string" } }
"#;

/// A folder with the file that everybody works on. Removed when dropped.
struct Place {
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // A pool that was killed may leave something; it lies in the build's own folder.
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    fn new(name: &str, model: &ScriptedModel, team: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let in_folder = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::write(in_folder("team.toml"), team).unwrap();
        let settings = vec![
            ("BATON_DATA", in_folder("baton.db")),
            ("BATON_TEAM", in_folder("team.toml")),
            ("BATON_MODEL_URL", model.url()),
            ("BATON_LEASE_SECONDS", "9".to_owned()),
            ("BATON_LOG", "error".to_owned()),
        ];
        Self { folder, settings }
    }

    /// Whoever talks to the customers: it has no pool of its own.
    async fn front(&self) -> Services {
        let mut values = Values::default();
        for (name, value) in &self.settings {
            values.set(name, value.clone());
        }
        Services::open(&Settings::read_explicit(&values).unwrap())
            .await
            .unwrap()
    }

    fn pool(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_pool"))
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

/// The front process, as a customer meets it.
#[derive(Clone)]
struct Front {
    parts: Arc<Services>,
    engine: Arc<Engine>,
}

impl Front {
    /// Says something, and waits for the end of the answer unless somebody else gives it.
    async fn say(&self, conversation: &str, id: &str, message: &str, background: bool) {
        let submission = Submission {
            message: message.to_owned(),
            message_id: Some(MessageId::parse(id).unwrap()),
            overlap: Overlap::Queue,
            background,
            ..Submission::default()
        };
        let accepted = self
            .engine
            .conversation(
                &ConversationId::parse(conversation).unwrap(),
                &Principal::Open,
            )
            .submit(submission)
            .await
            .unwrap();
        if !background {
            accepted.log.ended().await;
        }
    }

    /// Orders a thing that is called as the conversation, and has it refunded where the order's end is heard. The item, if so.
    async fn shop(self, conversation: String, background: bool) -> (String, Option<String>) {
        let order = format!("order {conversation} 30");
        self.say(&conversation, "order", &order, background).await;
        let item = self.ordered(&conversation).await;
        if let Some(item) = &item {
            self.say(&conversation, "refund", &format!("refund {item}"), true)
                .await;
        }
        (conversation, item)
    }

    async fn ordered(&self, product: &str) -> Option<String> {
        let newest = self
            .parts
            .office
            .orders(&Tenant::default(), None, 100)
            .await
            .unwrap();
        let mut orders = newest.entries.into_iter();
        orders
            .find(|order| order.product == product)
            .map(|order| order.item_id)
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_pools_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let kills = setting("BATON_KILLS").map_or(KILLS, |kills| kills.div_ceil(20));
    let mut dice = Dice(setting("BATON_KILLS_SEED").unwrap_or(1));
    let asked = Arc::new(watch::Sender::new(0_u64));
    let count = asked.clone();
    let model = ScriptedModel::responding(move |request| {
        count.send_modify(|asked| *asked += 1);
        clerk(request)
    })
    .await;
    let place = Place::new("pools", &model, TEAM);
    let parts = Arc::new(place.front().await);
    let engine = parts.engine();
    let front = Front { parts, engine };
    let mut pools = [place.pool(), place.pool()];
    let mut customers = Vec::new();
    for kill in 0..kills {
        let moment = *asked.borrow() + dice.below(CUSTOMERS * ASKED);
        for customer in 0..CUSTOMERS {
            let shop = front
                .clone()
                .shop(format!("c{kill}-{customer}"), customer % 2 == 1);
            customers.push(tokio::spawn(shop));
        }
        let mut heard = asked.subscribe();
        let reached = heard.wait_for(|asked| *asked >= moment);
        tokio::time::timeout(SETTLED, reached)
            .await
            .unwrap()
            .unwrap();
        // Not a wait for anything: the moment of the kill.
        tokio::time::sleep(Duration::from_micros(dice.below(MICROSECONDS))).await;
        let pool = &mut pools[usize::from(dice.below(2) == 1)];
        pool.kill().await.unwrap();
        *pool = place.pool();
    }
    let shopped = tokio::time::timeout(SETTLED, join_all(customers)).await;
    let shopped: Vec<_> = shopped.unwrap().into_iter().map(Result::unwrap).collect();
    let mut journals = Vec::new();
    for (conversation, item) in &shopped {
        let over = over(&front, conversation);
        let over = tokio::time::timeout(SETTLED, over).await;
        let journal = over.unwrap_or_else(|_| panic!("{conversation} does not end"));
        journal.check(1 + usize::from(item.is_some()));
        journals.push(journal);
    }
    let mut books = books(&front).await;
    println!(
        "{kills} kills of pools, {} orders, {} refunds, {} turns taken over, {} failed; 0 lost, 0 double",
        books.0.len(),
        books.1.len(),
        journals
            .iter()
            .map(|journal| journal.taken_over)
            .sum::<u64>(),
        journals.iter().map(Journal::failed).sum::<usize>(),
    );
    for journal in &journals {
        journal.cross_off(&mut books);
    }
    assert_eq!(books, Default::default(), "nobody asked for these");
    let cut = journals.iter().any(|journal| journal.taken_over > 0);
    assert!(cut, "no kill hit a turn");
    front.parts.close().await;
}

/// The journal of a conversation when nothing is left to do in it.
async fn over(front: &Front, conversation: &str) -> Journal {
    loop {
        let journal = Journal::of(front, conversation).await;
        if journal.is_over() {
            return journal;
        }
        tokio::time::sleep(LOOK).await;
    }
}
