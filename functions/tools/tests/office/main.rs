//! The back office keeps its rules, whoever calls how often, and whatever the store answers.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod erased;
mod owners;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, Outcome, Price, Store, ToolRequest, Tools};
use baton_handoff::team::Team;
use baton_handoff::{Owner, Tenant};
use baton_kit::conformance::{FaultyStore, TestClock};
use baton_stores::memory::MemoryStore;
use baton_tools::office::{BackOffice, Order, Refund};
use futures_util::future::join_all;
use serde_json::{Value, json};

const UNICYCLE: &str = "item_132612938";

fn office() -> Arc<BackOffice> {
    let clock = Arc::new(TestClock::new());
    Arc::new(BackOffice::new(
        Arc::new(MemoryStore::new(clock.clone())),
        clock,
    ))
}

fn request(tool: &str, arguments: &Value) -> ToolRequest {
    request_of(&Owner::none(), "c1", tool, arguments)
}

/// A call in this conversation of this owner.
fn request_of(owner: &Owner, conversation: &str, tool: &str, arguments: &Value) -> ToolRequest {
    static TEAM: LazyLock<Team> = LazyLock::new(Team::acme);
    let tool = Arc::clone(TEAM.tool(tool).unwrap());
    let arguments = Arc::new(tool.check(&arguments.to_string()).unwrap());
    ToolRequest {
        tool,
        arguments,
        context: CallContext::new(
            owner.clone(),
            ConversationId::parse(conversation).unwrap(),
            1,
        ),
    }
}

fn order(product: &str, price: u64) -> ToolRequest {
    request(
        "execute_order",
        &json!({ "product": product, "price": price }),
    )
}

fn refund(item_id: &str) -> ToolRequest {
    request("execute_refund", &json!({ "item_id": item_id }))
}

async fn look_up(office: &BackOffice, query: &str) -> Vec<Value> {
    let request = request("look_up_item", &json!({ "search_query": query }));
    items(&office.lookup(&request).await.unwrap())
}

fn items(text: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_str(text).unwrap();
    answer.get("items").unwrap().as_array().unwrap().clone()
}

async fn all_orders(office: &BackOffice) -> Vec<Order> {
    office
        .orders(&Tenant::default(), None, 1000)
        .await
        .unwrap()
        .entries
}

async fn all_refunds(office: &BackOffice) -> Vec<Refund> {
    office
        .refunds(&Tenant::default(), None, 1000)
        .await
        .unwrap()
        .entries
}

