//! The list of a principal's conversations.

use serde::Serialize;

use super::history::{Summary, summary};
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Cursor, Index, StoreError};
use crate::principal::Principal;
use crate::record::{Unreadable, conversations_of, decode};

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryPage {
    /// Newest activity first.
    pub conversations: Vec<Summary>,
    /// Conversations of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

impl Engine {
    /// The principal's conversations, newest activity first.
    pub async fn conversations(
        &self,
        principal: &Principal,
        after: Option<String>,
        limit: usize,
    ) -> Result<SummaryPage, StoreError> {
        let index = Index::Listed(conversations_of(principal.owner()));
        let page = self
            .store
            .index(&index, after.map(Cursor).as_ref(), limit)
            .await?;
        let mut conversations = Vec::with_capacity(page.records.len());
        let mut unreadable = Vec::new();
        for stored in &page.records {
            let id = stored
                .key
                .partition
                .strip_prefix("C#")
                .and_then(|id| ConversationId::parse(id).ok());
            let Some(id) = id else { continue };
            match decode(stored) {
                Ok(meta) => conversations.push(summary(id, &meta)),
                Err(error) => unreadable.push(Unreadable {
                    id: id.to_string(),
                    reason: error.to_string(),
                    last_activity: stored.record.listed.as_ref().map(|listed| listed.rank),
                }),
            }
        }
        Ok(SummaryPage {
            conversations,
            unreadable,
            next: page.next.map(|cursor| cursor.0),
        })
    }
}
