//! What a tool's result says: its fields, whatever its shape. Knows no conversation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scenes::spaced;

/// A line `.name=value` for each field, of objects in lists only those of the one that has most words of what was asked for;
/// or `text=` what is no JSON, and `around=` what stands before JSON.
pub(super) fn lines(text: &str, asked: &str) -> String {
    let object = || serde_json::from_str(text.get(text.find('{')?..=text.rfind('}')?)?).ok();
    let value: Option<Value> = serde_json::from_str(text).ok().or_else(object);
    let Some(value) = value.filter(|value| !value.is_string()) else {
        return format!("text={}\n", text.replace('\n', " "));
    };
    let mut records = BTreeMap::new();
    read(&value, "", false, &mut records);
    let asked = spaced(asked);
    let score = |record: &String| {
        let record = spaced(record);
        asked
            .split(' ')
            .filter(|word| record.contains(&format!(" {word}")))
            .count()
    };
    let listed = records.iter().filter(|((is_listed, _), _)| *is_listed);
    // The first of equals: the tool's order is its ranking.
    let best = listed
        .rev()
        .max_by_key(|(_, record)| score(record))
        .map(|(_, record)| record);
    let own = records
        .iter()
        .filter(|((is_listed, _), _)| !is_listed)
        .map(|(_, record)| record);
    let around = text
        .split('{')
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    let around = format!("around={around}\n");
    std::iter::once(&around)
        .chain(own)
        .chain(best)
        .map(String::as_str)
        .collect()
}

/// The lines of each object, by whether it is in a list, and its path.
fn read(value: &Value, path: &str, listed: bool, into: &mut BTreeMap<(bool, String), String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let text = inner
            .as_str()
            .map_or_else(|| inner.to_string(), str::to_owned);
        if inner.is_object() || inner.is_array() {
            read(inner, &format!("{path}.{name}"), listed, into);
        } else if !inner.is_null() {
            let line = format!("{path}.{name}={}\n", text.replace('\n', " \\n "));
            into.entry((listed, path.to_owned()))
                .or_default()
                .push_str(&line);
        }
    }
    for (at, inner) in value.as_array().into_iter().flatten().enumerate() {
        read(inner, &format!("{path}.{at:06}"), true, into);
    }
}
