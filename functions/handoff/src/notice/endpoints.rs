//! Whether endpoints listen. One that has taken nothing for a day, or wants nothing any more, is paused until an operator resumes it.

use crate::engine::Engine;
use crate::ports::{Change, CommitError, Millis, StoreError, Stored};
use crate::record::decode;
use crate::record::notice::{EndpointState, endpoint};

/// How long an endpoint may take nothing.
const PATIENCE: Millis = 24 * 3_600_000;

/// An endpoint of the team, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointNow {
    /// Its name.
    pub name: String,
    /// Where notices are sent.
    pub url: String,
    /// How it fails, if it does.
    pub state: Option<EndpointState>,
}

impl Engine {
    pub(super) async fn endpoint_state(
        &self,
        name: &str,
    ) -> Result<Option<(u64, EndpointState)>, StoreError> {
        let stored = self.store.get(&endpoint(name)).await?;
        let read = |stored: &Stored| Ok((stored.version, decode(stored)?));
        stored.as_ref().map(read).transpose()
    }

    /// The next failure begins a new day.
    pub(super) async fn endpoint_works(&self, name: &str, version: u64) {
        let change = Change::Remove(endpoint(name), Some(version));
        // Another worker may have removed it, or paused the endpoint.
        let _removed = self.store.commit(vec![change]).await;
    }

    pub(super) async fn endpoint_fails(
        &self,
        name: &str,
        before: Option<(u64, EndpointState)>,
        reason: &str,
        is_gone: bool,
    ) {
        let now = self.env.now();
        let (version, mut state) = before.map_or_else(
            || {
                let state = EndpointState {
                    failing_since: now,
                    reason: reason.to_owned(),
                    paused_at: None,
                };
                (None, state)
            },
            |(version, state)| (Some(version), state),
        );
        let pauses = is_gone || now >= state.failing_since + PATIENCE;
        if pauses {
            state.paused_at = Some(now);
            reason.clone_into(&mut state.reason);
        }
        let change = match version {
            Some(_) if !pauses => return,
            Some(version) => Change::Replace(endpoint(name), version, state.record()),
            None => Change::Create(endpoint(name), state.record()),
        };
        // Another worker may have written it, with much the same.
        if self.store.commit(vec![change]).await.is_ok() && pauses {
            tracing::error!(
                endpoint = name,
                reason,
                "an endpoint is paused: it is told nothing until `baton webhook resume`"
            );
        }
    }

    /// The endpoints of the team, and where traces are sent.
    ///
    /// # Errors
    /// The store's.
    pub async fn endpoints(&self) -> Result<Vec<EndpointNow>, StoreError> {
        let mut endpoints = Vec::new();
        for standing in self.standing() {
            let state = self.endpoint_state(standing.name()).await?;
            endpoints.push(EndpointNow {
                name: standing.name().to_owned(),
                url: standing.address().to_owned(),
                state: state.map(|(_, state)| state),
            });
        }
        Ok(endpoints)
    }

    /// Has an endpoint told again what it missed, within ten minutes. Whether it was paused.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume_endpoint(&self, name: &str) -> Result<bool, StoreError> {
        let Some((version, state)) = self.endpoint_state(name).await? else {
            return Ok(false);
        };
        let change = Change::Remove(endpoint(name), Some(version));
        match self.store.commit(vec![change]).await {
            Ok(()) | Err(CommitError::Conflict) => Ok(state.paused_at.is_some()),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
