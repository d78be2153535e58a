//! Conditions, versions, all or nothing.

use baton_handoff::ports::{Change, CommitError, Listing, Record};

use super::{Bench, key, record, settle};

impl Bench {
    /// Commits, whatever the faults.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        settle(self.store.as_ref(), changes).await
    }

    /// Version and body of a record.
    pub(super) async fn read(&self, sort: &str) -> Option<(u64, String)> {
        let stored = self.store.get(&key(sort)).await.unwrap()?;
        assert_eq!(stored.key, key(sort));
        Some((stored.version, stored.record.body))
    }
}

fn conflict(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Conflict))
}

pub(super) async fn a_record_comes_back_as_it_was_written(bench: Bench) {
    assert_eq!(bench.read("META").await, None);
    let at = |group: &str, rank| Listing {
        group: group.to_owned(),
        rank,
    };
    let written = Record {
        format: 7,
        body: "{\"text\":\"Grüße, 世界 🐦 \\u0000\"}".to_owned(),
        due_at: Some(1),
        listed: Some(at("conversations", 12)),
        work: Some(at("Läden/a#b", 34)),
        expires_at: Some(4_000_000_000_000),
    };
    bench
        .commit(vec![Change::Create(key("META"), written.clone())])
        .await
        .unwrap();
    let stored = bench.store.get(&key("META")).await.unwrap().unwrap();
    assert_eq!(
        (stored.key, stored.version, stored.record),
        (key("META"), 1, written)
    );
}

pub(super) async fn a_record_is_created_once(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("a"), record("first"))])
        .await
        .unwrap();
    assert!(conflict(
        &bench
            .commit(vec![Change::Create(key("a"), record("second"))])
            .await
    ));
    assert_eq!(bench.read("a").await, Some((1, "first".to_owned())));
}

pub(super) async fn versions_count_the_replacements(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("a"), record("1"))])
        .await
        .unwrap();
    for version in 1..=20 {
        let body = (version + 1).to_string();
        bench
            .commit(vec![Change::Replace(key("a"), version, record(&body))])
            .await
            .unwrap();
        assert_eq!(bench.read("a").await, Some((version + 1, body)));
    }
}

pub(super) async fn a_stale_version_writes_nothing(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("a"), record("1"))])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Replace(key("a"), 1, record("2"))])
        .await
        .unwrap();
    for version in [0, 1, 3, u64::MAX] {
        assert!(conflict(
            &bench
                .commit(vec![Change::Replace(key("a"), version, record("stale"))])
                .await
        ));
        assert!(conflict(
            &bench
                .commit(vec![Change::Remove(key("a"), Some(version))])
                .await
        ));
        assert!(conflict(
            &bench
                .commit(vec![Change::Require(key("a"), Some(version))])
                .await
        ));
    }
    assert!(conflict(
        &bench
            .commit(vec![Change::Replace(key("none"), 1, record("stale"))])
            .await
    ));
    assert_eq!(bench.read("a").await, Some((2, "2".to_owned())));
    assert_eq!(bench.read("none").await, None);
}

pub(super) async fn one_failed_condition_stops_the_whole_commit(bench: Bench) {
    bench
        .commit(vec![
            Change::Create(key("a"), record("a")),
            Change::Create(key("b"), record("b")),
        ])
        .await
        .unwrap();
    let parts = vec![
        Change::Create(key("new"), record("new")),
        Change::Replace(key("a"), 1, record("changed")),
        Change::Remove(key("b"), Some(1)),
    ];
    let failing = [
        Change::Create(key("b2"), record("x")),
        Change::Replace(key("b2"), 2, record("x")),
        Change::Require(key("b2"), None),
        Change::Remove(key("b2"), Some(2)),
    ];
    bench
        .commit(vec![Change::Create(key("b2"), record("b2"))])
        .await
        .unwrap();
    for last in failing {
        let mut parts = parts.clone();
        parts.push(last);
        assert!(conflict(&bench.commit(parts.clone()).await));
        parts.rotate_right(1);
        assert!(conflict(&bench.commit(parts).await));
    }
    assert_eq!(bench.read("new").await, None);
    assert_eq!(bench.read("a").await, Some((1, "a".to_owned())));
    assert_eq!(bench.read("b").await, Some((1, "b".to_owned())));
    bench.commit(parts).await.unwrap();
    assert_eq!(bench.read("new").await, Some((1, "new".to_owned())));
    assert_eq!(bench.read("a").await, Some((2, "changed".to_owned())));
    assert_eq!(bench.read("b").await, None);
}

pub(super) async fn a_requirement_holds_without_writing(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("fence"), record("7"))])
        .await
        .unwrap();
    let parts = vec![
        Change::Require(key("fence"), Some(1)),
        Change::Create(key("a"), record("a")),
    ];
    bench.commit(parts).await.unwrap();
    assert_eq!(bench.read("fence").await, Some((1, "7".to_owned())));
    bench
        .commit(vec![Change::Require(key("fence"), Some(1))])
        .await
        .unwrap();
    assert_eq!(bench.read("fence").await, Some((1, "7".to_owned())));
}

pub(super) async fn a_requirement_of_absence_holds_until_there_is_a_record(bench: Bench) {
    let parts = vec![
        Change::Require(key("stop"), None),
        Change::Create(key("a"), record("a")),
    ];
    bench.commit(parts).await.unwrap();
    bench
        .commit(vec![Change::Create(key("stop"), record("stop"))])
        .await
        .unwrap();
    let parts = vec![
        Change::Require(key("stop"), None),
        Change::Create(key("b"), record("b")),
    ];
    assert!(conflict(&bench.commit(parts).await));
    assert_eq!(bench.read("b").await, None);
}

pub(super) async fn a_removed_record_is_gone_and_starts_anew(bench: Bench) {
    bench
        .commit(vec![Change::Remove(key("a"), None)])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Create(key("a"), record("1"))])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Replace(key("a"), 1, record("2"))])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Remove(key("a"), Some(2))])
        .await
        .unwrap();
    assert_eq!(bench.read("a").await, None);
    bench
        .commit(vec![Change::Create(key("a"), record("anew"))])
        .await
        .unwrap();
    assert_eq!(bench.read("a").await, Some((1, "anew".to_owned())));
    bench
        .commit(vec![Change::Remove(key("a"), None)])
        .await
        .unwrap();
    assert_eq!(bench.read("a").await, None);
}

pub(super) async fn a_record_loses_what_it_is_written_without(bench: Bench) {
    let listing = Listing {
        group: "list".to_owned(),
        rank: 1,
    };
    let full = Record {
        due_at: Some(5),
        listed: Some(listing.clone()),
        work: Some(listing),
        expires_at: Some(u64::pow(10, 15)),
        ..record("full")
    };
    bench
        .commit(vec![Change::Create(key("a"), full)])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Replace(key("a"), 1, record("bare"))])
        .await
        .unwrap();
    let stored = bench.store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.record), (2, record("bare")));
}

pub(super) async fn an_empty_commit_does_nothing(bench: Bench) {
    bench.commit(Vec::new()).await.unwrap();
}
