//! The audit trail as it is read, and the pseudonyms in it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pseudonym::Pseudonyms;
use crate::engine::Engine;
use crate::ports::limits::{HIGHEST_NUMBER, SORT_BYTES};
use crate::ports::{Change, CommitError, Key, Order, Range, StoreError};
use crate::principal::Tenant;
use crate::record::audit::{AuditDetails, AuditEntry, Audited, Day, details_key, partition};
use crate::record::{Unreadable, decode, encode};

/// How often the making of a tenant's key is tried: a lost race is won by the winner's key.
const TRIES: usize = 3;

/// An entry with what was shown, unless that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The entry.
    pub entry: AuditEntry,
    /// What was shown and why it was decided; of decisions only.
    pub details: Option<AuditDetails>,
}

/// `A#tenant`, `KEY`: the key of a tenant's pseudonyms.
#[derive(Clone, Serialize, Deserialize)]
struct PseudonymKey {
    secret: String,
}

/// A part of a day's trail, in the order of time.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// The entries.
    pub lines: Vec<AuditLine>,
    /// Entries of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// For the next page, when more may follow.
    pub next: Option<String>,
}

impl Engine {
    /// The pseudonyms of a tenant, with a key that is made once.
    pub(crate) async fn pseudonyms(&self, tenant: &str) -> Result<Pseudonyms, StoreError> {
        let name = tenant.to_owned();
        let now = self.env.now();
        if let Some(known) = self.pseudonym_keys.get(&name, now) {
            return Ok(known);
        }
        let key = Key::new(format!("A#{tenant}"), "KEY");
        for _ in 0..TRIES {
            if let Some(stored) = self.store.get(&key).await? {
                let PseudonymKey { secret } = decode(&stored)?;
                let known = Pseudonyms(Arc::from(secret));
                self.pseudonym_keys
                    .keep(name, known.clone(), HIGHEST_NUMBER, now);
                return Ok(known);
            }
            let secret = self.random_id();
            let change = Change::Create(key.clone(), encode(&PseudonymKey { secret }));
            match self.store.commit(vec![change]).await {
                // The next read shows the key that counts.
                Ok(()) | Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {}
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
        }
        Err(StoreError::Unavailable(
            "the key of pseudonyms was written and is not there".to_owned(),
        ))
    }

    /// The parts of a commit that add to the trail what a person at a terminal of the installation does.
    pub(crate) fn at_a_terminal(&self, tenant: &Tenant, event: Audited) -> Vec<Change> {
        let at = self.env.now();
        let entry = AuditEntry {
            at,
            by: None,
            event,
        };
        entry.added(
            tenant.as_str(),
            self.env.random(),
            None,
            self.retention.audit,
        )
    }

    /// A part of the audit trail of a tenant's day.
    ///
    /// # Errors
    /// The store's; [`StoreError::BadCursor`] where `after` is no `next` of a page.
    pub async fn audit(
        &self,
        tenant: &Tenant,
        day: &Day,
        after: Option<String>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let is_sort = |text: &String| {
            text.len() <= SORT_BYTES
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        };
        if after.as_ref().is_some_and(|after| !is_sort(after)) {
            return Err(StoreError::BadCursor);
        }
        let range = Range {
            partition: partition(tenant.as_str(), day),
            prefix: String::new(),
            after,
            order: Order::Ascending,
            limit,
        };
        let read = self.store.range(&range).await?;
        let mut page = AuditPage::default();
        let mut keys = Vec::new();
        for stored in &read.records {
            match decode::<AuditEntry>(stored) {
                Ok(entry) => {
                    let key = match &entry.event {
                        Audited::Decided(decision) => {
                            Some(details_key(tenant.as_str(), decision, &stored.key.sort))
                        }
                        Audited::KeyCreated { .. }
                        | Audited::KeyRevoked { .. }
                        | Audited::OperatorAdded { .. }
                        | Audited::OperatorRemoved { .. } => None,
                    };
                    keys.extend(key);
                    page.lines.push(AuditLine {
                        entry,
                        details: None,
                    });
                }
                Err(error) => page.unreadable.push(Unreadable {
                    id: stored.key.sort.clone(),
                    reason: error.to_string(),
                    last_activity: None,
                }),
            }
        }
        let mut details = self.store.get_many(&keys).await?.into_iter();
        for line in &mut page.lines {
            if matches!(line.entry.event, Audited::Decided(_)) {
                let stored = details.next().flatten();
                // Details that cannot be read count as erased; the entry is what must not be lost.
                line.details = stored.and_then(|stored| decode(&stored).ok());
            }
        }
        if read.more {
            page.next = read.records.last().map(|last| last.key.sort.clone());
        }
        Ok(page)
    }
}
