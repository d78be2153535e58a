//! Committing against a store that may not answer: try, read, see, try again.

use baton_handoff::ports::{Change, CommitError, Store, Stored};

/// Far more tries than a store that works some of the time needs.
const TRIES: usize = 200;

/// Commits until it is known how it ended: `Ok` when all parts are written, [`CommitError::Conflict`] when a condition really
/// does not hold, [`CommitError::Refused`] when the store refuses it.
///
/// It tells its own writing by the bodies, so those must differ from every other writer's; and it may take a commit that was
/// applied, unanswered and already written over for a conflict. Who must tell these two apart keeps a log in the body.
///
/// # Panics
/// When the store never gets there.
pub async fn settle(store: &dyn Store, changes: Vec<Change>) -> Result<(), CommitError> {
    // What was impossible from the start was not written by us, though it may look so: a removal of what is not there.
    let was_possible = look(store, &changes).await.possible;
    let mut unanswered = false;
    for _ in 0..TRIES {
        match store.commit(changes.clone()).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Refused(reason)) => return Err(CommitError::Refused(reason)),
            Err(CommitError::Ambiguous(_)) => unanswered = true,
            Err(CommitError::Unavailable(_)) => {}
            Err(CommitError::Conflict) => {
                let standing = look(store, &changes).await;
                let by_us = unanswered && was_possible && standing.written;
                if !standing.possible && !by_us {
                    return Err(CommitError::Conflict);
                }
            }
        }
        if unanswered && was_possible && look(store, &changes).await.written {
            return Ok(());
        }
    }
    panic!("a commit did not get through in {TRIES} tries");
}

/// How a commit stands, by what can be read.
struct Standing {
    /// Everything is as it would have left it.
    written: bool,
    /// All of its conditions hold.
    possible: bool,
}

async fn look(store: &dyn Store, changes: &[Change]) -> Standing {
    let mut found = Vec::with_capacity(changes.len());
    for change in changes {
        found.push(store.get(change.key()).await.expect("the store reads"));
    }
    let parts = || changes.iter().zip(found.iter().map(Option::as_ref));
    let writes = changes
        .iter()
        .any(|change| !matches!(change, Change::Require(..)));
    Standing {
        written: writes && parts().all(|(change, stored)| is_written(change, stored)),
        possible: parts().all(|(change, stored)| is_possible(change, stored)),
    }
}

fn is_written(change: &Change, stored: Option<&Stored>) -> bool {
    match change {
        Change::Create(_, record) => {
            stored.is_some_and(|stored| stored.version == 1 && stored.record == *record)
        }
        Change::Replace(_, version, record) => stored.is_some_and(|stored| {
            stored.version == version.saturating_add(1) && stored.record == *record
        }),
        Change::Remove(..) => stored.is_none(),
        Change::Require(..) => true,
    }
}

fn is_possible(change: &Change, stored: Option<&Stored>) -> bool {
    let version = stored.map(|stored| stored.version);
    match change {
        Change::Create(..) => version.is_none(),
        Change::Remove(_, None) => true,
        Change::Replace(_, expected, _) | Change::Remove(_, Some(expected)) => {
            version == Some(*expected)
        }
        Change::Require(_, expected) => version == *expected,
    }
}
