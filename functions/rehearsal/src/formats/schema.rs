//! JSON schemas of tools.

use serde_json::Value;

/// Whether its `type` is `object`, in whichever case.
pub(super) fn is_object(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("object"))
}

/// The same schema with its types in lower case, as the script wants them.
pub(super) fn lowered(mut schema: Value) -> Value {
    lower(&mut schema);
    schema
}

fn lower(schema: &mut Value) {
    if let Some(Value::String(kind)) = schema.get_mut("type") {
        *kind = kind.to_lowercase();
    }
    for inner in schema.as_object_mut().into_iter().flatten() {
        lower(inner.1);
    }
}
