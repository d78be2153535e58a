//! Tool definitions as this format writes them.

use std::sync::Arc;

use baton_handoff::ports::{ModelError, ToolDefinition};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::envelope;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// JSON Schema as it is; the older field `parameters` knows a part of it only.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

/// The `tools` array.
pub(super) fn encoded(tools: &[ToolDefinition]) -> Result<Arc<RawValue>, ModelError> {
    let declarations = tools.iter().map(|tool| Declaration {
        name: &tool.name,
        description: &tool.description,
        parameters_json_schema: has_properties(&tool.parameters).then_some(&*tool.parameters),
    });
    envelope::encoded(&[Tools {
        function_declarations: declarations.collect(),
    }])
}

/// The service refuses an object without properties; a tool without parameters has no schema.
fn has_properties(parameters: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Schema {
        #[serde(default)]
        properties: Map<String, Value>,
        #[serde(rename = "$ref", default)]
        reference: Option<String>,
    }
    serde_json::from_str::<Schema>(parameters.get()).map_or(true, |schema| {
        !schema.properties.is_empty() || schema.reference.is_some()
    })
}