fn done(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done(result) => serde_json::from_str(&result).unwrap(),
        other @ (Outcome::Begun(_)
        | Outcome::Rejected(_)
        | Outcome::Conflict(..)
        | Outcome::NotSent(_)
        | Outcome::Busy(..)
        | Outcome::Retry(..)
        | Outcome::Unknown(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_exploded_unicycle_is_found() {
    let office = office();
    for query in [
        "my rocket-powered unicycle exploded",
        "Rocket powered unicycle",
        "unicicle",
        UNICYCLE,
    ] {
        let items = look_up(&office, query).await;
        let expected = json!({
            "item_id": UNICYCLE, "product": "Rocket-powered unicycle", "kind": "order", "order_id": "order_132612938",
            "paid_usd": 399, "bought_on": "2026-09-01", "refunded": false,
        });
        assert_eq!(items[0], expected, "{query}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_not_found() {
    let office = office();
    for query in [
        "submarine",
        "the my a",
        "?!",
        "item_000000000",
        "'; DROP TABLE records; --",
    ] {
        assert_eq!(look_up(&office, query).await, [Value::Null; 0], "{query}");
    }
}

#[tokio::test]
async fn what_is_only_sold_is_found_in_the_catalogue() {
    let items = look_up(&office(), "Do you have anvils?").await;
    let expected = json!({ "item_id": "product_001", "product": "Anvil, one ton", "kind": "product", "price_usd": 299 });
    assert_eq!(items, [expected]);
}

#[tokio::test]
async fn hits_are_bounded() {
    let office = office();
    for n in 0..30 {
        done(
            office
                .act(&order(&format!("Anvil number {n}"), 1), &format!("key {n}"))
                .await,
        );
    }
    assert_eq!(look_up(&office, "anvil").await.len(), 10);
}

#[tokio::test]
async fn an_order_can_be_found_and_refunded() {
    let office = office();
    let bought = done(office.act(&order("Giant sling", 77), "order").await);
    assert_eq!(
        (&bought["product"], &bought["price_usd"]),
        (&json!("Giant sling"), &json!(77))
    );
    let found = look_up(&office, "the giant sling is broken").await;
    assert_eq!(
        (&found[0]["item_id"], &found[0]["paid_usd"]),
        (&bought["item_id"], &json!(77))
    );
    let item_id = bought["item_id"].as_str().unwrap();
    assert_eq!(office.price(&refund(item_id)).await, Price::Known(7700));
    let refunded = done(office.act(&refund(item_id), "refund").await);
    assert_eq!(
        refunded,
        json!({ "item_id": item_id, "product": "Giant sling", "refunded_usd": 77 })
    );
    assert_eq!(look_up(&office, "giant sling").await[0]["refunded"], true);
    let [recorded] = all_refunds(&office).await.try_into().unwrap();
    assert_eq!(
        (recorded.refunded_cents, recorded.reason.as_str()),
        (7700, "not provided")
    );
    assert_eq!(
        all_orders(&office).await[0].item_id,
        item_id,
        "the newest order is not the first"
    );
}

#[tokio::test]
async fn of_two_alike_the_one_that_can_be_refunded_comes_first() {
    let office = office();
    let first = done(office.act(&order("Giant sling", 77), "1").await);
    let second = done(office.act(&order("Giant sling", 78), "2").await);
    done(
        office
            .act(&refund(second["item_id"].as_str().unwrap()), "3")
            .await,
    );
    assert_eq!(
        look_up(&office, "giant sling").await[0]["item_id"],
        first["item_id"]
    );
}

#[tokio::test]
async fn what_cannot_be_refunded_is_rejected_and_stays_so() {
    let office = office();
    for item_id in [
        "item_1",
        "product_001",
        "",
        "item_../../x",
        &"item_1".repeat(1000),
    ] {
        if item_id.is_empty() {
            continue;
        }
        let key = format!("key of {}", item_id.len());
        let rejected = office.act(&refund(item_id), &key).await;
        assert!(matches!(&rejected, Outcome::Rejected(_)), "{rejected:?}");
        assert_eq!(office.act(&refund(item_id), &key).await, rejected);
    }
    done(office.act(&refund(UNICYCLE), "first").await);
    let second = office.act(&refund(UNICYCLE), "second").await;
    assert!(
        matches!(&second, Outcome::Rejected(sentence) if sentence.contains("already")),
        "{second:?}"
    );
    assert_eq!(all_refunds(&office).await.len(), 1);
}

#[tokio::test]
async fn amounts_are_what_moves() {
    let office = office();
    assert_eq!(office.price(&order("Anvil", 12)).await, Price::Known(1200));
    assert_eq!(
        office.price(&order("Anvil", u64::MAX)).await,
        Price::Known(u64::MAX)
    );
    assert_eq!(office.price(&refund(UNICYCLE)).await, Price::Known(39_900));
    assert_eq!(office.price(&refund("item_1")).await, Price::NoPrice);
    let price = office.act(&order("Anvil", u64::MAX), "key").await;
    assert!(matches!(price, Outcome::Rejected(_)), "{price:?}");
}

#[tokio::test]
async fn lists_go_on_page_by_page() {
    let office = office();
    let tenant = Tenant::default();
    let first = office.orders(&tenant, None, 3).await.unwrap();
    let after = first.next.as_ref();
    let rest = office.orders(&tenant, after, 3).await.unwrap();
    assert_eq!(
        (first.entries.len(), rest.entries.len(), rest.next),
        (3, 2, None)
    );
    let ids: BTreeSet<String> = first
        .entries
        .into_iter()
        .chain(rest.entries)
        .map(|order| order.item_id)
        .collect();
    assert_eq!(ids.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_has_one_effect_under_any_concurrency() {
    let office = office();
    let call = |_| {
        let office = Arc::clone(&office);
        tokio::spawn(async move { office.act(&order("Anvil", 12), "the key").await })
    };
    let outcomes: Vec<Outcome> = join_all((0..64).map(call))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    done(outcomes[0].clone());
    assert!(
        outcomes.iter().all(|outcome| *outcome == outcomes[0]),
        "{outcomes:?}"
    );
    assert_eq!(
        all_orders(&office)
            .await
            .iter()
            .filter(|order| order.product == "Anvil")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_item_is_refunded_once_under_any_concurrency() {
    let office = office();
    let call = |n| {
        let office = Arc::clone(&office);
        tokio::spawn(async move { office.act(&refund(UNICYCLE), &format!("key {n}")).await })
    };
    let outcomes: Vec<Outcome> = join_all((0..64).map(call))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let count =
        |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    assert_eq!(count(|outcome| matches!(outcome, Outcome::Done(_))), 1);
    assert_eq!(count(|outcome| matches!(outcome, Outcome::Rejected(_))), 63);
    let [refund] = all_refunds(&office).await.try_into().unwrap();
    assert_eq!(refund.refunded_cents, 39_900);
}

/// Tries as a worker does: the same key, until there is an outcome.
async fn act_until_it_ends(office: &BackOffice, request: &ToolRequest, key: &str) -> Outcome {
    for _ in 0..1000 {
        match office.act(request, key).await {
            Outcome::Retry(..)
            | Outcome::NotSent(_)
            | Outcome::Busy(..)
            | Outcome::Conflict(..) => {}
            ended @ (Outcome::Done(_)
            | Outcome::Begun(_)
            | Outcome::Rejected(_)
            | Outcome::Unknown(_)) => {
                return ended;
            }
        }
    }
    panic!("it never ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_rules_hold_when_answers_are_lost() {
    for seed in 0..20 {
        let clock = Arc::new(TestClock::new());
        let books: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&books), seed));
        // Two offices, as in two processes.
        let offices = [
            Arc::new(BackOffice::new(faulty.clone(), clock.clone())),
            Arc::new(BackOffice::new(faulty, clock.clone())),
        ];
        let call = |n: usize| {
            let office = Arc::clone(&offices[n % 2]);
            // Every key comes twice.
            let key = n / 2;
            tokio::spawn(async move {
                let request = if key.is_multiple_of(2) {
                    order(&format!("Anvil {key}"), 12)
                } else {
                    refund(UNICYCLE)
                };
                (
                    key,
                    act_until_it_ends(&office, &request, &format!("key {key}")).await,
                )
            })
        };
        let ended: Vec<(usize, Outcome)> = join_all((0..32).map(call))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        for pair in ended.chunks(2) {
            assert_eq!(pair[0], pair[1], "one key, two outcomes; seed {seed}");
        }
        let office = BackOffice::new(books, clock);
        let orders = all_orders(&office).await;
        let products: BTreeSet<&str> = orders.iter().map(|order| order.product.as_str()).collect();
        assert_eq!(
            (orders.len(), products.len()),
            (5 + 8, 5 + 8),
            "seed {seed}"
        );
        assert_eq!(all_refunds(&office).await.len(), 1, "seed {seed}");
        let refunds = ended
            .iter()
            .filter(|(key, outcome)| key % 2 == 1 && matches!(outcome, Outcome::Done(_)));
        assert_eq!(refunds.count(), 2, "one key, told twice; seed {seed}");
    }
}
