//! A parameter in a header: Baton's own key, a value that the document knows, or a question to a person.
//! Knows one parameter; never credentials.

use super::node::Node;
use super::parameters::{Parameter, Parameters, leave_out, schema};
use super::schema::Schemas;

/// A header that the document wants.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) is_required: bool,
    /// The only value that it may have, or its default.
    pub(super) value: Option<String>,
}

/// Err completes the sentence "OPERATION: …".
pub(super) fn header<'a>(
    parameter: &Parameter<'a>,
    found: &mut Parameters,
    schemas: &mut Schemas<'a>,
) -> Result<(), String> {
    let name = parameter.name.to_ascii_lowercase();
    match name.as_str() {
        // OpenAPI says that these are described elsewhere; Baton sends the rest itself.
        "accept" | "content-type" | "authorization" | "traceparent" | "host" | "content-length" => {
            return Ok(());
        }
        "idempotency-key" => {
            found.has_key = true;
            return Ok(());
        }
        other if other.contains("idempotency") => {
            found.other_key = Some(parameter.name.to_owned());
            let reason = "Baton sends its key as Idempotency-Key and nothing else";
            return if parameter.is_required {
                leave_out(parameter, reason, schemas)
            } else {
                Ok(())
            };
        }
        _ => {}
    }
    let schema = schema(parameter, schemas).unwrap_or_default();
    let single = match schema.list("enum") {
        [one] => Some(one),
        _ => schema.get("const").or_else(|| schema.get("default")),
    };
    let value = single.and_then(|value| match value {
        Node::Text(text) => Some(text.clone()),
        Node::Integer(number) => Some(number.to_string()),
        Node::Bool(truth) => Some(truth.to_string()),
        Node::Null | Node::Float(_) | Node::List(_) | Node::Map(_) => None,
    });
    found.headers.push(Header {
        name: parameter.name.to_owned(),
        is_required: parameter.is_required,
        value,
    });
    Ok(())
}
