//! Records that vanish.

use std::time::Duration;

use baton_handoff::ports::{Change, CommitError, Env as _, Index, Listing, Order, Range, Record};

use super::{Bench, key, record};

const LIFE: Duration = Duration::from_mins(1);

impl Bench {
    fn mortal(&self, body: &str) -> Record {
        let listing = Listing {
            group: "list".to_owned(),
            rank: 1,
        };
        let expires_at = self.clock.now() + 60_000;
        Record {
            due_at: Some(1),
            listed: Some(listing.clone()),
            work: Some(listing),
            expires_at: Some(expires_at),
            ..record(body)
        }
    }

    async fn sightings(&self) -> [usize; 6] {
        let range = |order| Range {
            partition: "C#1".to_owned(),
            prefix: String::new(),
            after: None,
            order,
            limit: 10,
        };
        let list = Index::Listed("list".to_owned());
        let work = Index::Work("list".to_owned());
        [
            usize::from(self.store.get(&key("mortal")).await.unwrap().is_some()),
            self.store
                .range(&range(Order::Ascending))
                .await
                .unwrap()
                .records
                .len(),
            self.store
                .range(&range(Order::Descending))
                .await
                .unwrap()
                .records
                .len(),
            self.store
                .index(&Index::Due(10), None, 10)
                .await
                .unwrap()
                .records
                .len(),
            self.store
                .index(&list, None, 10)
                .await
                .unwrap()
                .records
                .len(),
            self.store
                .index(&work, None, 10)
                .await
                .unwrap()
                .records
                .len(),
        ]
    }
}

pub(super) async fn an_expired_record_is_not_seen(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("mortal"), bench.mortal("x"))])
        .await
        .unwrap();
    bench.clock.advance(Duration::from_secs(59));
    assert_eq!(bench.sightings().await, [1; 6]);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.sightings().await, [0; 6]);
}

pub(super) async fn an_expired_record_counts_as_absent(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("mortal"), bench.mortal("1"))])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Replace(key("mortal"), 1, bench.mortal("2"))])
        .await
        .unwrap();
    bench.clock.advance(LIFE + Duration::from_secs(1));
    for part in [
        Change::Replace(key("mortal"), 2, record("late")),
        Change::Remove(key("mortal"), Some(2)),
        Change::Require(key("mortal"), Some(2)),
    ] {
        assert!(matches!(
            bench.commit(vec![part]).await,
            Err(CommitError::Conflict)
        ));
    }
    bench
        .commit(vec![Change::Require(key("mortal"), None)])
        .await
        .unwrap();
    bench
        .commit(vec![Change::Create(key("mortal"), record("anew"))])
        .await
        .unwrap();
    assert_eq!(bench.read("mortal").await, Some((1, "anew".to_owned())));
    bench.clock.advance(LIFE * 2);
    assert_eq!(bench.sightings().await, [1, 1, 1, 0, 0, 0]);
}
