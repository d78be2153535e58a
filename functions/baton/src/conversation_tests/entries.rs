//! What single entries of a file must be, whatever stands beside them: texts that say something, lists within bounds, claims.
//! Knows forms; never the team.

use baton_handoff::Claims;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::pattern::{Pattern, json};

/// The most entries of any list in a file.
const MOST_ENTRIES: usize = 256;

/// A text that is not empty: an empty one stands in every text, and says nothing.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty() {
            return Err("a text is empty here, which says nothing");
        }
        Ok(Self(text))
    }
}

/// A list within bounds.
pub(super) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Vec::deserialize(from)?;
    if list.len() > MOST_ENTRIES {
        let sentence = format!("a list has {MOST_ENTRIES} entries at most");
        return Err(D::Error::custom(sentence));
    }
    Ok(list)
}

/// The same, where a list without entries says something else than none.
pub(super) fn list_if_any<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    list(from).map(Some)
}

/// A pattern of the arguments of a call.
pub(super) fn arguments<'de, D: Deserializer<'de>>(from: D) -> Result<Pattern, D::Error> {
    let value = toml::Value::deserialize(from)?;
    Pattern::of_arguments(value).map_err(D::Error::custom)
}

/// The claims of a customer.
pub(super) fn claims<'de, D: Deserializer<'de>>(from: D) -> Result<Claims, D::Error> {
    let table = toml::Table::deserialize(from)?;
    let claims = json(toml::Value::Table(table)).map_err(D::Error::custom)?;
    let Value::Object(claims) = claims else {
        return Err(D::Error::custom("claims of [customer] must be a table"));
    };
    let claims = Claims::new(claims);
    claims.ok_or_else(|| D::Error::custom("claims of [customer] are larger than 2 KB"))
}
