//! The right to advance one conversation: every write of its owner passes here, and fails once another process owns the
//! conversation.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::catch_up::catch_up;
use super::holder::Claim;
use crate::budget::{Posted, Posting};
use crate::conversation::weigh::created;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::TurnNumber;
use crate::ports::{Change, CommitError, Key, Millis, StoreError, Stored};
use crate::record::journal::read_meta;
use crate::record::{Meta, Spending, keys};

/// Held while META is read and written, so that the keeper and the turn do not race each other.
pub(crate) struct Lease<'a> {
    engine: &'a Engine,
    claim: Claim,
    /// The owner's fence: that of its claim, or a later one that it has taken itself.
    fence: AtomicU64,
    held: Mutex<Held>,
}

/// Why a change of a conversation failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another process advances the conversation now: stop at once.
    Lost,
    /// The store failed.
    Store(String),
    /// The store will never accept this commit: change it.
    Refused(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// Why a turn must stop.
pub(crate) enum Interrupted {
    /// A stop was asked for.
    Stopped,
    /// It can no longer be recorded.
    Trouble(Trouble),
}

/// How often records beside META are read again while the store is away.
const READ_AGAIN: u32 = 3;

/// Whether a commit can do without the records beside META.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It has an answer without them.
    Wanted,
    /// Not while the store is away. A record that cannot be decoded is left alone, now as later.
    Required,
}

/// Records that a commit depends on beside META.
pub(crate) enum Beside {
    /// As they are, in the order of their keys.
    Read(Vec<Option<Stored>>),
    /// They could not be read.
    Unknown,
}

enum Seen {
    Ours,
    Stop,
    Lost,
}

/// How often an owner polls META for a stop request of another instance.
const POLL: Millis = 2_000;

struct Held {
    version: u64,
    meta: Meta,
}

impl<'a> Lease<'a> {
    /// The lease that a commit has just written into `meta`.
    pub(crate) fn new(engine: &'a Engine, claim: Claim, version: u64, meta: Meta) -> Self {
        Self {
            engine,
            fence: AtomicU64::new(claim.fence),
            claim,
            held: Mutex::new(Held { version, meta }),
        }
    }

    /// Writes META and other records in one commit, if we still own the conversation. `change` gets the present META with the
    /// lease renewed, and returns the other changes. It is called again when another writer (an accepted message) changed META
    /// meanwhile.
    pub(crate) async fn commit(
        &self,
        change: impl Fn(&mut Meta) -> Vec<Change>,
    ) -> Result<(), Trouble> {
        self.commit_beside(&[], Need::Wanted, None, |meta, _| change(meta))
            .await
            .map(drop)
    }

