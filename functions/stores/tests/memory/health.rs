//! What an engine says of a store that takes no writes, or takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton_handoff::Health;
use baton_handoff::ports::CommitError;
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::engine::Bench;
use super::writes::Asking;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Work,
    /// As those of a role that may read only, of a table that throttles, or of a full disk do.
    Fail,
    /// Until they are let go on.
    Hang,
}

/// What becomes of the writes, and how many there were.
struct Control {
    writes: watch::Sender<Writes>,
    made: AtomicUsize,
}

fn bench(writes: Writes) -> (Bench, Arc<Control>) {
    let clock = Arc::new(TestClock::new());
    let control = Arc::new(Control {
        writes: watch::Sender::new(writes),
        made: AtomicUsize::new(0),
    });
    let controlled = control.clone();
    let store = Asking::new(MemoryStore::new(clock.clone()), move || {
        controlled.made.fetch_add(1, Ordering::Relaxed);
        let mut writes = controlled.writes.subscribe();
        async move {
            let goes_on = writes.wait_for(|writes| *writes != Writes::Hang).await;
            if *goes_on.unwrap() == Writes::Fail {
                return Err(CommitError::Unavailable("made up".to_owned()));
            }
            Ok(())
        }
    });
    (Bench::on(Arc::new(store), clock), control)
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_not_ready_though_it_can_be_read() {
    let (bench, control) = bench(Writes::Fail);
    for _ in 0..3 {
        let health = bench.engine.health().await;
        assert!(
            matches!(health, Health::ReadOnly(CommitError::Unavailable(_))),
            "{health:?}"
        );
    }
    control.writes.send_replace(Writes::Work);
    bench.clock.advance(Duration::from_secs(1));
    assert!(matches!(bench.engine.health().await, Health::Ready));
}

#[tokio::test]
async fn a_write_that_takes_long_is_told_after_two_seconds_and_goes_on() {
    let (bench, control) = bench(Writes::Hang);
    for _ in 0..2 {
        let mut asked = Box::pin(bench.engine.health());
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        while control.made.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        bench.clock.advance(Duration::from_millis(1_999));
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        bench.clock.advance(Duration::from_millis(1));
        let health = asked.await;
        assert!(matches!(health, Health::Slow), "{health:?}");
    }
    assert_eq!(
        control.made.load(Ordering::Relaxed),
        1,
        "a store that is slow is not written to once more by everybody who asks"
    );
    control.writes.send_replace(Writes::Work);
    assert!(matches!(bench.engine.health().await, Health::Ready));
}

#[tokio::test]
async fn all_who_ask_share_one_write_in_five_seconds() {
    let (bench, control) = bench(Writes::Work);
    let made = || control.made.load(Ordering::Relaxed);
    let answers = join_all((0..100).map(|_| bench.engine.health())).await;
    assert!(answers.iter().all(|health| matches!(health, Health::Ready)));
    assert_eq!(made(), 1);
    bench.clock.advance(Duration::from_millis(4_999));
    assert!(matches!(bench.engine.health().await, Health::Ready));
    assert_eq!(made(), 1);
    bench.clock.advance(Duration::from_millis(1));
    assert!(matches!(bench.engine.health().await, Health::Ready));
    assert_eq!(made(), 2);
}

#[tokio::test]
async fn a_process_that_ends_writes_nothing_to_say_so() {
    let (bench, control) = bench(Writes::Hang);
    bench.engine.drain();
    assert!(matches!(bench.engine.health().await, Health::Draining));
    assert_eq!(control.made.load(Ordering::Relaxed), 0);
}
