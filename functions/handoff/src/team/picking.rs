//! The fields of a result that a model gets, as the team file names them.
//! Knows names and JSON; never the service that answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;
use toml::Spanned;

use super::mistake::Located;
use crate::json::{Parts, parts};

/// Stands for every item of a list.
const EACH: &str = "*";

/// The fields of a result that are picked. Each stays at its place, so that other pointers into the result still lead there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picking(BTreeMap<String, Picked>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Picked {
    Whole,
    Inside(Picking),
}

impl Picking {
    /// Pointers (RFC 6901); in them `*` is every item of a list.
    pub(super) fn declare(tool: &str, pointers: Vec<Spanned<String>>) -> Result<Self, Located> {
        let mut picking = Self::default();
        for pointer in pointers {
            let text = pointer.get_ref();
            let is_escape = |rest: &str| rest.starts_with(['0', '1']);
            if !text.starts_with('/') || !text.split('~').skip(1).all(is_escape) {
                let sentence = format!(
                    "result of tool {tool:?} names {text:?}, which is not a JSON Pointer such as /items/*/price"
                );
                return Err(Located::new(sentence, pointer.span()));
            }
            let tokens = text.split('/').skip(1);
            let tokens = tokens.map(|token| token.replace("~1", "/").replace("~0", "~"));
            picking.add(&tokens.collect::<Vec<_>>());
        }
        Ok(picking)
    }

    fn add(&mut self, tokens: &[String]) {
        let Some((token, rest)) = tokens.split_first() else {
            return;
        };
        let inside = self
            .0
            .entry(token.clone())
            .or_insert_with(|| Picked::Inside(Self::default()));
        match inside {
            Picked::Whole => {}
            inside if rest.is_empty() => *inside = Picked::Whole,
            Picked::Inside(picking) => picking.add(rest),
        }
    }

    /// Whether what a pointer leads to is left as a whole.
    pub(super) fn keeps(&self, pointer: &str) -> bool {
        let mut picking = self;
        for token in pointer.split('/').skip(1) {
            let name = token.replace("~1", "/").replace("~0", "~");
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            let each = picking.0.get(EACH).filter(|_| is_number);
            match picking.0.get(&name).or(each) {
                Some(Picked::Whole) => return true,
                Some(Picked::Inside(inside)) => picking = inside,
                None => break,
            }
        }
        self.0.is_empty()
    }

    /// The picked fields of a result that begins with a JSON object or list; any other text as it is. What stands behind the JSON
    /// stays.
    pub(crate) fn of(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let Some(Ok(whole)) = values.next() else {
            return text;
        };
        let behind = text.get(values.byte_offset()..).unwrap_or_default();
        match parts(whole) {
            Parts::Members(_) | Parts::Items(_) => self.pick(whole) + behind,
            Parts::Text(_) | Parts::Other => text,
        }
    }

    fn pick(&self, whole: &RawValue) -> String {
        match parts(whole) {
            Parts::Members(members) => {
                let found = members.iter().filter_map(|(name, value)| {
                    let picked = self.0.get(&**name)?.of(value)?;
                    Some(format!("{}:{picked}", serde_json::Value::from(&**name)))
                });
                format!("{{{}}}", found.collect::<Vec<_>>().join(","))
            }
            Parts::Items(items) => self.pick_items(&items),
            Parts::Text(_) | Parts::Other => "null".to_owned(),
        }
    }

    /// With `*` all items are there, otherwise those up to the last that is named: an item keeps its number.
    fn pick_items(&self, items: &[&RawValue]) -> String {
        let each = self.0.get(EACH);
        let last = self
            .0
            .keys()
            .filter_map(|key| key.parse::<usize>().ok())
            .max();
        let most = if each.is_some() {
            items.len()
        } else {
            last.map_or(0, |last| last + 1)
        };
        let mut written = String::from("[");
        for (index, item) in items.iter().take(most).enumerate() {
            let picked = self.0.get(&index.to_string()).or(each);
            let separator = if index == 0 { "" } else { "," };
            let picked = picked.and_then(|picked| picked.of(item));
            // Writing to a string cannot fail.
            let _ = write!(
                written,
                "{separator}{}",
                picked.as_deref().unwrap_or("null")
            );
        }
        written + "]"
    }
}

impl Picked {
    /// None where there is nothing inside to pick from.
    fn of(&self, value: &RawValue) -> Option<String> {
        match (self, parts(value)) {
            (Self::Whole, _) => Some(value.get().to_owned()),
            (Self::Inside(picking), Parts::Members(_) | Parts::Items(_)) => {
                Some(picking.pick(value))
            }
            (Self::Inside(_), Parts::Text(_) | Parts::Other) => None,
        }
    }
}
