//! Finding records across partitions: what is due, and lists.

use baton_handoff::ports::{Change, Cursor, Index, Key, Listing, Record, StoreError};

use super::{Bench, record};

/// Enough for any case; a page that ends early and goes on counts as one.
const MOST_PAGES: usize = 100;

impl Bench {
    async fn pages(&self, index: &Index, limit: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        let mut after = None;
        for _ in 0..MOST_PAGES {
            let page = self
                .store
                .index(index, after.as_ref(), limit)
                .await
                .unwrap();
            assert!(page.records.len() <= limit);
            bodies.extend(page.records.into_iter().map(|stored| stored.record.body));
            after = page.next;
            if after.is_none() {
                return bodies;
            }
        }
        panic!("an index without an end");
    }

    async fn due(&self, moment: u64) -> Vec<String> {
        self.pages(&Index::Due(moment), 100).await
    }
}

fn due(moment: u64, body: &str) -> Change {
    let record = Record {
        due_at: Some(moment),
        ..record(body)
    };
    Change::Create(Key::new(format!("C#{body}"), "META"), record)
}

fn listed(group: &str, rank: u64, body: &str) -> Change {
    let record = Record {
        listed: Some(at(group, rank)),
        ..record(body)
    };
    Change::Create(Key::new(format!("C#{body}"), "META"), record)
}

/// The same in the other list of the record.
fn work(group: &str, rank: u64, body: &str) -> Change {
    let record = Record {
        work: Some(at(group, rank)),
        ..record(body)
    };
    Change::Create(Key::new(format!("C#{body}"), "META"), record)
}

fn at(group: &str, rank: u64) -> Listing {
    Listing {
        group: group.to_owned(),
        rank,
    }
}

fn work_list(group: &str) -> Index {
    Index::Work(group.to_owned())
}

fn list(group: &str) -> Index {
    Index::Listed(group.to_owned())
}

pub(super) async fn what_is_due_comes_longest_due_first(bench: Bench) {
    let parts = vec![
        due(300, "c"),
        due(100, "x"),
        due(200, "a"),
        due(400, "later"),
    ];
    bench.commit(parts).await.unwrap();
    bench
        .commit(vec![Change::Create(
            Key::new("C#never", "META"),
            record("never"),
        )])
        .await
        .unwrap();
    assert_eq!(bench.due(99).await, [""; 0]);
    assert_eq!(bench.due(100).await, ["x"]);
    assert_eq!(bench.due(300).await, ["x", "a", "c"]);
    assert_eq!(bench.due(u64::MAX).await, ["x", "a", "c", "later"]);
}

pub(super) async fn what_is_due_comes_in_pages(bench: Bench) {
    // Equal moments must neither be lost nor come twice where a page ends.
    bench
        .commit((0..30).map(|n| due(n / 10, &format!("{n:02}"))).collect())
        .await
        .unwrap();
    for limit in [1, 4, 10, 29, 30, 31] {
        let read = bench.pages(&Index::Due(5), limit).await;
        let mut moments: Vec<&str> = read.iter().map(|body| &body[..1]).collect();
        assert!(moments.is_sorted(), "{limit}: {moments:?}");
        moments.dedup();
        assert_eq!(moments.len(), 3);
        let mut sorted = read.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 30, "{limit}: {read:?}");
    }
}

pub(super) async fn a_list_is_read_from_the_highest_rank_down_in_pages(bench: Bench) {
    read_in_pages(bench, listed, list).await;
}

pub(super) async fn a_list_of_work_is_read_from_the_highest_rank_down_in_pages(bench: Bench) {
    read_in_pages(bench, work, work_list).await;
}

async fn read_in_pages(
    bench: Bench,
    listed: fn(&str, u64, &str) -> Change,
    list: fn(&str) -> Index,
) {
    let recent = 1_790_000_000_000;
    let parts = (0..20)
        .map(|n| listed("mine", recent + n / 2, &format!("{:02}", 99 - n)))
        .collect();
    bench.commit(parts).await.unwrap();
    bench
        .commit(vec![
            listed("mine", 0, "zero"),
            listed("min", 1, "x"),
            listed("mine2", 1, "y"),
        ])
        .await
        .unwrap();
    for limit in [1, 3, 20, 21, 22] {
        let read = bench.pages(&list("mine"), limit).await;
        assert_eq!(read.len(), 21, "{limit}: {read:?}");
        assert_eq!(read[20], "zero");
        let ranks: Vec<u64> = read[..20]
            .iter()
            .map(|body| (99 - body.parse::<u64>().unwrap()) / 2)
            .collect();
        assert!(
            ranks.is_sorted_by(|one, next| one >= next),
            "{limit}: {ranks:?}"
        );
        let again = bench.pages(&list("mine"), limit).await;
        assert_eq!(again, read, "equal ranks change their order");
    }
    assert_eq!(bench.pages(&list("nobody's"), 10).await, [""; 0]);
}

