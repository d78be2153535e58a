//! Builds the URL of a call from the declared address and the call's arguments. The host is the declaration's; an argument fills
//! its own place and cannot leave it.

use baton_handoff::ports::CallContext;
use reqwest::Url;
use serde_json::{Map, Value};

use super::call::{HttpCall, HttpLists, HttpQuery, UrlPart};

/// The usual limit of servers for the first line of a request, in bytes.
const MAX_URL: usize = 8 * 1024;

/// The URL of one call. Err completes the sentence "TOOL was not called: …".
pub(super) fn target(
    origin: &Url,
    call: &HttpCall,
    arguments: &Map<String, Value>,
    context: &CallContext,
) -> Result<Url, String> {
    let mut path = String::new();
    let mut query = None;
    for part in &call.url.parts {
        match (part, &mut query) {
            (UrlPart::Text(text), None) => match text.split_once('?') {
                Some((before, after)) => {
                    path.push_str(before);
                    query = Some(after.to_owned());
                }
                None => path.push_str(text),
            },
            (UrlPart::Text(text), Some(query)) => query.push_str(text),
            (UrlPart::Parameter(name), None) => {
                let text = text_of(name, arguments)?;
                check_segment(name, &text)?;
                encode(&text, &mut path);
            }
            (UrlPart::Parameter(name), Some(query)) => encode(&text_of(name, arguments)?, query),
            (UrlPart::Known(known), None) => {
                let text = known.text(context)?;
                check_segment(&known.to_string(), &text)?;
                encode(&text, &mut path);
            }
            (UrlPart::Known(known), Some(query)) => encode(&known.text(context)?, query),
        }
    }
    match call.query {
        HttpQuery::None => {}
        HttpQuery::Arguments => add_arguments(call, arguments, &mut query)?,
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let text = format!("{}{path}{query}", call.url.origin);
    if text.len() > MAX_URL {
        return Err(format!(
            "its address would be {} bytes, the bound is {MAX_URL} bytes",
            text.len()
        ));
    }
    match Url::parse(&text) {
        Ok(url) if url.origin() == origin.origin() => Ok(url),
        Ok(_) | Err(_) => Err("its address would lead elsewhere".to_owned()),
    }
}

/// The arguments that the address does not name, in the order of their names.
fn add_arguments(
    call: &HttpCall,
    arguments: &Map<String, Value>,
    query: &mut Option<String>,
) -> Result<(), String> {
    let query = query.get_or_insert_default();
    let filled = call.url.filled_names();
    for (name, value) in arguments {
        let named = call.url.parameters().any(|parameter| parameter == name);
        if named || value.is_null() || filled.contains(name) {
            continue;
        }
        match (value, call.query_lists) {
            (Value::Array(items), Some(HttpLists::Repeat)) => {
                for item in items {
                    add(query, name);
                    encode(&scalar(name, item)?, query);
                }
            }
            (Value::Array(items), Some(HttpLists::Comma)) => {
                for (at, item) in items.iter().enumerate() {
                    if at == 0 {
                        add(query, name);
                    } else {
                        query.push(',');
                    }
                    encode(&scalar(name, item)?, query);
                }
            }
            (value, _) => {
                add(query, name);
                encode(&scalar(name, value)?, query);
            }
        }
    }
    Ok(())
}

/// A parameter of the query, up to its value.
fn add(query: &mut String, name: &str) {
    if !query.is_empty() && !query.ends_with('&') {
        query.push('&');
    }
    encode(name, query);
    query.push('=');
}

fn text_of(name: &str, arguments: &Map<String, Value>) -> Result<String, String> {
    scalar(name, arguments.get(name).unwrap_or(&Value::Null))
}

fn scalar(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("{name} must be a text, a number or a truth value"))
        }
    }
}

/// Some servers decode a segment before they split the path, so an argument that would change the path there is refused. Since no
/// argument is empty or a dot, none makes dots together with the text around it either.
fn check_segment(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{name} must not be empty"));
    }
    let leads_elsewhere = |piece: &str| piece == "." || piece == "..";
    if text.split(['/', '\\']).any(leads_elsewhere) {
        return Err(format!("{name} must not be a path with `.` or `..` in it"));
    }
    Ok(())
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn encode(text: &str, into: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
