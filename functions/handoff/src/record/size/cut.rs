//! JSON that is too long, made shorter inside: it stays JSON, and says at each cut how much is left out.
//! Sizes are those of [`stored_len`].

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::stored_len;
use crate::json::{Parts, parts};

/// Room for the note at a cut.
const NOTE: usize = 64;

/// A shorter part would say nothing.
const LEAST: usize = 96;

/// Of so many items each gets its share; of more the first ones are whole.
const FEW: usize = 8;

/// How deep cuts go.
const DEEPEST: usize = 32;

/// What stands for a part that has no room.
const NOTHING: &str = "\"…\"";

/// The text within the bound; none if it does not begin with a JSON object or list. What stands behind the JSON stays, where there
/// is room.
pub(super) fn cut(text: &str, bound: usize) -> Option<String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let whole = values.next()?.ok()?;
    if !matches!(parts(whole), Parts::Members(_) | Parts::Items(_)) {
        return None;
    }
    let behind = text.get(values.byte_offset()..).unwrap_or_default();
    // More than a note of ours: then this is a text that begins like JSON.
    let left = bound.checked_sub(stored_len(behind))?;
    if left < bound / 2 {
        return None;
    }
    Some(within(whole, left, DEEPEST) + behind)
}

fn within(value: &RawValue, bound: usize, deeper: usize) -> String {
    let text = value.get();
    if stored_len(text) <= bound {
        return text.to_owned();
    }
    let Some(deeper) = deeper.checked_sub(1) else {
        return NOTHING.to_owned();
    };
    match parts(value) {
        Parts::Members(members) => object(&members, bound, deeper),
        Parts::Items(items) => list(&items, bound, deeper),
        Parts::Text(text) => head(&text, bound),
        Parts::Other => NOTHING.to_owned(),
    }
}