pub(super) async fn a_replaced_record_moves_in_its_index(bench: Bench) {
    bench
        .commit(vec![
            due(100, "a"),
            due(200, "b"),
            listed("one", 1, "p"),
            listed("one", 2, "q"),
        ])
        .await
        .unwrap();
    let later = Record {
        due_at: Some(300),
        ..record("a")
    };
    let up = Record {
        listed: Some(at("one", 3)),
        ..record("p")
    };
    let elsewhere = Record {
        listed: Some(at("two", 1)),
        ..record("q")
    };
    let moved = vec![
        Change::Replace(Key::new("C#a", "META"), 1, later),
        Change::Remove(Key::new("C#b", "META"), Some(1)),
        Change::Replace(Key::new("C#p", "META"), 1, up),
    ];
    bench.commit(moved).await.unwrap();
    assert_eq!(bench.due(250).await, [""; 0]);
    assert_eq!(bench.due(300).await, ["a"]);
    assert_eq!(bench.pages(&list("one"), 10).await, ["p", "q"]);
    bench
        .commit(vec![Change::Replace(Key::new("C#q", "META"), 1, elsewhere)])
        .await
        .unwrap();
    assert_eq!(bench.pages(&list("one"), 10).await, ["p"]);
    assert_eq!(bench.pages(&list("two"), 10).await, ["q"]);
}

pub(super) async fn a_record_has_a_position_of_its_own_in_each_of_its_lists(bench: Bench) {
    let create = |body: &str, listed: u64, worked: u64| {
        let record = Record {
            listed: Some(at("list", listed)),
            work: Some(at("list", worked)),
            ..record(body)
        };
        Change::Create(Key::new(format!("C#{body}"), "META"), record)
    };
    let parts = vec![create("a", 1, 9), create("b", 2, 8), create("c", 3, 7)];
    bench.commit(parts).await.unwrap();
    assert_eq!(bench.pages(&list("list"), 2).await, ["c", "b", "a"]);
    assert_eq!(bench.pages(&work_list("list"), 2).await, ["a", "b", "c"]);
    let key = |body: &str| Key::new(format!("C#{body}"), "META");
    let no_work = Record {
        listed: Some(at("list", 2)),
        ..record("b")
    };
    let work_only = Record {
        work: Some(at("list", 6)),
        ..record("a")
    };
    let moved = vec![
        Change::Replace(key("a"), 1, work_only),
        Change::Replace(key("b"), 1, no_work),
        Change::Remove(key("c"), Some(1)),
    ];
    bench.commit(moved).await.unwrap();
    assert_eq!(bench.pages(&list("list"), 2).await, ["b"]);
    assert_eq!(bench.pages(&work_list("list"), 2).await, ["a"]);
}

pub(super) async fn a_replacement_that_leaves_the_work_as_it_is_leaves_its_position(bench: Bench) {
    // Equal ranks, so that a record that is inserted anew could change places.
    let bodies = ["a", "b", "c", "d", "e"];
    let parts = bodies.map(|body| work("open", 5, body)).to_vec();
    bench.commit(parts).await.unwrap();
    let order = bench.pages(&work_list("open"), 10).await;
    assert_eq!(order.len(), bodies.len());
    for (version, body) in [(1, "c"), (2, "c"), (1, "a")] {
        let record = Record {
            due_at: Some(version),
            listed: Some(at("open", version)),
            work: Some(at("open", 5)),
            ..record(body)
        };
        let key = Key::new(format!("C#{body}"), "META");
        bench
            .commit(vec![Change::Replace(key.clone(), version, record.clone())])
            .await
            .unwrap();
        let stored = bench.store.get(&key).await.unwrap().unwrap();
        assert_eq!((stored.version, stored.record), (version + 1, record));
        assert_eq!(bench.pages(&work_list("open"), 2).await, order);
    }
}

pub(super) async fn a_cursor_of_something_else_is_refused(bench: Bench) {
    let parts = vec![
        listed("one", 1, "a"),
        listed("one", 2, "b"),
        due(1, "c"),
        due(2, "d"),
    ];
    bench.commit(parts).await.unwrap();
    let of_list = bench
        .store
        .index(&list("one"), None, 1)
        .await
        .unwrap()
        .next
        .unwrap();
    let of_due = bench
        .store
        .index(&Index::Due(9), None, 1)
        .await
        .unwrap()
        .next
        .unwrap();
    let mut cut = of_list.0.clone();
    cut.pop();
    let refused = [
        (list("one"), of_due.clone()),
        (list("two"), of_list.clone()),
        (work_list("one"), of_list.clone()),
        (Index::Due(9), of_list.clone()),
        (list("one"), Cursor(cut)),
        (list("one"), Cursor(String::new())),
        (list("one"), Cursor("no cursor".to_owned())),
        (list("one"), Cursor("ß€🐦".to_owned())),
        (list("one"), Cursor("7b7d".to_owned())),
        (list("one"), Cursor("00".repeat(100_000))),
    ];
    for (index, cursor) in refused {
        let read = bench.store.index(&index, Some(&cursor), 10).await;
        assert!(
            matches!(read, Err(StoreError::BadCursor)),
            "{index:?} {cursor:?}: {read:?}"
        );
    }
    let next = bench
        .store
        .index(&list("one"), Some(&of_list), 10)
        .await
        .unwrap();
    assert_eq!(next.records[0].record.body, "a");
}
