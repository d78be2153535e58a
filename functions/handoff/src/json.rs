//! The parts of a JSON text, each as it was written: numbers keep their digits and members their order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The parts of one value.
pub(crate) enum Parts<'a> {
    /// Of an object.
    Members(Vec<(Cow<'a, str>, &'a RawValue)>),
    /// Of a list.
    Items(Vec<&'a RawValue>),
    /// A text has none.
    Text(String),
    /// Nor has a number, a truth value or null.
    Other,
}

/// The parts of a value. What cannot be taken apart has none.
pub(crate) fn parts(value: &RawValue) -> Parts<'_> {
    let text = value.get();
    match text.trim_start().bytes().next() {
        Some(b'{') => serde_json::from_str(text)
            .map_or(Parts::Other, |Members(members)| Parts::Members(members)),
        Some(b'[') => serde_json::from_str(text).map_or(Parts::Other, Parts::Items),
        Some(b'"') => serde_json::from_str(text).map_or(Parts::Other, Parts::Text),
        Some(_) | None => Parts::Other,
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
