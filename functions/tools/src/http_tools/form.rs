//! A body as HTML forms have it (URL Standard, section 5): members of members in brackets, as services that take forms read them.
//! Knows JSON only.

use reqwest::Url;
use serde_json::{Map, Value};

/// The arguments as a form. null, and what is empty, is left out.
pub(super) fn encoded(arguments: &Map<String, Value>) -> String {
    // Only its query is used: pairs stand in a form as they do there.
    let Ok(mut url) = Url::parse("http://form") else {
        return String::new();
    };
    {
        let mut pairs = url.query_pairs_mut();
        let mut add = |name: &str, value: &str| {
            pairs.append_pair(name, value);
        };
        for (name, value) in arguments {
            write(name, value, &mut add);
        }
    }
    url.query().unwrap_or_default().to_owned()
}

fn write(name: &str, value: &Value, add: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Null => {}
        Value::String(text) => add(name, text),
        Value::Bool(_) | Value::Number(_) => add(name, &value.to_string()),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                write(&format!("{name}[{place}]"), item, add);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                write(&format!("{name}[{member}]"), value, add);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(arguments: &Value) -> String {
        encoded(arguments.as_object().unwrap())
    }

    #[test]
    fn members_of_members_stand_in_brackets() {
        let arguments = json!({
            "amount": 1200,
            "items": [{ "price": "a&b" }, { "price": "c d" }],
            "live": true,
            "metadata": { "order": "ä" },
        });
        assert_eq!(
            form(&arguments),
            "amount=1200&items%5B0%5D%5Bprice%5D=a%26b&items%5B1%5D%5Bprice%5D=c+d&live=true&metadata%5Border%5D=%C3%A4"
        );
    }

    #[test]
    fn what_is_null_or_empty_is_left_out() {
        assert_eq!(form(&json!({ "a": null, "b": [], "c": {}, "d": "" })), "d=");
        assert_eq!(form(&json!({})), "");
    }
}
