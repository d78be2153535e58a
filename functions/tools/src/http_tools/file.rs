//! The keys of the section `[tool.http]` as a person writes it, with their types and places.
//! Knows the format only; never whether the parts fit together.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::call::{HttpBody, HttpLists, HttpMethod, HttpQuery};

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

/// The outcomes that a service remembers under an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyRemembers {
    /// Only success.
    Effects,
    /// Success and refusal.
    Refusals,
}

pub(super) enum HeaderFile {
    Literal(String),
    Environment(EnvironmentFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct EnvironmentFile {
    pub(super) env: String,
    #[serde(default)]
    pub(super) prefix: String,
}

// An untagged enum would report every mistake as "did not match any variant"; this names the expected type.

impl<'de> Deserialize<'de> for HeaderFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HeaderFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a text or { env = "NAME" }"#)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HeaderFile, E> {
                Ok(HeaderFile::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderFile, A::Error> {
                EnvironmentFile::deserialize(MapAccessDeserializer::new(map))
                    .map(HeaderFile::Environment)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
