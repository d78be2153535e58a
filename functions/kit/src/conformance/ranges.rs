//! Order, prefixes and pages within a partition.

use baton_handoff::ports::{Change, Key, Order, Range};

use super::{Bench, key, record};

impl Bench {
    async fn fill(&self, sorts: &[&str]) {
        let parts = sorts
            .iter()
            .map(|sort| Change::Create(key(sort), record(sort)))
            .collect();
        self.commit(parts).await.unwrap();
    }

    async fn sorts(&self, range: Range) -> (Vec<String>, bool) {
        let page = self.store.range(&range).await.unwrap();
        for stored in &page.records {
            assert_eq!(
                stored.key.sort, stored.record.body,
                "a record under another's key"
            );
        }
        (
            page.records
                .into_iter()
                .map(|stored| stored.key.sort)
                .collect(),
            page.more,
        )
    }
}

fn range(prefix: &str, order: Order) -> Range {
    Range {
        partition: "C#1".to_owned(),
        prefix: prefix.to_owned(),
        after: None,
        order,
        limit: 100,
    }
}

pub(super) async fn a_range_is_sorted_bytewise_both_ways(bench: Bench) {
    // UTF-16 would put the last two the other way round; a locale would mix the cases.
    let mut sorted = [
        "#",
        "10",
        "9",
        "B",
        "Z",
        "a",
        "a#",
        "aa",
        "b",
        "~",
        "ä",
        "\u{ffee}",
        "\u{1f600}",
    ];
    bench
        .fill(&[
            "b",
            "ä",
            "Z",
            "9",
            "\u{1f600}",
            "a#",
            "#",
            "10",
            "\u{ffee}",
            "aa",
            "~",
            "B",
            "a",
        ])
        .await;
    assert_eq!(
        bench.sorts(range("", Order::Ascending)).await,
        (sorted.map(str::to_owned).to_vec(), false)
    );
    sorted.reverse();
    assert_eq!(
        bench.sorts(range("", Order::Descending)).await,
        (sorted.map(str::to_owned).to_vec(), false)
    );
}

pub(super) async fn pages_go_on_where_the_last_one_ended(bench: Bench) {
    let sorts: Vec<String> = (0..23).map(|n| format!("T#{n:05}")).collect();
    bench
        .fill(&sorts.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    bench.fill(&["S#1", "U#1"]).await;
    for order in [Order::Ascending, Order::Descending] {
        for limit in [1, 5, 22, 23, 24] {
            let mut read = Vec::new();
            let mut after = None;
            loop {
                let (page, more) = bench
                    .sorts(Range {
                        after,
                        limit,
                        ..range("T#", order)
                    })
                    .await;
                assert!(page.len() <= limit);
                after = page.last().cloned();
                read.extend(page);
                // `more` may be wrong once, with an empty page behind it; `false` is always right.
                if !more || after.is_none() {
                    break;
                }
            }
            if order == Order::Descending {
                read.reverse();
            }
            assert_eq!(read, sorts);
        }
    }
    // From between two records, and from outside of the prefix.
    let from = |after: &str, order| Range {
        after: Some(after.to_owned()),
        ..range("T#", order)
    };
    assert_eq!(
        bench.sorts(from("T#00020x", Order::Ascending)).await.0,
        ["T#00021", "T#00022"]
    );
    assert_eq!(
        bench.sorts(from("T#00001x", Order::Descending)).await.0,
        ["T#00001", "T#00000"]
    );
    assert_eq!(bench.sorts(from("A", Order::Ascending)).await.0.len(), 23);
    assert_eq!(bench.sorts(from("Z", Order::Descending)).await.0.len(), 23);
    assert_eq!(
        bench.sorts(from("Z", Order::Ascending)).await,
        (Vec::new(), false)
    );
    assert_eq!(
        bench.sorts(from("A", Order::Descending)).await,
        (Vec::new(), false)
    );
}

pub(super) async fn a_prefix_finds_what_begins_with_it_and_nothing_else(bench: Bench) {
    bench
        .fill(&[
            "T",
            "T#",
            "T#1",
            "T#1#S",
            "T#10",
            "T#2",
            "T$",
            "U",
            "%",
            "_",
            "\u{10ffff}",
            "\u{10ffff}a",
        ])
        .await;
    let expected: [(&str, &[&str]); 8] = [
        ("T#1", &["T#1", "T#1#S", "T#10"]),
        ("T#", &["T#", "T#1", "T#1#S", "T#10", "T#2"]),
        ("T#1#", &["T#1#S"]),
        ("t", &[]),
        ("%", &["%"]),
        ("_", &["_"]),
        ("T#3", &[]),
        ("\u{10ffff}", &["\u{10ffff}", "\u{10ffff}a"]),
    ];
    for (prefix, sorts) in expected {
        assert_eq!(
            bench.sorts(range(prefix, Order::Ascending)).await.0,
            sorts,
            "{prefix}"
        );
        let mut down = bench.sorts(range(prefix, Order::Descending)).await.0;
        down.reverse();
        assert_eq!(down, sorts, "{prefix}, descending");
    }
}

pub(super) async fn partitions_do_not_mix(bench: Bench) {
    bench.fill(&["a", "b"]).await;
    for partition in ["C#", "C#10", "C#1#", "c#1", "C#2"] {
        let parts = vec![Change::Create(Key::new(partition, "a"), record("other"))];
        bench.commit(parts).await.unwrap();
    }
    for order in [Order::Ascending, Order::Descending] {
        assert_eq!(bench.sorts(range("", order)).await.0.len(), 2);
    }
    let empty = Range {
        partition: "C#3".to_owned(),
        ..range("", Order::Descending)
    };
    assert_eq!(bench.sorts(empty).await, (Vec::new(), false));
}

pub(super) async fn odd_keys_and_bodies_survive(bench: Bench) {
    let odd = [
        " ", "'", "\"", "\\", "a\tb", "a\nb", ";--", "?1", "%s", "é", "e\u{301}", "\u{202e}",
        "\u{7f}", "{}",
    ];
    bench.fill(&odd).await;
    for sort in odd {
        assert_eq!(bench.read(sort).await, Some((1, sort.to_owned())));
        assert_eq!(
            bench.sorts(range(sort, Order::Ascending)).await.0,
            [sort],
            "{sort:?}"
        );
    }
}
