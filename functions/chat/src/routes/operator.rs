//! What operator routes share: who may use them, and lists in pages.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, Value};

use super::conversations::uncached;
use super::input::Query;
use crate::error::ApiError;
use crate::router::App;

/// Entries of one page.
pub(super) const ENTRIES: usize = 50;
const MOST_ENTRIES: usize = 200;

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
    pub(super) after: Option<String>,
    pub(super) limit: usize,
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

/// One page of the list of this name, and where the next one begins.
pub(super) fn page(
    name: &str,
    entries: impl Iterator<Item = Value>,
    next: Option<String>,
) -> Response {
    let page = Map::from_iter([
        (name.to_owned(), entries.collect()),
        ("next".to_owned(), next.into()),
    ]);
    uncached(Json(page))
}
