//! What fits and what is refused. A refusal writes nothing.

use baton_handoff::ports::{Change, CommitError, Key, Listing, Record};

use super::{Bench, key, record};
use baton_handoff::ports::limits::{
    COMMIT_PARTS, HIGHEST_NUMBER, PARTITION_BYTES, RECORD_BYTES, SORT_BYTES,
};

fn refused(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Refused(_)))
}

pub(super) async fn the_largest_record_fits_and_a_larger_one_is_refused(bench: Bench) {
    // Two bytes a character: the limit is one of bytes.
    let mut body = "ß".repeat(RECORD_BYTES / 2);
    bench
        .commit(vec![Change::Create(key("a"), record(&body))])
        .await
        .unwrap();
    assert_eq!(bench.read("a").await, Some((1, body.clone())));
    body.push('x');
    let parts = vec![
        Change::Create(key("small"), record("small")),
        Change::Replace(key("a"), 1, record(&body)),
    ];
    assert!(refused(&bench.commit(parts).await));
    assert_eq!(bench.read("small").await, None);
    assert_eq!(bench.read("a").await.map(|(version, _)| version), Some(1));
}

pub(super) async fn a_hundred_parts_fit_and_more_are_refused(bench: Bench) {
    let create = |n: usize| Change::Create(key(&format!("{n:03}")), record(&n.to_string()));
    bench
        .commit((0..COMMIT_PARTS).map(create).collect())
        .await
        .unwrap();
    assert_eq!(bench.read("099").await, Some((1, "99".to_owned())));
    assert!(refused(
        &bench
            .commit((200..=200 + COMMIT_PARTS).map(create).collect())
            .await
    ));
    assert_eq!(bench.read("200").await, None);
}

pub(super) async fn two_parts_with_one_key_are_refused(bench: Bench) {
    let parts = vec![
        Change::Create(key("a"), record("a")),
        Change::Create(key("b"), record("b")),
        Change::Require(key("a"), None),
    ];
    assert!(refused(&bench.commit(parts).await));
    assert_eq!(bench.read("a").await, None);
}

pub(super) async fn keys_have_a_length(bench: Bench) {
    let longest = Key::new("p".repeat(PARTITION_BYTES), "s".repeat(SORT_BYTES));
    bench
        .commit(vec![Change::Create(longest.clone(), record("long"))])
        .await
        .unwrap();
    assert_eq!(
        bench.store.get(&longest).await.unwrap().unwrap().key,
        longest
    );
    let bad = [
        Key::new("", "s"),
        Key::new("p", ""),
        Key::new("p".repeat(PARTITION_BYTES + 1), "s"),
        Key::new("p", "s".repeat(SORT_BYTES + 1)),
    ];
    for key in bad {
        assert!(refused(
            &bench.commit(vec![Change::Create(key, record("x"))]).await
        ));
    }
}

pub(super) async fn lists_have_names_and_ranks(bench: Bench) {
    let at = |group: &str, rank| Listing {
        group: group.to_owned(),
        rank,
    };
    let both = |listing: Listing| {
        [
            Record {
                listed: Some(listing.clone()),
                ..record("listed")
            },
            Record {
                work: Some(listing),
                ..record("work")
            },
        ]
    };
    // DynamoDB needs two bytes of the name for the shard.
    for fits in both(at(&"l".repeat(PARTITION_BYTES - 2), HIGHEST_NUMBER)) {
        let (sort, create) = (fits.body.clone(), fits.clone());
        bench
            .commit(vec![Change::Create(key(&sort), create)])
            .await
            .unwrap();
        let stored = bench.store.get(&key(&sort)).await.unwrap().unwrap();
        assert_eq!(stored.record, fits);
    }
    let long = "l".repeat(PARTITION_BYTES + 1);
    for listing in [at("", 1), at(&long, 1), at("list", HIGHEST_NUMBER + 1)] {
        for record in both(listing) {
            let create = vec![Change::Create(key("refused"), record)];
            assert!(refused(&bench.commit(create).await));
        }
    }
}
