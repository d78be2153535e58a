//! How long records are kept. Conversations that nobody used for longer are erased as their owners erase them, some with each sweep.
//!
//! The lists of work have no order by last activity, so a round reads every conversation that began before the limit. It goes
//! tenant by tenant; a tenant has a record from its first conversation on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::conversation::erase::EraseError;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::people::remembered::Remembered;
use crate::ports::{
    Change, CommitError, Cursor, Index, IndexPosition, Key, Millis, Order, Range, Record,
    StoreError, Stored,
};
use crate::principal::{Kind, Principal, Subject, Tenant};
use crate::record::{DEFAULT_TENANT, Meta, conversations_with_agents, decode};

/// Conversations that one sweep reads. Each that is erased costs a few commits at once.
const PAGE: usize = 50;

/// The pause behind a round.
const PAUSE: Millis = 10 * 60_000;

/// Batches of streamed text serve listeners that lost their connection; a day is long for that.
const EVENTS: Millis = 24 * 3_600_000;

/// The partition with a record for each tenant but the default one.
const TENANTS: &str = "TENANTS";

/// How long records are kept, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Conversations with their turns and actions, since the last activity. None: until they are erased.
    pub conversations: Option<Millis>,
    /// Streamed text beside the journal.
    pub events: Millis,
    /// Entries of the audit trail. None: for ever.
    pub audit: Option<Millis>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            conversations: None,
            events: EVENTS,
            audit: None,
        }
    }
}

/// The tenants that this process knows to have a record.
pub(crate) type Tenants = Remembered<String, ()>;

/// The progress of this process's round.
#[derive(Debug, Default)]
pub(crate) struct Round(Mutex<Progress>);

#[derive(Debug, Default, Clone)]
struct Progress {
    /// When the next part is due.
    due: Millis,
    /// The tenant; none for the first.
    tenant: Option<String>,
    /// The place in its list; none for the begin.
    after: Option<Cursor>,
}

impl Round {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Erases some conversations that were not used for longer than they are kept. Returns how many.
    ///
    /// # Errors
    /// The store's; the next sweep goes on.
    pub async fn erase_unused(self: &Arc<Self>) -> Result<usize, StoreError> {
        let now = self.env.now();
        let Some(kept) = self.retention.conversations else {
            return Ok(0);
        };
        let mut progress = self.round.lock().clone();
        if now < progress.due {
            return Ok(0);
        }
        let name = progress.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let before = now.saturating_sub(kept);
        let erased = match Tenant::parse(name) {
            Ok(tenant) => {
                let (erased, next) = self.erase_page(&tenant, before, progress.after).await?;
                progress.after = next;
                erased
            }
            Err(_) => 0,
        };
        if progress.after.is_none() {
            progress.tenant = self.tenant_after(progress.tenant.take()).await?;
            if progress.tenant.is_none() {
                progress.due = now + PAUSE;
            }
        }
        *self.round.lock() = progress;
        Ok(erased)
    }

    /// A page of the tenant's conversations that began before this moment.
    async fn erase_page(
        self: &Arc<Self>,
        tenant: &Tenant,
        before: Millis,
        after: Option<Cursor>,
    ) -> Result<(usize, Option<Cursor>), StoreError> {
        let index = Index::Work(conversations_with_agents(tenant.as_str()));
        let begin = IndexPosition {
            number: before,
            key: Key::new("C#", "META"),
        };
        let after = after.unwrap_or_else(|| begin.cursor(&index));
        let page = self.store.index(&index, Some(&after), PAGE).await?;
        let mut erased = 0;
        for stored in &page.records {
            if let Some(conversation) = unused(stored, before) {
                erased += usize::from(self.erase_one(&conversation, tenant, before).await?);
            }
        }
        Ok((erased, page.next))
    }

    async fn erase_one(
        self: &Arc<Self>,
        conversation: &ConversationId,
        tenant: &Tenant,
        before: Millis,
    ) -> Result<bool, StoreError> {
        let Ok(subject) = Subject::parse("retention") else {
            return Ok(false);
        };
        let keeper = Principal::new(tenant.clone(), Kind::Operator, subject);
        let opened = self.conversation(conversation, &keeper);
        match opened.erase_if(|meta| is_unused(meta, before)).await {
            Ok(()) => Ok(true),
            Err(EraseError::NotFound) => Ok(false),
            Err(EraseError::Unavailable(reason)) => Err(StoreError::Unavailable(reason)),
        }
    }

    /// Makes sure that rounds find the tenant of a new conversation. Beside the turn: another conversation of it does the same.
    pub(crate) fn note_tenant(self: &Arc<Self>, tenant: &str) {
        let (name, now) = (tenant.to_owned(), self.env.now());
        if tenant == DEFAULT_TENANT || self.tenants.get(&name, now).is_some() {
            return;
        }
        let engine = self.clone();
        self.env.spawn(Box::pin(async move {
            let record = Record::new(1, "{}");
            let change = Change::Create(Key::new(TENANTS, name.as_str()), record);
            match engine.store.commit(vec![change]).await {
                Ok(()) | Err(CommitError::Conflict) => {
                    engine.tenants.keep(name, (), Millis::MAX, engine.env.now());
                }
                Err(error) => tracing::warn!(%error, "a tenant was not noted; its next new conversation tries again"),
            }
        }));
    }

    /// The tenant behind this one; none at the end.
    async fn tenant_after(&self, tenant: Option<String>) -> Result<Option<String>, StoreError> {
        let range = Range {
            partition: TENANTS.to_owned(),
            prefix: String::new(),
            after: tenant,
            order: Order::Ascending,
            limit: 1,
        };
        let page = self.store.range(&range).await?;
        Ok(page
            .records
            .into_iter()
            .next()
            .map(|stored| stored.key.sort))
    }
}

/// The conversation of a record, if it is not used any more. One that cannot be read stays.
fn unused(stored: &Stored, before: Millis) -> Option<ConversationId> {
    let conversation = stored.key.partition.strip_prefix("C#")?;
    let meta: Meta = decode(stored).ok()?;
    is_unused(&meta, before).then(|| ConversationId::parse(conversation).ok())?
}

fn is_unused(meta: &Meta, before: Millis) -> bool {
    meta.last_activity < before && meta.running.is_none() && meta.waiting.is_empty()
}
