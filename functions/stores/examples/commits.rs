//! Prints how many durable commits a second the SQLite store makes, beside the same records written by a bare loop on the same
//! disk: `cargo run --release -p baton-stores --example commits -- [FOLDER]`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a terminal"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use baton_handoff::ports::{Change, Env, Key, Millis, Order, Range, Record, Store};
use baton_stores::sqlite::SqliteStore;
use futures_util::future::{BoxFuture, join_all};

const RUN: Duration = Duration::from_secs(3);

struct Clock;

impl Env for Clock {
    fn now(&self) -> Millis {
        Millis::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        let left = moment.saturating_sub(self.now());
        Box::pin(tokio::time::sleep(Duration::from_millis(left)))
    }

    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).unwrap();
        u128::from_le_bytes(bytes)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into);
    let folder = folder.join(format!("baton-commits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!("{:<28}{:>12}{:>16}", "", "commits/s", "CPU µs/commit");
    report("bare loop, one thread", || bare(&folder.join("bare.db")));
    for callers in [1, 64, 512] {
        let file = folder.join(format!("{callers}.db"));
        report(&format!("store, {callers} callers"), || {
            runtime.block_on(store(&file, callers))
        });
    }
    let store = SqliteStore::open(folder.join("64.db"), Arc::new(Clock)).unwrap();
    report("reads of 20 records", || runtime.block_on(reads(&store)));
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn report(name: &str, run: impl FnOnce() -> u32) {
    let (cpu, clock) = (cpu_time(), Instant::now());
    let count = run();
    let (cpu, took) = (cpu_time().saturating_sub(cpu), clock.elapsed());
    let per_second = f64::from(count) / took.as_secs_f64();
    println!(
        "{name:<28}{per_second:>12.0}{:>16.1}",
        cpu.as_secs_f64() * 1e6 / f64::from(count)
    );
}

/// User and system time of this process; zero where /proc is not.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |n: usize| {
        stat.rsplit(')')
            .next()?
            .split_whitespace()
            .nth(n)?
            .parse::<u64>()
            .ok()
    };
    // Ticks are hundredths of a second on every Linux that runs this.
    Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)))
}

/// What a text turn writes: a record of its own, and one that changes each time.
fn changes(conversation: usize, turn: u64, meta: u64) -> Vec<Change> {
    let record = |body: String| Record::new(1, body);
    let partition = format!("C#{conversation:032x}");
    let head = Key::new(partition.as_str(), "META");
    let head = match meta {
        0 => Change::Create(head, record("m".repeat(300))),
        version => Change::Replace(head, version, record("m".repeat(300))),
    };
    vec![
        head,
        Change::Create(
            Key::new(partition, format!("T#{turn:08}")),
            record("t".repeat(300)),
        ),
    ]
}

fn bare(file: &Path) -> u32 {
    let db = rusqlite::Connection::open(file).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
         CREATE TABLE records (partition TEXT, sort TEXT, body TEXT, PRIMARY KEY (partition, sort)) WITHOUT ROWID",
    )
    .unwrap();
    let end = Instant::now() + RUN;
    let mut count = 0;
    while Instant::now() < end {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut put = db
            .prepare_cached("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3)")
            .unwrap();
        put.execute(("C#0", "META", "m".repeat(300))).unwrap();
        put.execute(("C#0", format!("T#{count:08}"), "t".repeat(300)))
            .unwrap();
        db.execute_batch("COMMIT").unwrap();
        count += 1;
    }
    count
}

async fn store(file: &Path, callers: usize) -> u32 {
    let store = SqliteStore::open(file, Arc::new(Clock)).unwrap();
    let end = Instant::now() + RUN;
    let caller = |conversation: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut turn = 0;
            while Instant::now() < end {
                store
                    .commit(changes(conversation, turn, turn))
                    .await
                    .unwrap();
                turn += 1;
            }
            u32::try_from(turn).unwrap()
        })
    };
    join_all((0..callers).map(caller))
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum()
}

async fn reads(store: &SqliteStore) -> u32 {
    let end = Instant::now() + RUN;
    let mut count = 0;
    while Instant::now() < end {
        let range = Range {
            partition: format!("C#{:032x}", count % 64),
            prefix: "T#".to_owned(),
            after: None,
            order: Order::Descending,
            limit: 20,
        };
        assert_eq!(store.range(&range).await.unwrap().records.len(), 20);
        count += 1;
    }
    count
}
