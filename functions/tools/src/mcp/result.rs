//! The text of a result for a model. Knows the kinds of content; fetches nothing that one refers to.

use serde_json::{Map, Value};

use crate::http_tools::printable;

/// The most bytes of a result, as of an HTTP service's.
const MAX_RESULT: usize = 256 * 1024;

/// The most bytes of a failure in the tool's own words.
const MAX_REFUSAL: usize = 2 * 1024;

/// The most characters of a name or an address in a sentence.
const MAX_NAME: usize = 200;

/// The result as text: texts as they are, structured content where there is no text, and a sentence for all else. Err completes the
/// sentence "… is of no use: …".
pub(super) fn text_of(result: &Map<String, Value>) -> Result<String, String> {
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    let content = result.get("content").and_then(Value::as_array);
    for item in content.into_iter().flatten() {
        let is_text = item.get("type").and_then(Value::as_str) == Some("text");
        match item.get("text").and_then(Value::as_str) {
            Some(text) if is_text => texts.push(text.to_owned()),
            _ => others.push(sentence(item)),
        }
    }
    if texts.iter().all(|text| text.trim().is_empty()) {
        texts.clear();
        let structured = result.get("structuredContent");
        texts.extend(structured.filter(|it| !it.is_null()).map(Value::to_string));
    }
    texts.extend(others);
    let text = texts.join("\n");
    if text.len() > MAX_RESULT {
        return Err(format!(
            "it is {} KB, the bound is {} KB",
            text.len().div_ceil(1024),
            MAX_RESULT / 1024
        ));
    }
    Ok(printable(text.trim()))
}

/// What a tool says of its failure.
pub(super) fn refusal_of(result: &Map<String, Value>) -> String {
    let text = text_of(result).unwrap_or_default();
    if text.is_empty() {
        return "it failed and said nothing".to_owned();
    }
    cut(&text).to_owned()
}

/// The beginning of a text of the server.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_REFUSAL))
        .unwrap_or_default()
}

fn sentence(item: &Value) -> String {
    let resource = item.get("resource");
    let field = |name: &str| {
        let value = item.get(name).or_else(|| resource?.get(name))?.as_str()?;
        let value: String = value.chars().take(MAX_NAME).collect();
        Some(value)
    };
    let of_type = field("mimeType").map_or_else(String::new, |kind| format!(" ({kind})"));
    let at = field("uri").map_or_else(String::new, |uri| format!(" at {uri}"));
    match item.get("type").and_then(Value::as_str) {
        Some("image") => format!("[An image{of_type}, which cannot be shown here.]"),
        Some("audio") => format!("[A sound{of_type}, which cannot be played here.]"),
        Some("resource_link") => format!("[A link to a resource{of_type}{at}.]"),
        Some("resource") => format!("[A resource{of_type}{at}, which is not shown here.]"),
        _ => "[Something that cannot be shown here.]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(result: &Value) -> Result<String, String> {
        text_of(result.as_object().unwrap())
    }

    #[test]
    fn texts_are_joined_and_other_content_is_named() {
        let result = json!({
            "content": [
                {"type": "text", "text": "One."},
                {"type": "image", "data": "AAAA", "mimeType": "image/png"},
                {"type": "text", "text": "Two.\u{0007}"},
                {"type": "resource_link", "uri": "file:///a", "name": "a"},
                {"type": "resource", "resource": {"uri": "test://b", "text": "secret"}},
                {"type": "audio"},
                {"type": "later"},
            ],
            "structuredContent": {"a": 1},
        });
        assert_eq!(
            text(&result).unwrap(),
            "One.\nTwo.\n[An image (image/png), which cannot be shown here.]\n\
             [A link to a resource at file:///a.]\n[A resource at test://b, which is not shown here.]\n\
             [A sound, which cannot be played here.]\n[Something that cannot be shown here.]"
        );
    }

    #[test]
    fn structured_content_stands_for_a_missing_text() {
        assert_eq!(
            text(&json!({"content": [], "structuredContent": {"total": 3}})).unwrap(),
            "{\"total\":3}"
        );
        assert_eq!(text(&json!({"structuredContent": [1]})).unwrap(), "[1]");
        assert_eq!(text(&json!({})).unwrap(), "");
    }

    #[test]
    fn a_flood_of_text_is_refused_with_its_size() {
        let long = "x".repeat(MAX_RESULT + 1);
        assert_eq!(
            text(&json!({"content": [{"type": "text", "text": long}]})).unwrap_err(),
            "it is 257 KB, the bound is 256 KB"
        );
        let words = refusal_of(
            json!({"content": [{"type": "text", "text": "é".repeat(3_000)}]})
                .as_object()
                .unwrap(),
        );
        assert_eq!(words.len(), MAX_REFUSAL);
    }
}
