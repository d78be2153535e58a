//! Reading several keys at once.

use std::time::Duration;

use baton_handoff::ports::{Change, Env as _, Key, Record, Stored};

use super::{Bench, key, record};

impl Bench {
    async fn bodies(&self, keys: &[Key]) -> Vec<Option<String>> {
        let found = self.store.get_many(keys).await.unwrap();
        for (key, stored) in keys.iter().zip(&found) {
            assert!(stored.as_ref().is_none_or(|stored| stored.key == *key));
        }
        let body = |stored: Stored| stored.record.body;
        found.into_iter().map(|stored| stored.map(body)).collect()
    }
}

fn some(bodies: &[&str]) -> Vec<Option<String>> {
    let given = |body: &&str| Some((*body).to_owned()).filter(|body| body != "-");
    bodies.iter().map(given).collect()
}

pub(super) async fn records_come_in_the_order_of_their_keys(bench: Bench) {
    let elsewhere = Key::new("C#2", "a");
    let parts = vec![
        Change::Create(key("a"), record("1")),
        Change::Create(key("b"), record("2")),
        Change::Create(elsewhere.clone(), record("3")),
    ];
    bench.commit(parts).await.unwrap();
    let keys = [elsewhere, key("b"), key("missing"), key("a")];
    assert_eq!(bench.bodies(&keys).await, some(&["3", "2", "-", "1"]));
}

pub(super) async fn a_key_may_be_asked_for_twice_and_none_at_all(bench: Bench) {
    let parts = vec![Change::Create(key("a"), record("1"))];
    bench.commit(parts).await.unwrap();
    let keys = [key("a"), key("b"), key("a"), key("b")];
    assert_eq!(bench.bodies(&keys).await, some(&["1", "-", "1", "-"]));
    assert_eq!(bench.bodies(&[]).await, some(&[]));
}

pub(super) async fn more_records_than_one_request_holds_are_read(bench: Bench) {
    let sorts: Vec<_> = (0..101).map(|number| format!("{number:03}")).collect();
    for sorts in sorts.chunks(100) {
        let create = |sort: &String| Change::Create(key(sort), record(sort));
        bench
            .commit(sorts.iter().map(create).collect())
            .await
            .unwrap();
    }
    let keys: Vec<_> = sorts.iter().rev().map(|sort| key(sort)).collect();
    let expected: Vec<_> = sorts.into_iter().rev().map(Some).collect();
    assert_eq!(bench.bodies(&keys).await, expected);
}

pub(super) async fn what_is_expired_or_cannot_be_is_absent(bench: Bench) {
    let now = bench.clock.now();
    let expiring = Record {
        expires_at: Some(now + 1_000),
        ..record("1")
    };
    let parts = vec![
        Change::Create(key("expires"), expiring),
        Change::Create(key("stays"), record("2")),
    ];
    bench.commit(parts).await.unwrap();
    let long = "x".repeat(3_000);
    let keys = [key("expires"), Key::new("", ""), key(&long), key("stays")];
    assert_eq!(bench.bodies(&keys).await, some(&["1", "-", "-", "2"]));
    bench.clock.advance(Duration::from_millis(1_001));
    assert_eq!(bench.bodies(&keys).await, some(&["-", "-", "-", "2"]));
}

pub(super) async fn a_confirmed_commit_is_seen(bench: Bench) {
    let parts = vec![
        Change::Create(key("a"), record("0")),
        Change::Create(key("b"), record("0")),
    ];
    bench.commit(parts).await.unwrap();
    for version in 1..=5 {
        let body = version.to_string();
        let parts = vec![
            Change::Replace(key("a"), version, record(&body)),
            Change::Replace(key("b"), version, record(&body)),
        ];
        bench.commit(parts).await.unwrap();
        assert_eq!(
            bench.bodies(&[key("b"), key("a")]).await,
            some(&[&body, &body])
        );
    }
}
