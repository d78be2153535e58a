//! The keys of `[[mcp]]` and `[tool.mcp]` as a person writes them, with their types and places.
//! Knows the format only; never whether the parts fit together.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::outgoing::headers::HeaderFile;
use crate::outgoing::keys::KeyRemembers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ServerFile {
    pub(super) name: Spanned<String>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<HeaderFile>>,
    pub(super) allow_private: Option<Spanned<bool>>,
    /// The variables that a program gets of ours.
    #[serde(default)]
    pub(super) env: Vec<Spanned<String>>,
    pub(super) memory_mb: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct CallFile {
    pub(super) server: Spanned<String>,
    pub(super) tool: Option<Spanned<String>>,
    pub(super) pinned: Spanned<String>,
    pub(super) key: Option<Spanned<KeyFile>>,
    pub(super) key_life_minutes: Option<Spanned<i64>>,
    pub(super) key_remembers: Option<Spanned<KeyRemembers>>,
    pub(super) errors: Option<Spanned<ErrorsFile>>,
}

/// Where the idempotency key of an action stands in a call.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct KeyFile {
    pub(super) argument: Option<String>,
    pub(super) meta: Option<String>,
}

/// What a tool's own errors mean.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ErrorsFile {
    Unclear,
    Refusals,
}
