//! All that one owner has, for a person at a terminal: to read it, and to erase it with the owner's name.
//! Knows nothing of tools: what they keep of an owner is theirs to read and to erase.

use std::sync::Arc;

use super::alias::{records_of, same_owners};
use crate::conversation::erase::EraseError;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Change, CommitError, Cursor, Index, StoreError, Stored};
use crate::principal::{Kind, Owner, Principal, Subject, Tenant};
use crate::record::{Meta, conversations_of, decode, erased_of, keys};

/// Conversations that are read at once.
const PAGE: usize = 100;

/// Rounds over the conversations of an owner who goes on to write.
const ROUNDS: usize = 3;

/// An owner's conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Possessed {
    /// Those with turns.
    pub conversations: Vec<ConversationId>,
    /// Those that were erased, of which a record stays, so that no number of a turn is used twice.
    pub erased: Vec<ConversationId>,
}

/// The result of an erasure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErasedAll {
    /// Conversations that were erased now.
    pub conversations: usize,
    /// Erased conversations with actions that have not ended. Their records and the owner's name in them stay until then.
    pub open: Vec<ConversationId>,
}

impl Engine {
    /// The conversations of this owner alone; see [`same_owners`] for the visitors that a customer was.
    ///
    /// # Errors
    /// The store's.
    pub async fn possessed_by(&self, owner: &Owner) -> Result<Possessed, StoreError> {
        Ok(Possessed {
            conversations: self.listed_in(conversations_of(owner)).await?,
            erased: self.listed_in(erased_of(owner)).await?,
        })
    }

    /// The records under the owner's own name.
    ///
    /// # Errors
    /// The store's.
    pub async fn named_records(&self, owner: &Owner) -> Result<Vec<Stored>, StoreError> {
        records_of(&*self.store, owner).await
    }

    /// The owner that stands in records that stay, when the owner's name must not.
    ///
    /// # Errors
    /// The store's.
    pub async fn erased_owner(&self, owner: &Owner) -> Result<Owner, StoreError> {
        let pseudonyms = self.pseudonyms(owner.tenant()).await?;
        Ok(owner.erased(&pseudonyms.of(owner.as_str())))
    }

    /// Erases all conversations of this owner alone, and its name in what stays of them. May be repeated.
    ///
    /// # Errors
    /// The store's; a repetition goes on.
    pub async fn erase_conversations(
        self: &Arc<Self>,
        owner: &Owner,
    ) -> Result<ErasedAll, EraseError> {
        let unavailable = |error: StoreError| EraseError::Unavailable(error.to_string());
        let mut done = ErasedAll::default();
        let (Ok(tenant), Ok(subject)) = (Tenant::parse(owner.tenant()), Subject::parse("terminal"))
        else {
            return Err(EraseError::NotFound);
        };
        let colleague = Principal::new(tenant, Kind::Operator, subject);
        for _ in 0..ROUNDS {
            let list = self.listed_in(conversations_of(owner)).await;
            let list = list.map_err(unavailable)?;
            if list.is_empty() {
                break;
            }
            for id in list {
                match self.conversation(&id, &colleague).erase().await {
                    Ok(()) => done.conversations += 1,
                    // Erased since it was listed.
                    Err(EraseError::NotFound) => {}
                    Err(error @ EraseError::Unavailable(_)) => return Err(error),
                }
                self.advance(&id).await;
                self.left(&id).await;
            }
        }
        let stays = self.erased_owner(owner).await.map_err(unavailable)?;
        let erased = self.listed_in(erased_of(owner)).await;
        for id in erased.map_err(unavailable)? {
            // An interrupted erasure goes on here.
            self.advance(&id).await;
            self.left(&id).await;
            if !self.rename(&id, owner, &stays).await.map_err(unavailable)? {
                done.open.push(id);
            }
        }
        Ok(done)
    }

    /// Removes the records under the owner's own name, and those of the visitors that it was.
    ///
    /// # Errors
    /// The store's; a repetition goes on.
    pub async fn erase_name(&self, owner: &Owner) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut owners = same_owners(&*self.store, owner).await?;
        // The customer's record names the visitors, so it goes last.
        owners.reverse();
        for owner in owners {
            for stored in records_of(&*self.store, &owner).await? {
                let change = Change::Remove(stored.key, Some(stored.version));
                match self.store.commit(vec![change]).await {
                    Ok(()) => removed += 1,
                    Err(error) => return Err(StoreError::Unavailable(error.to_string())),
                }
            }
        }
        Ok(removed)
    }

    /// Puts another owner into what stays of an erased conversation. False: it is not erased yet.
    async fn rename(
        &self,
        id: &ConversationId,
        owner: &Owner,
        stays: &Owner,
    ) -> Result<bool, StoreError> {
        let key = keys::meta(id);
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(true);
        };
        let mut meta: Meta = decode(&stored)?;
        if meta.owner != *owner {
            return Ok(true);
        }
        if meta.has_turns() || meta.erasing {
            return Ok(false);
        }
        meta.owner = stays.clone();
        let change = Change::Replace(key, stored.version, meta.record());
        match self.store.commit(vec![change]).await {
            Ok(()) => Ok(true),
            // A repetition finds it, or finds it done.
            Err(CommitError::Conflict | CommitError::Ambiguous(_)) => Ok(false),
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(StoreError::Unavailable(error.to_string()))
            }
        }
    }

    async fn listed_in(&self, list: String) -> Result<Vec<ConversationId>, StoreError> {
        let index = Index::Listed(list);
        let mut ids = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let page = self.store.index(&index, after.as_ref(), PAGE).await?;
            let found = page.records.iter().filter_map(|stored| {
                let id = stored.key.partition.strip_prefix("C#")?;
                ConversationId::parse(id).ok()
            });
            ids.extend(found);
            after = page.next;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }
}
