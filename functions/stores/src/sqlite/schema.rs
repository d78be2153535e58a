//! The tables, and how every connection is set up.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Marks a file as ours (`Batn`), so that another program's database is never written to.
pub(super) const APPLICATION_ID: i32 = 0x4261_746e;

/// The version of [`TABLES`]. Raise it with every change of them, and add what brings an earlier file there to [`MIGRATIONS`].
pub(super) const SCHEMA_VERSION: i32 = 2;

/// The oldest tables that are read, and brought to the newest version.
pub(super) const OLDEST_VERSION: i32 = 1;

/// The statements that lead from one version to the next: the first entry from [`OLDEST_VERSION`], each further one from the version
/// after it. All that a file lacks are one transaction with the new version's number, so a file is never between two versions.
const MIGRATIONS: &[&str] = &[WORK_LISTS];

/// Version 1 has one list a record, and no tenants. Version 2 has a second one for work, and every list belongs to a tenant:
///
/// | before | then |
/// | --- | --- |
/// | `actions:STATE` | work `TENANT/actions/STATE`, at the same rank |
/// | `conversations:local` | work `default/conversations/agents`, by `created_at`; the owner `local` has no list |
/// | `conversations:OWNER` | `OWNER/conversations`, and work `TENANT/conversations/agents` by `created_at` |
/// | `B#ORDERS`, `B#REFUNDS` | `default/orders`, `default/refunds` |
///
/// Version 1 knows the owner `local` only, and so no tenant but `default`. It writes the name of another owner where version 2 began
/// the conversation.
///
/// `STRICT` refuses a rank that is no integer, and one such record would then keep the whole file from being opened. So the rank
/// of a body that cannot be read stays.
macro_rules! rename_lists {
    ($records:literal) => {
        concat!(
            "UPDATE records SET
                work_group = CASE
                    WHEN list_group GLOB 'actions:*' THEN iif(json_valid(body),
                        iif(json_type(body, '$.owner') = 'text' AND instr(json_extract(body, '$.owner'), '/') > 0,
                            substr(json_extract(body, '$.owner'), 1, instr(json_extract(body, '$.owner'), '/') - 1), 'default'),
                        'default') || '/actions/' || substr(list_group, 9)
                    WHEN list_group = 'conversations:local' THEN 'default/conversations/agents'
                    WHEN list_group GLOB 'conversations:*/*'
                        THEN substr(list_group, 15, instr(list_group, '/') - 15) || '/conversations/agents' END,
                work_rank = CASE
                    WHEN list_group GLOB 'actions:*' THEN list_rank
                    WHEN list_group GLOB 'conversations:*' THEN iif(json_valid(body),
                        iif(typeof(json_extract(body, '$.created_at')) = 'integer' AND json_extract(body, '$.created_at') >= 0,
                            json_extract(body, '$.created_at'), list_rank),
                        list_rank) END,
                list_rank = CASE WHEN list_group IN ('B#ORDERS', 'B#REFUNDS') OR list_group GLOB 'conversations:*/*' THEN list_rank END,
                list_group = CASE
                    WHEN list_group = 'B#ORDERS' THEN 'default/orders'
                    WHEN list_group = 'B#REFUNDS' THEN 'default/refunds'
                    WHEN list_group GLOB 'conversations:*/*' THEN substr(list_group, 15) || '/conversations' END
                WHERE ",
            $records,
            ";"
        )
    };
}

/// The records that version 1 has listed.
macro_rules! is_of_version_1 {
    () => {
        "(new.list_group GLOB 'actions:*' OR new.list_group GLOB 'conversations:*/*'
            OR new.list_group IN ('conversations:local', 'B#ORDERS', 'B#REFUNDS'))"
    };
}

/// A program of version 1 that has the file open goes on writing while the next release starts: it names its columns, so its
/// statements stay right. The triggers rename the lists of what it writes. They cost a later program a comparison a row, and only
/// in a file that was made by version 1.
const WORK_LISTS: &str = concat!(
    "ALTER TABLE records ADD COLUMN work_group TEXT;
    ALTER TABLE records ADD COLUMN work_rank INTEGER;",
    rename_lists!(
        "(list_group >= 'actions:' AND list_group < 'actions;')
            OR list_group IN ('conversations:local', 'B#ORDERS', 'B#REFUNDS')"
    ),
    "CREATE INDEX records_work ON records (work_group, work_rank, partition, sort) WHERE work_group IS NOT NULL;
    CREATE TRIGGER records_inserted_by_version_1 AFTER INSERT ON records WHEN ",
    is_of_version_1!(),
    " BEGIN ",
    rename_lists!("partition = new.partition AND sort = new.sort"),
    " END;
    CREATE TRIGGER records_updated_by_version_1 AFTER UPDATE OF list_group ON records WHEN ",
    is_of_version_1!(),
    " BEGIN ",
    rename_lists!("partition = new.partition AND sort = new.sort"),
    " END;"
);

