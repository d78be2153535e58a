//! The fields of a tool's result, whatever its shape. Knows no conversation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scenes::spaced;

/// A line `.name=value` for each field; of objects in lists only the one with the most words of the query. Or `text=` for a
/// result that is not JSON, and `around=` for the text before JSON.
pub(super) fn lines(text: &str, asked: &str) -> String {
    let object = || serde_json::from_str(text.get(text.find('{')?..=text.rfind('}')?)?).ok();
    let value: Option<Value> = serde_json::from_str(text).ok().or_else(object);
    let Some(value) = value.filter(|value| !value.is_string()) else {
        return format!("text={}\n", text.replace('\n', " "));
    };
    let mut records = BTreeMap::new();
    read(&value, "", &mut records);
    let asked = spaced(asked);
    let score = |record: &String| {
        let record = spaced(record);
        let is_in = |word: &&str| record.contains(&format!(" {word}"));
        asked.split(' ').filter(is_in).count()
    };
    let is_index = |step: &str| step.parse::<usize>().is_ok();
    let is_listed = |path: &str| path.split('.').any(is_index);
    let (listed, own): (Vec<_>, Vec<_>) = records.iter().partition(|(path, _)| is_listed(path));
    // The first of equals: the tool's order is its ranking.
    let best = listed.iter().rev().max_by_key(|(_, record)| score(record));
    let around = text
        .split('{')
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    let records = own.iter().chain(best).map(|(_, record)| record.as_str());
    format!("around={around}\n") + &records.collect::<String>()
}

/// The lines of each object by its path.
fn read(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        if inner.is_object() || inner.is_array() {
            read(inner, &format!("{path}.{name}"), into);
        } else if !inner.is_null() {
            let text = inner
                .as_str()
                .map_or_else(|| inner.to_string(), str::to_owned);
            let line = format!("{path}.{name}={}\n", text.replace('\n', " \\n "));
            into.entry(path.to_owned()).or_default().push_str(&line);
        }
    }
    for (at, inner) in value.as_array().into_iter().flatten().enumerate() {
        read(inner, &format!("{path}.{at:06}"), into);
    }
}