/// Each member that is larger than its share gets its share. Where that is too little the first members stay.
fn object(members: &[(Cow<'_, str>, &RawValue)], bound: usize, deeper: usize) -> String {
    let names: Vec<String> = members
        .iter()
        .map(|(name, _)| format!("{}:", Value::from(&**name)))
        .collect();
    let frame = |name: &String| stored_len(name) + 1;
    let sizes: Vec<usize> = members
        .iter()
        .map(|(_, value)| stored_len(value.get()))
        .collect();
    let room = bound.saturating_sub(NOTE);
    let for_values = room.saturating_sub(names.iter().map(frame).sum());
    let share = share(&sizes, for_values).max(LEAST);
    let mut kept = Vec::new();
    let mut used = 0;
    for ((_, value), name) in members.iter().zip(&names) {
        let value = within(value, share, deeper);
        let size = frame(name) + stored_len(&value);
        if used + size <= room {
            used += size;
            kept.push(format!("{name}{value}"));
        }
    }
    let of = members.len();
    let left_out = of - kept.len();
    if left_out > 0 {
        kept.push(format!("\"…\":\"{left_out} of {of} members left out\""));
    }
    format!("{{{}}}", kept.join(","))
}

fn list(items: &[&RawValue], bound: usize, deeper: usize) -> String {
    let room = bound.saturating_sub(NOTE);
    let sizes: Vec<usize> = items
        .iter()
        .map(|item| stored_len(item.get()) + 1)
        .collect();
    let share = if items.len() <= FEW {
        share(&sizes, room).saturating_sub(1)
    } else {
        room / FEW
    };
    let share = share.max(LEAST);
    let mut kept = Vec::new();
    let mut used = 0;
    for item in items {
        let item = within(item, share, deeper);
        used += stored_len(&item) + 1;
        if used > room {
            break;
        }
        kept.push(item);
    }
    let of = items.len();
    let left_out = of - kept.len();
    if left_out > 0 {
        kept.push(format!("\"… {left_out} of {of} items left out\""));
    }
    format!("[{}]", kept.join(","))
}

/// The beginning of a text, as JSON.
fn head(text: &str, bound: usize) -> String {
    let room = bound.saturating_sub(NOTE);
    let mut used = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let mut buffer = [0; 4];
        let written = Value::from(&*c.encode_utf8(&mut buffer)).to_string();
        // Without the quotes around it.
        used += stored_len(&written) - 4;
        if used > room {
            break;
        }
        end = at + c.len_utf8();
    }
    let head = text.get(..end).unwrap_or_default();
    let (left_out, of) = (text.len() - end, text.len());
    Value::from(format!("{head}… [{left_out} of {of} bytes left out]")).to_string()
}

/// The largest share such that all sizes, each no more than its share, fit the room.
fn share(sizes: &[usize], room: usize) -> usize {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let mut left = room;
    let mut open = sorted.len();
    for size in sorted {
        let equal = left / open.max(1);
        if size > equal {
            return equal;
        }
        left -= size;
        open -= 1;
    }
    room
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn assert_cut(text: &str, bound: usize) -> Value {
        let cut = cut(text, bound).unwrap();
        assert!(stored_len(&cut) <= bound, "{} > {bound}", stored_len(&cut));
        serde_json::from_str(&cut).unwrap()
    }

    #[test]
    fn a_long_list_keeps_its_first_items_whole_and_says_how_many_are_left_out() {
        let items: Vec<_> = (0..500)
            .map(|n| json!({"id": n, "name": "anvil"}))
            .collect();
        let cut = assert_cut(&json!({"total": 500, "items": items}).to_string(), 2048);
        assert_eq!(cut["total"], 500);
        let kept = cut["items"].as_array().unwrap();
        let (note, kept) = kept.split_last().unwrap();
        assert!(kept.len() > 40, "{}", kept.len());
        for (n, item) in kept.iter().enumerate() {
            assert_eq!(*item, json!({"id": n, "name": "anvil"}));
        }
        assert_eq!(
            *note,
            format!("… {} of 500 items left out", 500 - kept.len())
        );
    }

    #[test]
    fn a_long_text_is_cut_and_its_neighbours_stay() {
        let long = "ä\"\n".repeat(2000);
        let whole = json!({"page": long, "price": 7, "tags": ["a", "b"]});
        let cut = assert_cut(&whole.to_string(), 1000);
        assert_eq!(
            (&cut["price"], &cut["tags"]),
            (&json!(7), &json!(["a", "b"]))
        );
        let page = cut["page"].as_str().unwrap();
        let (head, note) = page.split_once("… [").unwrap();
        assert!(long.starts_with(head) && head.len() > 200, "{page}");
        assert_eq!(
            note,
            format!("{} of 8000 bytes left out]", 8000 - head.len())
        );
    }

    #[test]
    fn numbers_keep_their_digits_and_members_their_order() {
        let text = format!(
            r#"{{"z": 12345678901234567890123, "a": 1.10, "text": "{}"}}"#,
            "x".repeat(1000)
        );
        let cut = cut(&text, 300).unwrap();
        let start = r#"{"z":12345678901234567890123,"a":1.10,"text":"xxx"#;
        assert!(cut.starts_with(start), "{cut}");
    }

    #[test]
    fn whatever_the_shape_it_stays_json_within_the_bound() {
        let deep = format!("{}\"deep\"{}", "[".repeat(100), "]".repeat(100));
        let wide = (0..3000).map(|n| (format!("member {n}"), json!(n)));
        let steps: Vec<_> = (0..900).map(|n| "y".repeat(n)).collect();
        let shapes = [
            format!("[{deep},\"{}\"]", "x".repeat(5000)),
            Value::Object(wide.collect()).to_string(),
            json!([
                ["a".repeat(9000)],
                "\u{1}".repeat(9000),
                "\\\"".repeat(9000)
            ])
            .to_string(),
            json!({"a": {"b": {"c": steps}}}).to_string(),
            json!([1, "z".repeat(70_000)]).to_string(),
        ];
        for shape in &shapes {
            for bound in [512, 2048, 4096] {
                assert_cut(shape, bound);
            }
        }
    }

    #[test]
    fn what_is_no_object_or_list_is_not_cut_here() {
        for text in ["plain", "\"text\"", "12 Main Street", "{broken", ""] {
            assert_eq!(cut(text, 100), None, "{text}");
        }
        let noted = format!("[\"{}\"]\n[A note.]", "x".repeat(500));
        let cut = cut(&noted, 300).unwrap();
        assert!(cut.ends_with("left out]\"]\n[A note.]"), "{cut}");
    }
}
