//! The list of a principal's conversations.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::history::{Summary, summary};
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::people::alias::same_owners;
use crate::ports::{Cursor, Index, IndexPosition, Millis, StoreError, Stored};
use crate::principal::{Kind, Owner, Principal, Tenant};
use crate::record::{Meta, Unreadable, conversations_of, conversations_with_agents, decode};

/// Conversations whose turns are counted.
const COUNTED: usize = 1_000;

const COUNTED_AT_ONCE: usize = 100;

/// A page of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SummaryPage {
    /// Newest activity first.
    pub conversations: Vec<Summary>,
    /// Conversations of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

impl Engine {
    /// The principal's own conversations, newest activity first. A customer's are also those of the visitors that it was. Without
    /// an owner there is no list, and a visitor that has signed in has none.
    pub async fn conversations(
        &self,
        principal: &Principal,
        after: Option<String>,
        limit: usize,
    ) -> Result<SummaryPage, StoreError> {
        let owner = principal.owner();
        if owner.is_none() || self.has_signed_in(principal).await? {
            return Ok(SummaryPage::default());
        }
        let owners = if owner.subject(Kind::Customer).is_some() {
            same_owners(&*self.store, &owner).await?
        } else {
            vec![owner]
        };
        let places = read_places(after.as_deref(), owners.len())?;
        let lists = owners.iter().zip(places);
        let lists = lists.map(|(owner, place)| self.list_of(owner, place, limit));
        let mut lists = try_join_all(lists).await?;
        let mut records = Vec::new();
        while records.len() < limit
            && let Some(list) = lists.iter_mut().max_by_key(|list| list.rank())
            && let Some(record) = list.take()
        {
            records.push(record);
        }
        let more = lists.iter().any(|list| list.place() != Place::End);
        Ok(SummaryPage {
            next: more.then(|| write_places(&lists)),
            ..summaries(&records)
        })
    }

    /// The conversations of a tenant, the newest first by their begin: for operators. A page may have fewer than `limit`, or none, and
    /// still be followed by another one.
    pub async fn conversations_in(
        &self,
        tenant: &Tenant,
        after: Option<String>,
        limit: usize,
    ) -> Result<SummaryPage, StoreError> {
        let index = Index::Work(conversations_with_agents(tenant.as_str()));
        let after = after.map(Cursor);
        let page = self.store.index(&index, after.as_ref(), limit).await?;
        Ok(SummaryPage {
            next: page.next.map(|next| next.0),
            ..summaries(&page.records)
        })
    }

    /// How many turns the principal's own conversations have. Of each owner's list the 1,000 with the newest activity are counted.
    ///
    /// # Errors
    /// The store's.
    pub async fn turns(&self, principal: &Principal) -> Result<u64, StoreError> {
        let mut turns = 0;
        let mut after = None;
        for _ in 0..COUNTED / COUNTED_AT_ONCE {
            let page = self
                .conversations(principal, after, COUNTED_AT_ONCE)
                .await?;
            let of_page = page.conversations.iter().map(|one| u64::from(one.turns));
            turns += of_page.sum::<u64>();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(turns)
    }

    /// A page of one owner's list.
    async fn list_of(&self, owner: &Owner, place: Place, limit: usize) -> Result<List, StoreError> {
        let index = Index::Listed(conversations_of(owner));
        let after = match &place {
            Place::End => return Ok(List::default()),
            Place::Start => None,
            Place::After(position) => Some(position.cursor(&index)),
        };
        let page = self.store.index(&index, after.as_ref(), limit).await?;
        Ok(List {
            records: page.records.into(),
            taken: place,
            follows: page.next.is_some(),
        })
    }
}

/// How far a list has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Place {
    Start,
    After(IndexPosition),
    #[default]
    End,
}

/// A part of one owner's list.
#[derive(Default)]
struct List {
    records: VecDeque<Stored>,
    /// Behind the last record that was taken.
    taken: Place,
    /// Whether more records follow this part.
    follows: bool,
}

impl List {
    /// The rank of its next record; of two lists with the same the later one is taken first, which any page repeats.
    fn rank(&self) -> Option<u64> {
        let next = self.records.front()?;
        next.record.listed.as_ref().map(|listed| listed.rank)
    }

    fn take(&mut self) -> Option<Stored> {
        let stored = self.records.pop_front()?;
        let number = stored.record.listed.as_ref().map(|listed| listed.rank);
        self.taken = Place::After(IndexPosition {
            number: number.unwrap_or_default(),
            key: stored.key.clone(),
        });
        Some(stored)
    }

    fn place(&self) -> Place {
        if self.records.is_empty() && !self.follows {
            Place::End
        } else {
            self.taken.clone()
        }
    }
}

/// Separates the places of several lists in a cursor.
const SEPARATOR: char = '~';

/// Stands for a list that was read to its end.
const END: &str = "-";

fn write_places(lists: &[List]) -> String {
    let places = lists.iter().map(|list| match list.place() {
        Place::Start => String::new(),
        Place::After(position) => position.text(),
        Place::End => END.to_owned(),
    });
    places.collect::<Vec<_>>().join(&SEPARATOR.to_string())
}

/// The places of so many lists. A visitor who has signed in since the last page adds a list at the end.
fn read_places(cursor: Option<&str>, lists: usize) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::with_capacity(lists);
    for text in cursor.into_iter().flat_map(|text| text.split(SEPARATOR)) {
        places.push(match text {
            "" => Place::Start,
            END => Place::End,
            text => Place::After(IndexPosition::parse(text).ok_or(StoreError::BadCursor)?),
        });
    }
    if places.len() > lists {
        return Err(StoreError::BadCursor);
    }
    places.resize(lists, Place::Start);
    Ok(places)
}

/// The conversations of these METAs. The cursor is left out.
fn summaries(records: &[Stored]) -> SummaryPage {
    let mut page = SummaryPage::default();
    for stored in records {
        let id = stored
            .key
            .partition
            .strip_prefix("C#")
            .and_then(|id| ConversationId::parse(id).ok());
        let Some(id) = id else { continue };
        match decode::<Meta>(stored) {
            // A program of before that erased it knew one list only, and left it in this one.
            Ok(meta) if !meta.has_turns() => {}
            Ok(meta) => page.conversations.push(summary(id, &meta)),
            Err(error) => page.unreadable.push(Unreadable {
                id: id.to_string(),
                reason: error.to_string(),
                last_activity: rank_of(stored),
            }),
        }
    }
    page
}

/// The time in its list: of its last activity, or of its begin in the list of a tenant's work.
fn rank_of(stored: &Stored) -> Option<Millis> {
    let listing = stored
        .record
        .listed
        .as_ref()
        .or(stored.record.work.as_ref());
    listing.map(|listing| listing.rank)
}
