//! The keys of the section `[tool.http]` as a person writes it, with their types and places.
//! Knows the format only; never whether the parts fit together.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::call::{HttpBody, HttpLists, HttpMethod, HttpQuery};
use crate::outgoing::headers::HeaderFile;
use crate::outgoing::keys::KeyRemembers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct HttpFile {
    pub(super) method: HttpMethod,
    pub(super) url: Spanned<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<HeaderFile>>,
    pub(super) body: Option<Spanned<HttpBody>>,
    pub(super) query: Option<Spanned<HttpQuery>>,
    pub(super) query_lists: Option<Spanned<HttpLists>>,
    #[serde(default)]
    pub(super) body_fields: BTreeMap<String, Spanned<String>>,
    pub(super) idempotency_keys: Option<Spanned<bool>>,
    pub(super) key_life_minutes: Option<Spanned<i64>>,
    pub(super) key_remembers: Option<Spanned<KeyRemembers>>,
    pub(super) result_within_minutes: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) allow_private: bool,
}
