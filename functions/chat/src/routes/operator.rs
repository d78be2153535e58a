//! Shared parts of operator routes: access, and lists in pages.

use std::num::NonZero;

use axum::extract::FromRequestParts;
use axum::response::Response;
use baton_handoff::history::Unreadable;
use http::request::Parts;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::answers::{json_page, unwritable, written};
use super::input::Query;
use crate::app::App;
use crate::auth::caller::operator;
use crate::edge::error::ApiError;
use crate::stream::budget::Budget;

/// Entries of one page.
const ENTRIES: usize = 50;
const MOST_ENTRIES: usize = 200;

/// Entries read at once. Each has a record of up to 350 KB.
const ROUND: usize = 25;

/// A page of this many bytes is not extended.
const PAGE_BYTES: usize = 256 * 1024;

/// The operator of the request. Extract it before everything else that may refuse a request.
pub(crate) struct Operator(pub(crate) baton_handoff::Operator);

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        operator(app, parts).await.map(Self)
    }
}

/// Which page of a list is wanted.
#[cfg_attr(test, derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub(crate) struct Paging {
    /// The `next` of the page that was read last; any other text is 404.
    #[cfg_attr(test, param(value_type = String, required = false))]
    after: Option<String>,
    /// How many at most; more than 200 are taken for 200. A page of long entries is shorter: `next` says whether more follow.
    #[cfg_attr(
        test,
        param(required = false, minimum = 1, maximum = 2_147_483_647, default = 50)
    )]
    limit: usize,
}

impl Paging {
    /// The first page, of the default length.
    pub(super) fn first() -> Self {
        Self {
            after: None,
            limit: ENTRIES,
        }
    }
}

impl FromRequestParts<App> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, app).await?;
        let limit: Option<NonZero<u32>> = query.number("limit")?;
        let limit = limit.map(|limit| usize::try_from(limit.get()).unwrap_or(MOST_ENTRIES));
        Ok(Self {
            after: query
                .text("after")?
                .filter(|after| !after.is_empty())
                .map(str::to_owned),
            limit: limit.map_or(ENTRIES, |limit| limit.min(MOST_ENTRIES)),
        })
    }
}

/// One read of a list.
pub(super) struct Round<T> {
    pub(super) values: Vec<T>,
    /// Unreadable entries.
    pub(super) unreadable: Vec<Unreadable>,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
}

/// Encoded entries of a page.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) values: Vec<Box<RawValue>>,
    pub(super) unreadable: Vec<Unreadable>,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
}

impl Entries {
    /// Reads a page in small rounds, so that both the memory in use and the answer are bounded for any records.
    pub(super) async fn gather<T, F>(
        paging: &Paging,
        read: impl Fn(Option<String>, usize) -> F,
    ) -> Result<Self, ApiError>
    where
        T: Serialize,
        F: Future<Output = Result<Round<T>, ApiError>>,
    {
        let mut entries = Self {
            next: paging.after.clone(),
            ..Self::default()
        };
        let (mut left, mut bytes) = (paging.limit, 0);
        while left > 0 {
            let limit = left.min(ROUND);
            let round = read(entries.next.take(), limit).await?;
            for value in round.values {
                let value = to_raw_value(&value).map_err(|error| unwritable(&error))?;
                bytes += value.get().len();
                entries.values.push(value);
            }
            entries.unreadable.extend(round.unreadable);
            entries.next = round.next;
            left -= limit;
            if entries.next.is_none() || bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(entries)
    }

    /// Adds the entries of another list.
    pub(super) fn append(&mut self, other: Self) {
        self.values.extend(other.values);
        self.unreadable.extend(other.unreadable);
    }
}

/// A page of a list as it is answered.
macro_rules! page_of {
    ($(#[$about:meta])* $name:ident { $entries:ident: $($entry:ident)::+ }) => {
        $(#[$about])*
        #[derive(serde::Serialize)]
        #[cfg_attr(test, derive(utoipa::ToSchema))]
        struct $name {
            #[cfg_attr(test, schema(value_type = Vec<$($entry)::+>))]
            $entries: Vec<Box<serde_json::value::RawValue>>,
            /// Entries of this page whose record cannot be read: damaged, or of a newer release.
            #[cfg_attr(test, schema(value_type = Vec<crate::openapi::values::Unreadable>))]
            unreadable: Vec<baton_handoff::history::Unreadable>,
            /// For `after`; null at the end.
            #[cfg_attr(test, schema(required = true))]
            next: Option<String>,
        }

        impl From<$crate::routes::operator::Entries> for $name {
            fn from(entries: $crate::routes::operator::Entries) -> Self {
                Self {
                    $entries: entries.values,
                    unreadable: entries.unreadable,
                    next: entries.next,
                }
            }
        }
    };
}
pub(super) use page_of;

/// A page of a list.
pub(super) async fn page<P, F>(
    budget: &Budget,
    entries: impl Fn() -> F,
) -> Result<Response, ApiError>
where
    P: From<Entries> + Serialize,
    F: Future<Output = Result<Entries, ApiError>>,
{
    let make = || {
        let entries = entries();
        async { written(&P::from(entries.await?)) }
    };
    json_page(budget, make).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of 1,000 entries of this size, page by page. Returns the number of entries of each page.
    async fn pages_of(bytes: usize, limit: usize) -> Vec<usize> {
        let read = |after: Option<String>, limit: usize| async move {
            assert!(limit <= ROUND, "{limit} at once");
            let from: usize = after.map_or(0, |after| after.parse().unwrap());
            let to = (from + limit).min(1_000);
            let zeros = "0".repeat(bytes);
            let values = (from..to).map(|number| format!("{zeros}{number}"));
            Ok(Round {
                values: values.collect(),
                unreadable: Vec::new(),
                next: (to < 1_000).then(|| to.to_string()),
            })
        };
        let (mut pages, mut seen, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let paging = Paging { after, limit };
            let entries = Entries::gather(&paging, read).await.unwrap();
            let page = entries.values.iter();
            let page: Vec<String> = page
                .map(|entry| serde_json::from_str(entry.get()).unwrap())
                .collect();
            pages.push(page.len());
            seen.extend(
                page.into_iter()
                    .map(|entry| entry.parse::<usize>().unwrap()),
            );
            after = entries.next;
            if after.is_none() {
                assert!(seen.into_iter().eq(0..1_000), "each once, in order");
                return pages;
            }
        }
    }

    #[tokio::test]
    async fn a_page_is_as_long_as_it_is_asked_for_unless_its_entries_are_long() {
        assert_eq!(pages_of(10, MOST_ENTRIES).await, [MOST_ENTRIES; 5]);
        assert_eq!(pages_of(10, 7).await.first(), Some(&7));
        assert_eq!(pages_of(PAGE_BYTES / 50, 200).await, [2 * ROUND; 20]);
        assert_eq!(pages_of(PAGE_BYTES / ROUND, 200).await, [ROUND; 40]);
    }
}
