//! The `tools` of a request.

use std::sync::Arc;

use baton_handoff::ports::{ModelError, ToolDefinition};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::envelope;

/// The array. Google refuses a schema without properties, and takes a tool without one.
pub(super) fn encoded(
    tools: &[ToolDefinition],
    omits_empty: bool,
) -> Result<Arc<RawValue>, ModelError> {
    let functions: Vec<_> = tools
        .iter()
        .map(|tool| Tool {
            kind: "function",
            function: Definition {
                name: &tool.name,
                description: &tool.description,
                parameters: (!omits_empty || has_properties(&tool.parameters))
                    .then_some(&*tool.parameters),
            },
        })
        .collect();
    envelope::encoded(&functions)
}

fn has_properties(schema: &RawValue) -> bool {
    let schema: Value = serde_json::from_str(schema.get()).unwrap_or_default();
    match schema.get("properties") {
        Some(Value::Object(properties)) => !properties.is_empty(),
        Some(_) | None => schema.get("type").and_then(Value::as_str) != Some("object"),
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Definition<'a>,
}

#[derive(Serialize)]
struct Definition<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
}
