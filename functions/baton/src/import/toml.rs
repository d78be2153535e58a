//! Writes nodes as TOML 1.0, one value a line.
//! Knows the format only.

use super::node::{Map, Node};

/// A value on one line. Err: it holds null, which TOML has not.
pub(super) fn value(node: &Node) -> Result<String, String> {
    Ok(match node {
        Node::Null => return Err("it holds null where TOML has none".to_owned()),
        Node::Bool(value) => value.to_string(),
        Node::Integer(value) => value.to_string(),
        // Debug keeps the point or the exponent, by which TOML tells it from an integer.
        Node::Float(value) => format!("{value:?}"),
        Node::Text(value) => text(value),
        Node::List(items) => {
            let items: Vec<_> = items.iter().map(value).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Node::Map(members) if members.is_empty() => "{}".to_owned(),
        Node::Map(members) => format!("{{ {} }}", pairs(members)?.join(", ")),
    })
}

/// The members of a table, each as `name = value`.
pub(super) fn pairs(map: &Map) -> Result<Vec<String>, String> {
    map.iter()
        .map(|(name, member)| Ok(format!("{} = {}", key(name), value(member)?)))
        .collect()
}

pub(super) fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        text(name)
    }
}

/// A basic string.
pub(super) fn text(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() => {
                let code = format!("\\u{:04X}", u32::from(other));
                quoted.push_str(&code);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A text for a comment: one line without what may not stand there.
pub(super) fn comment(value: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    value.chars().map(plain).collect()
}