/// Keys compare bytewise, which is SQLite's default collation. The partial indexes hold only what has the column, so that
/// records without it cost nothing. A receipt's token is new with every delivery: a row number may come again.
const TABLES: &str = "
CREATE TABLE records (
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    version INTEGER NOT NULL,
    format INTEGER NOT NULL,
    body TEXT NOT NULL,
    due_at INTEGER,
    list_group TEXT,
    list_rank INTEGER,
    expires_at INTEGER,
    work_group TEXT,
    work_rank INTEGER,
    PRIMARY KEY (partition, sort)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_due ON records (due_at, partition, sort) WHERE due_at IS NOT NULL;
CREATE INDEX records_listed ON records (list_group, list_rank, partition, sort) WHERE list_group IS NOT NULL;
CREATE INDEX records_work ON records (work_group, work_rank, partition, sort) WHERE work_group IS NOT NULL;
CREATE INDEX records_expiring ON records (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    sender TEXT NOT NULL,
    round INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    token INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX messages_visible ON messages (lane, visible_at);
CREATE INDEX messages_round ON messages (lane, round, id, visible_at);
CREATE INDEX messages_sender ON messages (lane, sender, round);
";

/// How long a connection waits for another process before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// And for what may fail.
const BRIEFLY: Duration = Duration::from_millis(20);

/// And for one that migrates the file while this one opens it: a million records took 20 s.
const MIGRATION_PATIENCE: Duration = Duration::from_mins(1);

/// How often it looks meanwhile. SQLite's own handler sleeps up to 100 ms, and a process that writes all the time then never
/// leaves a gap that another one meets.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Statements that a connection keeps compiled: more than this crate has.
const STATEMENTS: usize = 64;

/// Pages of 4 KB after which the log is written back into the file. Pages that many commits write are written back once for all
/// of them.
const LOG_PAGES: u32 = 8000;

/// What of the log file is kept after that, in bytes.
const LOG_BYTES: u32 = 64 * 1024 * 1024;

/// Pages that the writer keeps in memory, in KiB, at most: several for each of a thousand conversations at once, with their
/// actions and orders. SQLite's own 2 MB hold those of some two hundred, and then every commit reads its pages again.
const WRITER_CACHE_KIB: i32 = 64 * 1024;

/// Makes the tables of a new file.
pub(super) fn create(db: &Connection) -> Result<()> {
    db.pragma_update(None, "journal_mode", "wal")?;
    db.execute_batch(&format!(
        "BEGIN EXCLUSIVE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))
}

/// Brings the tables of an earlier version to the newest one.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    apply(db, MIGRATIONS)
}

fn apply(db: &mut Connection, migrations: &[&str]) -> Result<()> {
    let newest = OLDEST_VERSION + i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    if version(db)? >= newest {
        return Ok(());
    }
    db.busy_handler(Some(wait_for_migration))?;
    let applied = apply_alone(db, migrations, newest);
    db.busy_handler(Some(wait_for_other_process))?;
    applied
}

fn apply_alone(db: &mut Connection, migrations: &[&str], newest: i32) -> Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Read again under the lock: another process may have been faster.
    let found = version(&transaction)?;
    let done = usize::try_from(found - OLDEST_VERSION).unwrap_or(0);
    for statements in migrations.iter().skip(done) {
        transaction.execute_batch(statements)?;
    }
    if found < newest {
        transaction.pragma_update(None, "user_version", newest)?;
        tracing::info!(from = found, to = newest, "the tables were migrated");
    }
    transaction.commit()
}

fn version(db: &Connection) -> Result<i32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Sets up a connection that reads.
pub(super) fn set_up_reader(db: &Connection) -> Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan may not depend on what is bound to it: SQLite would compile each range query anew whenever that changes.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_handler(Some(wait_for_other_process))
}

/// Sets up the connection that writes: a COMMIT that returns has reached the disk.
pub(super) fn set_up_writer(db: &Connection) -> Result<()> {
    set_up_reader(db)?;
    // Another process may be migrating the file.
    db.busy_handler(Some(wait_for_migration))?;
    // A copy that `VACUUM INTO` made has no log yet. Where there is one, this asks for nothing.
    db.pragma_update(None, "journal_mode", "wal")?;
    // A connection has the log open from its first read on, and until then another one that closes may remove it.
    db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "full")?;
    // A removed record must not be readable in the file; see `residue`.
    db.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // Negative for KiB; positive would be pages.
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    db.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    wait_as_usual(db)
}

