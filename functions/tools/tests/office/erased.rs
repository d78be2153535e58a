//! What stays in the books of an erased conversation, and of a customer of whom all was erased.

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Forgotten, Index, Outcome, Price, Tools as _};
use baton_handoff::{Kind, Owner, Principal, Tenant};
use serde_json::json;

use crate::owners::{Bench, Buyer, customer, is_refused_as_refunded, principal, visitor};
use crate::{UNICYCLE, done};

const PSEUDONYM: &str = "0123456789abcdef0123456789abcdef";

fn forgotten(buyer: &Buyer, keys: &[&str]) -> Forgotten {
    Forgotten {
        conversation: ConversationId::parse(&buyer.conversation).unwrap(),
        owner: buyer.owner.clone(),
        pseudonym: ConversationId::parse(PSEUDONYM).unwrap(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

/// Buys, refunds, and refunds an example, all with words that must go. Returns the item.
async fn with_words(buyer: &Buyer) -> String {
    let item = buyer.buys("Canary cage", "order").await;
    for (item, key) in [(item.as_str(), "refund"), (UNICYCLE, "example")] {
        let arguments = json!({ "item_id": item, "reason": "my canary died" });
        let request = buyer.request("execute_refund", &arguments);
        done(buyer.office.act(&request, key).await);
    }
    // A refusal repeats what it was asked for.
    let refused = buyer.refund("canary", "refused").await;
    assert!(matches!(&refused, Outcome::Rejected(sentence) if sentence.contains("canary")));
    item
}

const KEYS: [&str; 4] = ["order", "refund", "example", "refused"];

/// Everything in the store that the office has written for this buyer.
async fn texts(bench: &Bench, buyer: &Buyer, item: &str) -> String {
    let mut texts = Vec::new();
    let buyers = [buyer.owner.to_string(), buyer.conversation.clone()];
    let partitions = buyers
        .iter()
        .flat_map(|name| [format!("B#OF#{name}"), format!("B#REFUNDED#{name}")]);
    let keys = KEYS.map(|key| format!("B#KEY#{key}"));
    for partition in partitions.chain(keys).chain([format!("B#{item}")]) {
        for stored in bench.range(&partition).await {
            texts.push(format!("{} {}", stored.key.sort, stored.record.body));
        }
    }
    texts.join("\n")
}

#[tokio::test]
async fn no_word_of_an_erased_conversation_stays_in_the_books_and_all_amounts_do() {
    for owner in [Principal::Open, customer("ann"), visitor("ann")] {
        let bench = Bench::new();
        let buyer = bench.buyer(&owner, "c-erased");
        let item = with_words(&buyer).await;
        assert!(
            texts(&bench, &buyer, &item)
                .await
                .to_lowercase()
                .contains("canary")
        );
        let erased = forgotten(&buyer, &KEYS);
        bench.office.forget(&erased).await.unwrap();
        // It may come twice.
        bench.office.forget(&erased).await.unwrap();

        let left = texts(&bench, &buyer, &item).await.to_lowercase();
        assert!(!left.contains("canary"), "{left}");
        assert!(!left.contains("c-erased"), "{left}");
        let tenant = Tenant::default();
        let orders = bench
            .office
            .orders(&tenant, None, 1000)
            .await
            .unwrap()
            .entries;
        let order = orders.iter().find(|order| order.item_id == item).unwrap();
        assert_eq!(order.paid_cents, 49_900);
        assert_eq!(order.conversation.as_ref().unwrap().as_str(), PSEUDONYM);
        let refunds = bench
            .office
            .refunds(&tenant, None, 1000)
            .await
            .unwrap()
            .entries;
        let paid: Vec<u64> = refunds.iter().map(|refund| refund.refunded_cents).collect();
        assert_eq!(paid.iter().sum::<u64>(), 49_900 + 39_900);

        let found = buyer.look_up("canary cage").await;
        assert!(!found.contains(&item), "{found}");
        let again = buyer.refund(UNICYCLE, "example again").await;
        assert!(is_refused_as_refunded(&again), "{again:?}");
        let again = buyer.refund(&item, "refund again").await;
        assert!(matches!(again, Outcome::Rejected(_)), "{again:?}");
        // A late try of the same action has the outcome of the first one.
        assert!(matches!(
            buyer.refund(&item, "refund").await,
            Outcome::Done(_)
        ));
    }
}

#[tokio::test]
async fn an_order_of_another_conversation_keeps_its_words() {
    let bench = Bench::new();
    let ann = customer("ann");
    let (kept, erased) = (bench.buyer(&ann, "c-kept"), bench.buyer(&ann, "c-erased"));
    let cage = kept.buys("Canary cage", "order").await;
    done(erased.refund(&cage, "refund").await);
    let other = erased.buys("Red kite", "order 2").await;
    let keys = ["refund", "order 2"];
    bench
        .office
        .forget(&forgotten(&erased, &keys))
        .await
        .unwrap();
    let found = kept.look_up("canary cage").await;
    assert!(
        found.contains(&cage) && found.contains("Canary cage"),
        "{found}"
    );
    assert!(kept.sees_refunded("canary cage").await);
    assert!(!kept.look_up("red kite").await.contains(&other));
    // The customer has the number, and the amount is known.
    assert_eq!(kept.price(&other).await, Price::Known(49_900));
}

#[tokio::test]
async fn no_record_names_a_customer_of_whom_all_was_erased() {
    let bench = Bench::new();
    let ann = customer("ann@example.com");
    let (first, second) = (bench.buyer(&ann, "c1"), bench.buyer(&ann, "c2"));
    let item = with_words(&first).await;
    let kite = second.buys("Red kite", "order 2").await;
    bench
        .office
        .forget(&forgotten(&first, &KEYS))
        .await
        .unwrap();
    let books = bench.office.books_of(&first.owner).await.unwrap();
    let items: Vec<&str> = books.orders.iter().map(|order| &*order.item_id).collect();
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items.contains(&&*item) && items.contains(&&*kite));
    assert_eq!(books.refunds.len(), 2);

    let stays = principal("default", Kind::Service, "erased-x").owner();
    let pseudonym = ConversationId::parse(PSEUDONYM).unwrap();
    let erase = async |owner: &Owner| bench.office.erase_owner(owner, &stays, &pseudonym).await;
    assert_eq!(erase(&first.owner).await.unwrap(), 4);
    assert_eq!(erase(&first.owner).await.unwrap(), 0);
    for list in ["default/orders", "default/refunds"] {
        let list = Index::Listed(list.to_owned());
        let page = bench.store.index(&list, None, 1000).await.unwrap();
        for stored in page.records {
            let text = format!("{stored:?}");
            assert!(!text.contains("ann@example.com"), "{text}");
            assert!(!text.contains("kite"), "{text}");
        }
    }
    for partition in ["B#OF#", "B#REFUNDED#"] {
        let left = bench.range(&format!("{partition}{}", first.owner)).await;
        assert_eq!(left, []);
    }
    assert_eq!(second.price(&kite).await, Price::NoPrice);
}