    /// The same, where `change` depends on records at these keys too, and replaces or requires each of them that it depends on.
    /// They are read before the first attempt and again after a conflict. [`Beside::Unknown`]: the first read failed.
    /// `posting`: what it does to budgets; returns whether the next model call is reserved.
    ///
    /// An unconfirmed attempt may be written late. The records are read before META then: where both are unchanged `change`
    /// decides the same once more, and where one of them has changed the earlier attempt was written, which META tells, or never
    /// will be.
    pub(crate) async fn commit_beside(
        &self,
        keys: &[Key],
        need: Need,
        posting: Option<&Posting>,
        mut change: impl FnMut(&mut Meta, &Beside) -> Vec<Change>,
    ) -> Result<bool, Trouble> {
        let mut beside = self.read_beside(keys, need).await?;
        let mut held = self.held.lock().await;
        let mut trouble = String::new();
        let mut in_doubt: Vec<(Option<Spending>, Posted)> = Vec::new();
        for attempt in 0..MAX_TRIES {
            let mut meta = held.meta.clone();
            self.renew(&mut meta);
            let mut changes = change(&mut meta, &beside);
            meta.bytes = meta.bytes.saturating_add(created(&changes));
            let conversation = &self.claim.conversation;
            let mut posted = match posting {
                Some(posting) => match self.engine.post(conversation, &mut meta, posting).await {
                    Ok(posted) => posted,
                    Err(error) => {
                        trouble = error.to_string();
                        self.engine.back_off(attempt).await;
                        continue;
                    }
                },
                None => Posted::default(),
            };
            let reserves = posted.reserves;
            changes.append(&mut posted.changes);
            changes.push(Change::Replace(
                keys::meta(&self.claim.conversation),
                held.version,
                meta.record(),
            ));
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    *held = Held {
                        version: held.version + 1,
                        meta,
                    };
                    self.engine.posted(posted);
                    return Ok(reserves);
                }
                Err(CommitError::Refused(detail)) if !sabotage!(RefusedIsLater) => {
                    return Err(Trouble::Refused(detail));
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    trouble = error.to_string();
                    self.engine.back_off(attempt).await;
                    continue;
                }
                Err(error @ (CommitError::Conflict | CommitError::Ambiguous(_))) => {
                    trouble = error.to_string();
                }
            }
            self.engine.not_posted(&posted);
            in_doubt.push((meta.spending.clone(), posted));
            if let (false, Beside::Read(read)) = (keys.is_empty(), &mut beside) {
                match self.engine.store.get_many(keys).await {
                    Ok(now) => *read = now,
                    Err(error) => {
                        trouble = error.to_string();
                        self.engine.back_off(attempt).await;
                        continue;
                    }
                }
            }
            match read_meta(&*self.engine.store, &self.claim.conversation).await {
                Ok(Some((version, now))) if Self::was_applied(&meta, &now) => {
                    // It may be an earlier attempt, which found other accounts and reserved where this one does not.
                    let is_it = |(spending, _): &(_, _)| *spending == now.spending;
                    let at = in_doubt.iter().rposition(is_it);
                    let at = at.unwrap_or(in_doubt.len() - 1);
                    let (_, posted) = in_doubt.swap_remove(at);
                    let reserves = posted.reserves;
                    *held = Held { version, meta: now };
                    self.engine.posted(posted);
                    return Ok(reserves);
                }
                Ok(Some((version, mut now))) if self.is_ours(&now) => {
                    if sabotage!(CountedTwice) {
                        now.spent = meta.spent;
                    }
                    if version == held.version {
                        // Another record than META caused the conflict: pause before the next attempt.
                        self.engine.back_off(attempt).await;
                    }
                    *held = Held { version, meta: now };
                }
                Ok(_) => return Err(Trouble::Lost),
                Err(error) => {
                    trouble = error.to_string();
                    self.engine.back_off(attempt).await;
                }
            }
        }
        Err(Trouble::Store(format!(
            "a commit of the conversation's owner kept failing: {trouble}"
        )))
    }

    /// Takes a new fence, as if another owner went on: what listeners have of the unrecorded step is said anew under it.
    /// `posting` as in [`Lease::commit_beside`].
    pub(crate) async fn raise_fence(&self, posting: &Posting) -> Result<(u64, bool), Trouble> {
        let fence = self.fence.load(Ordering::Relaxed) + 1;
        let raise = |meta: &mut Meta, _: &Beside| {
            meta.fence = fence;
            Vec::new()
        };
        let reserves = self
            .commit_beside(&[], Need::Wanted, Some(posting), raise)
            .await?;
        self.fence.store(fence, Ordering::Relaxed);
        Ok((fence, reserves))
    }

    async fn read_beside(&self, keys: &[Key], need: Need) -> Result<Beside, Trouble> {
        if keys.is_empty() {
            return Ok(Beside::Read(Vec::new()));
        }
        let mut attempt = 0;
        loop {
            match self.engine.store.get_many(keys).await {
                Ok(read) => return Ok(Beside::Read(read)),
                Err(StoreError::Unavailable(_)) if attempt < READ_AGAIN => {
                    self.engine.back_off(attempt).await;
                    attempt += 1;
                }
                Err(error @ StoreError::Unavailable(_)) if need == Need::Required => {
                    return Err(error.into());
                }
                Err(error) => {
                    tracing::warn!(%error, "records that a commit depends on could not be read");
                    return Ok(Beside::Unknown);
                }
            }
        }
    }

    /// Reads META again: what was committed before some moment is in it then.
    pub(crate) async fn refresh(&self) -> Result<(), Trouble> {
        let mut held = self.held.lock().await;
        match read_meta(&*self.engine.store, &self.claim.conversation).await? {
            Some((version, meta)) if self.is_ours(&meta) => {
                *held = Held { version, meta };
                Ok(())
            }
            Some(_) | None => Err(Trouble::Lost),
        }
    }

    /// Whether the present META is our own commit. Each write of an owner has its own number, and only the owner of the fence
    /// ends a turn under it.
    fn was_applied(meant: &Meta, now: &Meta) -> bool {
        now.fence == meant.fence
            && match (&meant.running, &now.running) {
                (Some(meant), Some(now)) => {
                    now.holder == meant.holder && now.writes == meant.writes
                }
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }

    /// Renews the lease until it is lost or a stop is requested. A store that is unreachable for the whole lease loses it.
    pub(crate) async fn keep(&self, turn: TurnNumber) -> Interrupted {
        let poked = self.engine.hub.poked(&self.claim.conversation);
        let renewal = self.engine.renewal();
        let mut renew_at = self.engine.env.now() + renewal;
        let mut poke = std::pin::pin!(poked.notified());
        poke.as_mut().enable();
        loop {
            tokio::select! {
                biased;
                () = poke.as_mut() => {}
                () = self.engine.sleep(POLL.min(renewal)) => {}
            }
            // Registered before we read META, so that no poke is missed meanwhile.
            poke.set(poked.notified());
            poke.as_mut().enable();
            match Box::pin(self.poll(turn)).await {
                Ok(Seen::Ours) => {}
                Ok(Seen::Stop) => {
                    // Waits for a commit in progress, so that its result is known.
                    drop(self.held.lock().await);
                    return Interrupted::Stopped;
                }
                Ok(Seen::Lost) => return Interrupted::Trouble(Trouble::Lost),
                Err(error) => {
                    tracing::warn!(%error, "the lease could not be renewed or checked");
                }
            }
            if self.engine.env.now() < renew_at {
                continue;
            }
            match Box::pin(self.commit(|_| Vec::new())).await {
                Ok(()) => renew_at = self.engine.env.now() + renewal,
                Err(trouble @ (Trouble::Lost | Trouble::Refused(_))) => {
                    return Interrupted::Trouble(trouble);
                }
                Err(Trouble::Store(detail)) => {
                    let until = self
                        .held
                        .lock()
                        .await
                        .meta
                        .running
                        .as_ref()
                        .map_or(0, |running| running.until);
                    if self.engine.env.now() + renewal >= until {
                        return Interrupted::Trouble(Trouble::Store(detail));
                    }
                }
            }
        }
    }

    async fn poll(&self, turn: TurnNumber) -> Result<Seen, StoreError> {
        let Some((_, meta)) = read_meta(&*self.engine.store, &self.claim.conversation).await?
        else {
            return Ok(Seen::Lost);
        };
        // Another instance may have stopped turns that wait behind this one.
        catch_up(self.engine, &self.claim.conversation, &meta).await?;
        Ok(match self.is_ours(&meta) {
            true if meta.stop == Some(turn) => Seen::Stop,
            true => Seen::Ours,
            // Our own commit that ends the turn may still be unconfirmed. Only another fence means another owner.
            false if meta.fence == self.fence.load(Ordering::Relaxed) => Seen::Ours,
            false => Seen::Lost,
        })
    }

    /// Releases the turn, so that any process may go on with it at once.
    pub(crate) async fn release(&self) -> Result<(), Trouble> {
        let give_up = |meta: &mut Meta| {
            if let Some(running) = &mut meta.running {
                running.until = 0;
            }
            Vec::new()
        };
        self.commit(give_up).await
    }

    /// META after our last commit, with its version.
    pub(crate) fn into_held(self) -> (u64, Meta) {
        let Held { version, meta } = self.held.into_inner();
        (version, meta)
    }

    /// META as last read or written.
    pub(crate) async fn meta(&self) -> Meta {
        self.held.lock().await.meta.clone()
    }

    fn renew(&self, meta: &mut Meta) {
        let until: Millis = self.engine.env.now() + self.engine.lease();
        if let Some(running) = &mut meta.running {
            running.until = until;
            running.writes += 1;
        }
    }

    /// No other claim has our holder, and our own fence may be about to rise.
    fn is_ours(&self, meta: &Meta) -> bool {
        let running = meta.running.as_ref();
        running.is_some_and(|running| running.holder == self.claim.holder)
    }
}