/// For what is tried again anyway: waits no longer than other work of the thread may.
pub(super) fn wait_briefly(db: &Connection) -> Result<()> {
    db.busy_handler(Some(|tries| wait(tries, BRIEFLY)))
}

/// The patience of every connection.
pub(super) fn wait_as_usual(db: &Connection) -> Result<()> {
    db.busy_handler(Some(wait_for_other_process))
}

fn wait_for_other_process(tries: i32) -> bool {
    wait(tries, PATIENCE)
}

fn wait_for_migration(tries: i32) -> bool {
    wait(tries, MIGRATION_PATIENCE)
}

fn wait(tries: i32, patience: Duration) -> bool {
    if LOOK_EVERY * tries.unsigned_abs() >= patience {
        return false;
    }
    in_place(|| std::thread::sleep(LOOK_EVERY));
    true
}

/// Runs what may block the thread. Other tasks go on meanwhile where the runtime has threads for them.
pub(super) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match runtime {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread has nobody to hand its tasks to; and the writer's thread has no tasks.
        Ok(_) | Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// A copy of a file that the first release made, with records of every kind, in a folder of its own.
    fn earlier_file(name: &str) -> std::path::PathBuf {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/b43035b/all.db");
        let folder = std::env::temp_dir().join(format!("baton-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("baton.db");
        std::fs::copy(fixture, &file).unwrap();
        file
    }

    fn open(file: &std::path::Path) -> Connection {
        let db = Connection::open(file).unwrap();
        set_up_reader(&db).unwrap();
        db
    }

    fn records(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM records", [], |row| row.get(0))
            .unwrap()
    }

    const NEXT: [&str; 2] = [
        "ALTER TABLE records ADD COLUMN note TEXT; CREATE INDEX records_noted ON records (note) WHERE note IS NOT NULL;",
        "UPDATE records SET note = sort WHERE sort = 'META';",
    ];

    #[test]
    fn the_number_of_the_newest_version_is_that_of_the_migrations() {
        let newest = OLDEST_VERSION + i32::try_from(MIGRATIONS.len()).unwrap();
        assert_eq!(SCHEMA_VERSION, newest);
    }

    #[test]
    fn an_earlier_file_is_migrated_once_by_several_processes_at_once() {
        let file = earlier_file("migrated");
        let before = records(&open(&file));
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut db = open(&file);
                    barrier.wait();
                    apply(&mut db, &NEXT).unwrap();
                });
            }
        });
        let db = open(&file);
        assert_eq!(version(&db).unwrap(), 3);
        assert_eq!(records(&db), before);
        let noted: i64 = db
            .query_row(
                "SELECT COUNT(*) FROM records WHERE note = 'META'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(noted > 0);
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    /// Columns and indexes of every table.
    fn shape(db: &Connection) -> Vec<String> {
        let mut select = db
            .prepare(
                "SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
                    FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'
                 UNION ALL SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1",
            )
            .unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn an_earlier_file_gets_the_columns_and_indexes_of_a_new_one() {
        let file = earlier_file("shape");
        let mut earlier = open(&file);
        migrate(&mut earlier).unwrap();
        let new = Connection::open_in_memory().unwrap();
        create(&new).unwrap();
        assert_eq!(shape(&earlier), shape(&new));
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_migration_of_another_process_is_awaited_for_longer_than_a_write() {
        let tries = |patience: Duration| i32::try_from(patience.as_millis()).unwrap();
        assert!(!wait_for_other_process(tries(PATIENCE)));
        assert!(wait_for_migration(tries(PATIENCE)));
        assert!(!wait_for_migration(tries(MIGRATION_PATIENCE)));
    }

    #[test]
    fn a_file_is_never_between_two_versions() {
        let file = earlier_file("between");
        let mut db = open(&file);
        let [first, second] = NEXT;
        apply(&mut db, &[first, "UPDATE records SET none_such = 1;"]).unwrap_err();
        assert_eq!(version(&db).unwrap(), 1);
        apply(&mut db, &[first, second]).unwrap();
        assert_eq!(version(&db).unwrap(), 3);
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
