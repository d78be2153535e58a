//! What an owner's conversations take in the store. META counts the bytes of its conversation; the owner's sum is read from the list
//! of its conversations when one begins, and after each further [`STEP`] of one. So no count of an owner can go wrong or be left
//! behind, and most turns neither read nor write anything for it.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::open::Conversation;
use crate::bounds::{Bound, OverBound};
use crate::people::alias::same_owners;
use crate::ports::{Change, Index, StoreError};
use crate::principal::{Kind, Owner};
use crate::record::{Meta, conversations_of, decode};

/// How much a conversation may grow before its owner's are weighed again.
const STEP: u64 = 64 * 1024;

/// Conversations that are read at once.
const PAGE: usize = 100;

/// Conversations of one list that are weighed: an owner with more of them has no room.
const MOST: usize = 10_000;

/// Nothing is freed by waiting: the owner, or the retention, has to erase something.
const LATER: Duration = Duration::from_hours(1);

/// What these changes add to a conversation.
pub(crate) fn created(changes: &[Change]) -> u64 {
    let bytes = changes.iter().map(|change| match change {
        Change::Create(_, record) => record.body.len() as u64,
        Change::Replace(..) | Change::Remove(..) | Change::Require(..) => 0,
    });
    bytes.sum()
}

impl Meta {
    /// Whether its owner's conversations are to be weighed before more is written.
    pub(super) fn is_to_be_weighed(&self) -> bool {
        self.bytes.saturating_sub(self.weighed) >= STEP
    }
}

impl Conversation {
    /// Room for more in this conversation; for none yet if it is about to begin.
    pub(super) async fn room(&self, meta: Option<&Meta>) -> Result<Option<OverBound>, StoreError> {
        if meta.is_some_and(|meta| !meta.is_to_be_weighed()) {
            return Ok(None);
        }
        let owner = meta.map_or_else(|| self.principal.owner(), |meta| meta.owner.clone());
        let most = self.engine.bounds.of(Bound::BytesOwner);
        let taken = if owner.is_none() {
            meta.map_or(0, |meta| meta.bytes)
        } else if owner.subject(Kind::Service).is_some() {
            // A company's own server keeps the conversations of all its customers.
            0
        } else {
            self.weight_of(&owner, most).await?
        };
        Ok((taken >= most).then(|| self.engine.bounds.over(Bound::BytesOwner, LATER)))
    }

    /// The bytes of all conversations of an owner, and of the visitors that it was; no more are counted than `enough`.
    async fn weight_of(&self, owner: &Owner, enough: u64) -> Result<u64, StoreError> {
        let owners = if owner.subject(Kind::Customer).is_some() {
            same_owners(&*self.engine.store, owner).await?
        } else {
            vec![owner.clone()]
        };
        let lists = owners
            .iter()
            .map(|owner| self.weight_of_list(owner, enough));
        Ok(try_join_all(lists)
            .await?
            .into_iter()
            .fold(0, u64::saturating_add))
    }

    async fn weight_of_list(&self, owner: &Owner, enough: u64) -> Result<u64, StoreError> {
        let index = Index::Listed(conversations_of(owner));
        let (mut bytes, mut after) = (0_u64, None);
        for _ in 0..MOST / PAGE {
            let page = self
                .engine
                .store
                .index(&index, after.as_ref(), PAGE)
                .await?;
            for stored in &page.records {
                // What cannot be read is shown as such by the list, and counts nothing.
                if let Ok(meta) = decode::<Meta>(stored) {
                    bytes = bytes.saturating_add(meta.bytes);
                }
            }
            after = page.next;
            if after.is_none() || bytes >= enough {
                return Ok(bytes);
            }
        }
        Ok(u64::MAX)
    }
}
