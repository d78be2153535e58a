//! What every [`Store`] and every [`Queue`] does, as suites that any
//! implementation runs in its tests.
//!
//! A suite makes a fresh store for each of its cases. The store suite runs twice: on the store itself, and on the store behind
//! [`FaultyStore`], where commits fail, delay and lose their answers; so the cases commit by [`settle()`]. A suite knows the
//! ports only, and ends in a panic that names the cases that failed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a suite is test code: a panic is how it fails"
)]

/// Names a case after its function.
macro_rules! cases {
    ($($case:path),* $(,)?) => {
        vec![$(Case { name: stringify!($case), run: |bench| Box::pin($case(bench)) }),*]
    };
}

mod clock;
mod commits;
mod expiry;
mod faulty;
mod indexes;
mod many;
mod queues;
mod races;
mod ranges;
mod settle;
mod sizes;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use baton_handoff::ports::{Env, Key, Queue, Record, Store};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

pub use clock::TestClock;
pub use faulty::FaultyStore;
pub use settle::settle;

/// What a case works on: a fresh store, and the clock that the store goes by.
struct Bench {
    store: Arc<dyn Store>,
    clock: Arc<TestClock>,
}

/// A named case.
struct Case<B> {
    name: &'static str,
    run: fn(B) -> BoxFuture<'static, ()>,
}

/// Runs every case on stores of this maker: a fresh, empty store each time, which goes by the clock.
///
/// # Panics
/// With the names of the cases that failed.
pub async fn store_conformance<Made>(make: impl Fn(Arc<dyn Env>) -> Made)
where
    Made: Future<Output = Arc<dyn Store>>,
{
    run(store_cases(), async || {
        let clock = Arc::new(TestClock::new());
        Bench {
            store: make(clock.clone()).await,
            clock,
        }
    })
    .await;
}

/// The same with faults: commits that conflict for nothing, come late, or are answered with
/// [`Ambiguous`](baton_handoff::ports::CommitError::Ambiguous), applied or not. The same seed brings the same faults.
///
/// # Panics
/// With the names of the cases that failed.
pub async fn faulty_store_conformance<Made>(seed: u64, make: impl Fn(Arc<dyn Env>) -> Made)
where
    Made: Future<Output = Arc<dyn Store>>,
{
    run(store_cases(), async || {
        let clock = Arc::new(TestClock::new());
        let store = Arc::new(FaultyStore::new(make(clock.clone()).await, seed));
        Bench { store, clock }
    })
    .await;
}

/// Runs every case on queues of this maker: a fresh, empty queue each time, which goes by the clock.
///
/// # Panics
/// With the names of the cases that failed.
pub async fn queue_conformance<Made>(make: impl Fn(Arc<dyn Env>) -> Made)
where
    Made: Future<Output = Arc<dyn Queue>>,
{
    run(queues::cases(), async || {
        let clock = Arc::new(TestClock::new());
        queues::Bench {
            queue: make(clock.clone()).await,
            clock,
        }
    })
    .await;
}

fn store_cases() -> Vec<Case<Bench>> {
    cases![
        commits::a_record_comes_back_as_it_was_written,
        commits::a_record_is_created_once,
        commits::versions_count_the_replacements,
        commits::a_stale_version_writes_nothing,
        commits::one_failed_condition_stops_the_whole_commit,
        commits::a_requirement_holds_without_writing,
        commits::a_requirement_of_absence_holds_until_there_is_a_record,
        commits::a_removed_record_is_gone_and_starts_anew,
        commits::a_record_loses_what_it_is_written_without,
        commits::an_empty_commit_does_nothing,
        many::records_come_in_the_order_of_their_keys,
        many::a_key_may_be_asked_for_twice_and_none_at_all,
        many::more_records_than_one_request_holds_are_read,
        many::what_is_expired_or_cannot_be_is_absent,
        many::a_confirmed_commit_is_seen,
        sizes::the_largest_record_fits_and_a_larger_one_is_refused,
        sizes::a_hundred_parts_fit_and_more_are_refused,
        sizes::two_parts_with_one_key_are_refused,
        sizes::keys_have_a_length,
        sizes::lists_have_names_and_ranks,
        ranges::a_range_is_sorted_bytewise_both_ways,
        ranges::pages_go_on_where_the_last_one_ended,
        ranges::a_prefix_finds_what_begins_with_it_and_nothing_else,
        ranges::partitions_do_not_mix,
        ranges::odd_keys_and_bodies_survive,
        expiry::an_expired_record_is_not_seen,
        expiry::an_expired_record_counts_as_absent,
        indexes::what_is_due_comes_longest_due_first,
        indexes::what_is_due_comes_in_pages,
        indexes::a_list_is_read_from_the_highest_rank_down_in_pages,
        indexes::a_list_of_work_is_read_from_the_highest_rank_down_in_pages,
        indexes::a_record_has_a_position_of_its_own_in_each_of_its_lists,
        indexes::a_replacement_that_leaves_the_work_as_it_is_leaves_its_position,
        indexes::a_replaced_record_moves_in_its_index,
        indexes::a_cursor_of_something_else_is_refused,
        races::one_of_many_creators_wins,
        races::every_version_has_one_writer,
        races::transfers_between_two_records_keep_the_sum,
    ]
}

async fn run<B>(cases: Vec<Case<B>>, make: impl AsyncFn() -> B) {
    let mut failed = Vec::new();
    for case in cases {
        let bench = make().await;
        // The panic itself was printed by the hook, with its place.
        if AssertUnwindSafe((case.run)(bench))
            .catch_unwind()
            .await
            .is_err()
        {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

fn record(body: &str) -> Record {
    Record::new(1, body)
}

fn key(sort: &str) -> Key {
    Key::new("C#1", sort)
}
