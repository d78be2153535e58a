//! Whether a value stands in a text as a word or a number of its own: `item_1` does not stand in `item_132`, nor 39 in 399.
//! Knows letters and digits; never who said the text.

use serde_json::Value;

/// The most digits of a number that a double has exactly; with more of them it is compared as text.
const MOST_DIGITS: usize = 15;

/// Whether the value stands in the text. A number is one however it is written: 12345, 12,345, $12,345.00.
pub(super) fn stands_in(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => says(text, value),
        Value::Number(number) => says(text, &number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// A result as text in which no two numbers are joined by a comma alone, as they are in the list `[101,102]`.
pub(super) fn spread(result: &str) -> String {
    match serde_json::from_str(result) {
        Ok(json @ (Value::Array(_) | Value::Object(_))) => format!("{json:#}"),
        Ok(_) | Err(_) => result.to_owned(),
    }
}

fn says(text: &str, value: &str) -> bool {
    let (text, value) = (plain(text), plain(value));
    if let Some(number) = number(&value) {
        return numbers(&text).any(|other| other.total_cmp(&number).is_eq());
    }
    !value.is_empty()
        && text.match_indices(&value).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let behind = text.get(at + value.len()..);
            let behind = behind.and_then(|text| text.chars().next());
            ![before, behind].into_iter().flatten().any(is_of_word)
        })
}

/// Whether a word goes on with this character. In scripts without blanks every character is a word's end.
fn is_of_word(c: char) -> bool {
    let has_no_blanks = matches!(c,
        '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}');
    (c.is_alphanumeric() || c == '_') && !has_no_blanks
}

/// In lower case, with one blank between words, and without dollar signs and the commas of thousands.
fn plain(text: &str) -> String {
    let characters: Vec<char> = text.to_lowercase().replace('$', " ").chars().collect();
    let is_digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    let separates = |at: usize| {
        at > 0
            && is_digit(at - 1)
            && (1..=3).all(|behind| is_digit(at + behind))
            && !is_digit(at + 4)
    };
    let kept = characters.iter().enumerate();
    let kept = kept.filter(|(at, c)| **c != ',' || !separates(*at));
    let kept: String = kept.map(|(_, c)| c).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number that is all of a plain text, with or without a currency. An id may have a nought in front, and is no number.
fn number(text: &str) -> Option<f64> {
    let digits = text.trim_matches(|c: char| c.is_whitespace() || "€£¥".contains(c));
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let mut characters = unsigned.chars();
    let is_number = characters.next().is_some_and(|c| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || c == '.')
        && unsigned.len() <= MOST_DIGITS;
    let is_id = unsigned.starts_with('0') && characters.next().is_some_and(|c| c != '.');
    (is_number && !is_id).then(|| digits.parse().ok())?
}

/// The numbers of a plain text.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let words = text.split(|c: char| !is_of_word(c) && c != '.' && c != '-');
    words.filter_map(|word| number(word.trim_end_matches(['.', '-']).trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_stands_in_a_text_as_a_word_or_number_of_its_own() {
        let found = r#"{"ids":["item_132","A-1"],"cents":[101,102,12345],"usd":399.0,"left":-5}"#;
        for (value, text) in [
            (json!("item_132"), found),
            (json!("a-1"), found),
            (json!(102), found),
            (json!("$399"), found),
            (json!(399), "It costs $399.00."),
            (json!(-5), found),
            (json!("$12,345"), found),
            (json!(12_345), "That is $12,345."),
            (json!("007"), "Agent 007!"),
            (json!(20), "about 10-20, or 20."),
            (json!("1234567890123456789"), "card 1234567890123456789"),
            (json!("item_7"), "注文item_7を"),
            (
                json!("rocket-powered  unicycle"),
                "a Rocket-powered\nunicycle",
            ),
        ] {
            assert!(stands_in(&value, &spread(text)), "{value} in {text}");
        }
        for (value, text) in [
            (json!("item_1"), found),
            (json!("item_13"), found),
            (json!(132), found),
            (json!("$39"), "$399"),
            (json!(39), "$39.99"),
            (json!(345), "$12,345"),
            (json!(101_102), found),
            (json!(5), found),
            (json!("7"), "Agent 007!"),
            (json!("1234567890123456788"), "card 1234567890123456789"),
            (json!("cycle"), "unicycle"),
            (json!(""), "text"),
            (json!("$"), "$ 1"),
        ] {
            assert!(!stands_in(&value, &spread(text)), "{value} in {text}");
        }
    }
}
