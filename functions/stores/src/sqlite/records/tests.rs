use super::*;
use crate::sqlite::schema;

fn table() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    schema::create(&db).unwrap();
    db
}

fn record(expires_at: Option<Millis>) -> Record {
    Record {
        expires_at,
        ..Record::new(1, "")
    }
}

#[test]
fn reads_walk_along_an_index_and_sort_nothing() {
    let db = table();
    for (select, index) in [
        (
            ASCENDING,
            "USING PRIMARY KEY (partition=? AND sort>? AND sort<?)",
        ),
        (
            DESCENDING,
            "USING PRIMARY KEY (partition=? AND sort>? AND sort<?)",
        ),
        (DUE, "USING INDEX records_due"),
        (
            LISTED,
            "USING INDEX records_listed (list_group=? AND (list_rank,partition,sort)<(?,?,?))",
        ),
        (
            WORK,
            "USING INDEX records_work (work_group=? AND (work_rank,partition,sort)<(?,?,?))",
        ),
    ] {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {select}")).unwrap();
        let nothing = vec![0; explain.parameter_count()];
        let plan: Vec<String> = explain
            .query_map(params_from_iter(nothing), |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(plan.len(), 1, "{plan:?}");
        assert!(plan[0].contains(index), "{plan:?}");
    }
}

#[test]
fn a_record_moves_in_the_indexes_whatever_of_it_changes() {
    let db = table();
    let key = Key::new("p", "s");
    let base = record(None);
    let due = |due_at| Record {
        due_at,
        ..base.clone()
    };
    let listed = |group: &str, rank| Record {
        listed: Some(Listing {
            group: group.to_owned(),
            rank,
        }),
        ..base.clone()
    };
    let body = Record {
        body: "b".to_owned(),
        ..listed("g", 2)
    };
    let versions = [
        base.clone(),
        due(Some(5)),
        due(Some(7)),
        due(None),
        listed("g", 1),
        listed("g", 2),
        body,
        listed("h", 2),
        record(Some(9)),
        base.clone(),
    ];
    for (version, record) in (0_u64..).zip(&versions) {
        let change = match version {
            0 => Change::Create(key.clone(), record.clone()),
            _ => Change::Replace(key.clone(), version, record.clone()),
        };
        assert!(apply(&db, &[change], 0).unwrap());
        let stored = get(&db, &key, 0).unwrap().unwrap();
        assert_eq!((stored.version, &stored.record), (version + 1, record));
        let found = |of: &Index| !index(&db, of, None, 9, 0).unwrap().is_empty();
        let moment = record.due_at.unwrap_or(u64::MAX);
        assert_eq!(found(&Index::Due(moment)), record.due_at.is_some());
        assert!(!found(&Index::Due(moment.saturating_sub(1))) || record.due_at.is_none());
        for group in ["g", "h"] {
            let belongs = record
                .listed
                .as_ref()
                .is_some_and(|listed| listed.group == group);
            assert_eq!(found(&Index::Listed(group.to_owned())), belongs);
        }
        db.query_row("PRAGMA integrity_check", [], |row| {
            assert_eq!(row.get::<_, String>(0)?, "ok");
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_record_that_keeps_its_place_leaves_the_indexes_alone() {
    let db = table();
    for (statement, index) in [(UPDATE_BODY, None), (UPDATE_DUE, Some("records_due"))] {
        let mut explain = db.prepare(&format!("EXPLAIN {statement}")).unwrap();
        let nothing = vec![0; explain.parameter_count()];
        let opened: Vec<i64> = explain
            .query_map(params_from_iter(nothing), |row| {
                Ok((row.get::<_, String>(1)?, row.get::<_, i64>(3)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .filter(|(operation, _)| operation == "OpenWrite")
            .map(|(_, page)| page)
            .collect();
        let root = |name: &str| {
            db.query_row(
                "SELECT rootpage FROM sqlite_schema WHERE name = ?1",
                [name],
                |row| row.get::<_, i64>(0),
            )
            .unwrap()
        };
        let expected: Vec<i64> = std::iter::once("records").chain(index).map(root).collect();
        assert_eq!(opened, expected, "{statement}");
    }
}

#[test]
fn a_replacement_that_leaves_the_work_as_it_is_writes_nothing_into_its_index() {
    let folder = std::env::temp_dir().join(format!("baton-work-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let db = Connection::open(folder.join("baton.db")).unwrap();
    schema::create(&db).unwrap();
    let work = |rank| {
        let group = "default/conversations/agents".to_owned();
        Some(Listing { group, rank })
    };
    // Pages that a commit adds to the log.
    let pages = |change| {
        db.query_row("PRAGMA wal_checkpoint(truncate)", [], |_| Ok(()))
            .unwrap();
        assert!(apply(&db, &[change], 0).unwrap());
        db.query_row("PRAGMA wal_checkpoint(passive)", [], |row| {
            row.get::<_, u32>(1)
        })
        .unwrap()
    };
    let mut replaced = (1..).map(|version| {
        move |work| {
            let record = Record {
                work,
                ..record(None)
            };
            Change::Replace(Key::new("C#1", "META"), version, record)
        }
    });
    let mut replace = |work| (replaced.next().unwrap())(work);
    pages(Change::Create(Key::new("C#1", "META"), record(None)));
    let without = pages(replace(None));
    let moved = pages(replace(work(1)));
    let same = pages(replace(work(1)));
    assert_eq!((without, moved, same), (1, 2, 1));
    assert_eq!(pages(replace(work(2))), 2);
    assert_eq!(pages(replace(None)), 2);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_purge_removes_what_has_expired_a_bounded_number_at_a_time() {
    let db = table();
    assert_eq!(purge(&db, 100).unwrap(), Purged::All);
    let expired = (0..PURGED_AT_ONCE + 5).map(|n| (format!("old {n}"), Some(99)));
    let living = [
        ("later".to_owned(), Some(100)),
        ("for ever".to_owned(), None),
    ];
    for (sort, expires_at) in expired.chain(living) {
        assert!(
            apply(
                &db,
                &[Change::Create(Key::new("p", sort), record(expires_at))],
                0
            )
            .unwrap()
        );
    }
    let left = || {
        db.query_row("SELECT COUNT(*) FROM records", [], |row| {
            row.get::<_, usize>(0)
        })
        .unwrap()
    };
    assert_eq!(purge(&db, 100).unwrap(), Purged::More);
    assert_eq!(left(), 7);
    assert_eq!(purge(&db, 100).unwrap(), Purged::All);
    assert_eq!(left(), 2);
}
