//! What operator routes share: who may use them, and lists in pages.

use axum::extract::FromRequestParts;
use axum::response::Response;
use baton_handoff::history::Unreadable;
use http::request::Parts;
use serde_json::{Value, json};

use super::conversations::json_page;
use super::input::Query;
use crate::budget::Budget;
use crate::error::ApiError;
use crate::router::App;

/// Entries of one page.
const ENTRIES: usize = 50;
const MOST_ENTRIES: usize = 200;

/// Entries that are read at once. Behind each stands a record of up to 350 KB.
const ROUND: usize = 25;

/// A page that has so many bytes is not made longer.
const PAGE_BYTES: usize = 256 * 1024;

/// That the request may use operator routes. Take it before whatever else may refuse a request.
pub(crate) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.exposure.check_operator(&parts.headers)?;
        Ok(Self)
    }
}

/// Which page of a list is wanted.
pub(crate) struct Paging {
    /// Where the page before it said that this one begins.
    after: Option<String>,
    limit: usize,
}

impl Paging {
    /// The first page, of the usual length.
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
        let limit: Option<usize> = query.number("limit")?;
        Ok(Self {
            after: query.text("after")?.map(str::to_owned),
            limit: limit.unwrap_or(ENTRIES).clamp(1, MOST_ENTRIES),
        })
    }
}

/// What one look at a list found.
pub(super) struct Round {
    pub(super) values: Vec<Value>,
    /// Those that cannot be read.
    pub(super) unreadable: Vec<Unreadable>,
    /// Where to go on.
    pub(super) next: Option<String>,
}

/// Entries of a page, written down.
#[derive(Default)]
pub(super) struct Entries {
    /// JSON values between commas.
    json: String,
    unreadable: Vec<Unreadable>,
    /// Where the next page begins.
    next: Option<String>,
}

impl Entries {
    /// Reads a page in small rounds: what is read at once, and what comes out, is bounded whatever is in the records.
    pub(super) async fn gather<F>(
        paging: &Paging,
        read: impl Fn(Option<String>, usize) -> F,
    ) -> Result<Self, ApiError>
    where
        F: Future<Output = Result<Round, ApiError>>,
    {
        let mut entries = Self {
            next: paging.after.clone(),
            ..Self::default()
        };
        let mut left = paging.limit;
        while left > 0 {
            let limit = left.min(ROUND);
            let round = read(entries.next.take(), limit).await?;
            for value in round.values {
                entries.push(&value.to_string());
            }
            entries.unreadable.extend(round.unreadable);
            entries.next = round.next;
            left -= limit;
            if entries.next.is_none() || entries.json.len() >= PAGE_BYTES {
                break;
            }
        }
        Ok(entries)
    }

    fn push(&mut self, json: &str) {
        if json.is_empty() {
            return;
        }
        if !self.json.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(json);
    }

    /// Adds the entries of another list.
    pub(super) fn append(&mut self, other: Self) {
        self.push(&other.json);
        self.unreadable.extend(other.unreadable);
    }

    pub(super) fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    pub(super) fn as_array(&self) -> String {
        format!("[{}]", self.json)
    }
}

/// A page of the list of this name, and where the next one begins.
pub(super) async fn page<F>(
    budget: &Budget,
    name: &str,
    entries: impl Fn() -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Entries, ApiError>>,
{
    let make = || {
        let entries = entries();
        async {
            let entries = entries.await?;
            let next = Value::from(entries.next.clone());
            let page = format!(
                "{{\"{name}\":{},\"unreadable\":{},\"next\":{next}}}",
                entries.as_array(),
                json!(entries.unreadable)
            );
            Ok(page.into_bytes())
        }
    };
    json_page(budget, make).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of 1,000 entries, each of so many bytes, page by page. How many entries each page has.
    async fn pages_of(bytes: usize, limit: usize) -> Vec<usize> {
        let read = |after: Option<String>, limit: usize| async move {
            assert!(limit <= ROUND, "{limit} at once");
            let from: usize = after.map_or(0, |after| after.parse().unwrap());
            let to = (from + limit).min(1_000);
            let zeros = "0".repeat(bytes);
            let values = (from..to).map(|number| Value::from(format!("{zeros}{number}")));
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
            let page: Vec<String> = serde_json::from_str(&entries.as_array()).unwrap();
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
